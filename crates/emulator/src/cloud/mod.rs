//! The core: state, a virtual clock, and what is due. Synchronous and deterministic; it reads no
//! clock, opens no socket, and draws no random number.
//!
//! [`Cloud::call`] is the one door for calls from outside; templates pass the same door through
//! `Host`. [`Cloud::advance_to`] lets virtual time pass.

pub mod call;
pub mod container_groups;
pub mod containers;
pub mod faults;
mod host;
pub mod ids;
pub mod images;
pub mod journal;
pub mod model;
pub mod neighbours;
mod omit;
pub mod queue;
pub mod ram;
mod script;
pub mod world;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::error::ApiError;
use crate::fixture::Fixture;
use crate::oos::Engine;
use crate::services;
use call::{Call, Outcome, Service};
use queue::Event;
use script::Script;
use world::World;

/// A whole emulated cloud.
#[derive(Debug)]
pub struct Cloud {
    pub world: World,
    /// One engine per account.
    pub(crate) engines: BTreeMap<String, Engine>,
    script: Script,
    pub(crate) front: crate::front::State,
}

/// How often executions may ask to be woken at one instant before the core assumes that they will
/// never stop asking. The largest template loops (1,000 items, all at once) stay far below.
const WAKES_AT_ONE_INSTANT: u32 = 100_000;

impl Cloud {
    /// Builds the scene that a fixture describes.
    pub fn new(fixture: &Fixture) -> Result<Self, crate::fixture::FixtureError> {
        let mut cloud = Self {
            world: fixture.world()?,
            engines: BTreeMap::new(),
            script: Script::new(fixture.events.clone()),
            front: crate::front::State::default(),
        };
        for (at, event) in cloud.script.timed(cloud.world.now) {
            cloud.world.queue.push(at, event);
        }
        services::ess::check_all_groups(&mut cloud.world);
        cloud.world.remember();
        Ok(cloud)
    }

    pub fn now(&self) -> Timestamp {
        self.world.now
    }

    /// When something is due next.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.world.queue.next_due()
    }

    /// Makes one call from outside.
    pub fn call(&mut self, mut call: Call) -> Outcome {
        let Self { world, engines, .. } = self;
        let outcome = world.through_door(&mut call, |world, call| run(world, engines, call));
        self.script_after_call(&call);
        self.run_due();
        outcome
    }

    /// Lets virtual time pass until `to`: everything due happens in order. Going back is ignored.
    pub fn advance_to(&mut self, to: Timestamp) {
        while let Some(due) = self.world.queue.next_due().filter(|due| *due <= to) {
            self.world.now = self.world.now.max(due);
            self.run_due();
        }
        self.world.now = self.world.now.max(to);
    }

    /// After a change from the side (control API): remembers it and does what is due.
    pub fn settle(&mut self) {
        self.world.remember();
        self.run_due();
    }

    /// Does what is due now.
    pub fn run_due(&mut self) {
        let mut wakes = 0;
        while let Some((at, event)) = self.world.queue.pop_due(self.world.now) {
            if let Event::WakeEngine { account } = &event {
                wakes += 1;
                if wakes > WAKES_AT_ONE_INSTANT {
                    tracing::error!(
                        account,
                        "an execution never stops asking to be woken; it is left alone for a second"
                    );
                    let at = world::later(self.world.now, world::seconds(1.0));
                    self.world.queue.push(at, event);
                    return;
                }
                self.world.wakes.remove(&(at, account.clone()));
            }
            self.happen(event);
            self.world.remember();
            self.script_after_change();
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::WakeEngine { account } => {
                let Self { world, engines, .. } = self;
                world.engine_account.clone_from(&account);
                engines.entry(account).or_insert_with(engine).wake(world);
            }
            Event::LateCall {
                call,
                seq,
                request_id,
            } => {
                let Self { world, engines, .. } = self;
                world.take_late_effect(&call, seq, &request_id, |world, call| {
                    run(world, engines, call)
                });
            }
            Event::Scripted {
                index,
                execution_id,
            } => self.perform(index, execution_id.as_deref()),
            other => services::happen(&mut self.world, other),
        }
    }
}

/// Hands a call to its service.
fn run(
    world: &mut World,
    engines: &mut BTreeMap<String, Engine>,
    call: &Call,
) -> Result<Value, ApiError> {
    services::check_region(world, call)?;
    if call.service != Service::Oos {
        return services::run(world, call);
    }
    if world.regions_without_oos.contains(&call.region) {
        return Err(ApiError::new(
            400,
            "ResourceNotAvailable",
            "Resource you requested is not available in this region or zone.",
        ));
    }
    let account = call.caller.account_id.clone();
    world.engine_account.clone_from(&account);
    let engine = engines.entry(account).or_insert_with(engine);
    engine.handle(
        world,
        &call.caller,
        &call.region,
        &call.action,
        &call.params,
    )
}

/// An engine for an account that has none yet. `Engine::default` would not know the public
/// templates.
fn engine() -> Engine {
    Engine::new()
}
