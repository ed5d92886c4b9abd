//! The driver: what one look at an object does before and after its stage, whatever the object runs.
//!
//! First visit, finalizer, annotation that survives a restore, record that was lost, credentials of another account, a read
//! that fails, a deletion that waits: each is here once. An engine adds its stages, and what only it can tell.

use std::ops::Deref;

use ess_rollout_api::v1alpha1::{Place, ScalingGroupRecordStatus};
use ess_rollout_cloud::CloudError;

use super::absence;
use super::ask::Ask;
use super::conditions::shorten;
use super::decision::{Decision, Event, Next, Step};
use super::deletion::{self, RECORD_NOT_WRITTEN};
use super::display::{self, Displayed, Draft};
use super::ledger;
use super::object::Object;
use super::observation::{Known, Missing, Observation};
use super::reason::Reason;

/// What a stage has come to, or what is on record that cannot be.
pub(crate) type Staged<D> = Result<Known<D>, &'static str>;
/// A decision in the making.
type Drafted<'a, E> = Decision<Draft<<E as Engine<'a>>::Status>>;

/// What an object that runs something adds to the driver. Methods take the status that a decision is being made of; `old` is
/// the one that was read, with all fields of this version. Nothing of what is displayed is in a [`Draft`].
pub(crate) trait Engine<'a>: Deref<Target = Object<'a>> + Sized {
    /// The object's status.
    type Status: Displayed + Default;
    /// What says how long a deletion waits: a field of the spec, or a rule.
    const DELETION_RULE: &'static str;
    /// What to do about a status that contradicts itself.
    const CONTRADICTION_CURE: &'static str;

    /// Why the record could not be written that a decision of this very pass had.
    fn record_lost(&self) -> Option<&'a str>;

    /// Whether something is known of an object that was never visited: it may not go as one of which nothing is.
    fn is_restored(&self) -> bool {
        false
    }
    /// Has what counts from a time in the future count from now.
    fn bound(&self, status: &mut Self::Status);
    /// What goes on record when the object is first seen.
    fn first_visit(&self, status: &mut Draft<Self::Status>);
    /// The value that the annotation with the execution must have and has not.
    fn missing_annotation(&self, status: &Self::Status) -> Option<String>;
    /// The record with this object as holder again, where that was lost while something is under way.
    fn regained(&self, status: &Self::Status) -> Option<ScalingGroupRecordStatus>;
    /// What is taken note of before anything is read.
    fn prepare(&self, status: &mut Self::Status);
    /// Where what is under way takes place. `None`: nothing is, or it does not matter any more.
    fn place<'s>(&'s self, status: &'s Self::Status) -> Option<&'s Place>;
    /// The stage that the object is in: asks for more, or decides.
    fn stage(&self, status: Draft<Self::Status>) -> Staged<Drafted<'a, Self>>;
    /// Ends what is under way without having seen its end: the deletion may not wait any longer.
    fn abandon(&self, status: Draft<Self::Status>, message: &str) -> Drafted<'a, Self>;
    /// A decision while something that has to be known cannot be read.
    fn not_read(&self, status: Draft<Self::Status>, error: &CloudError) -> Drafted<'a, Self>;
    /// The record as it goes to whoever is next, nothing having been started.
    fn given_back(&self, status: &Self::Status) -> ScalingGroupRecordStatus;
    /// Whether something is under way that a deletion has to bring to its end.
    fn runs(status: &Self::Status) -> bool;
    /// What is left changed of an object that goes without a record.
    fn left(&self, old: &Self::Status, status: &Self::Status) -> String;
    /// What every decision has in common beyond that.
    fn finish(&self, _old: &Self::Status, _decision: &mut Drafted<'a, Self>) {}
    /// Keeps small what is written, and rare.
    fn fit(&self, _old: &Self::Status, _decision: &mut Decision<Self::Status>) {}
    /// What is worth saying of a change.
    fn events(&self, old: &Self::Status, status: &Self::Status) -> Vec<Event>;
}

/// Asks for more, or decides; by the status as it was read, and by what was read since the last write or mutation.
pub(crate) fn step<'a, E: Engine<'a>>(
    engine: &E,
    read: Option<&E::Status>,
    observation: &Observation,
) -> Step<E::Status> {
    let mut read = read.cloned().unwrap_or_default();
    // The default status of the CRDs says -1.
    let visited = read.fields().observed_generation.is_some_and(|of| of >= 0);
    let old = display::recalled(read.clone(), engine.now());
    let mut status = old.clone();
    engine.bound(&mut status);
    let mut status = Draft::from(status);
    if !visited {
        if engine.deleting.is_some() && !engine.is_restored() {
            let mut decision = let_go(engine, Draft::from(old.clone()));
            without_record(engine, &old, &mut decision);
            let decision = decision.map_status(|_| read);
            return Step::Decided(Box::new(decision));
        }
        engine.first_visit(&mut status);
        note_unknown_annotations(engine, &mut status);
        return match first_wait(engine, &status) {
            Ok(wait) => {
                let first = wait.unwrap_or_else(|| Decision::of_status(status, Next::Now));
                decided(engine, read, &old, first)
            }
            Err(asks) => Step::Read(asks),
        };
    }
    let execution_annotation = engine.missing_annotation(&status);
    let record = match &execution_annotation {
        Some(_) => None,
        None => engine.regained(&status),
    };
    if execution_annotation.is_some() || record.is_some() {
        let mut decision = Decision::of_status(status, Next::Now);
        (decision.execution_annotation, decision.record) = (execution_annotation, record);
        return decided(engine, read, &old, decision);
    }
    note_unknown_annotations(engine, &mut status);
    engine.prepare(&mut status);
    let staged = engine
        .stage(status.clone())
        .unwrap_or_else(|what| Ok(contradiction(engine, status.clone(), what)));
    let other = absence::other_account(observation, engine.place(&status));
    let decision = match with_account(engine, &status, other, staged) {
        Ok(decision) => decision,
        Err(Missing::Read(queries)) => return Step::Read(queries),
        Err(Missing::Failed(error)) => engine.not_read(status, &error),
    };
    decided(engine, read, &old, decision)
}

/// What the stage decides of an object that is first seen, where that is to wait, which goes on record together with the first
/// visit: of a thousand objects that are created at once most wait for their turn, each with a write less. Anything
/// else is decided when the visit is on record, and so is what has to be asked of the cloud. An error: facts of the cluster that
/// are to be told first.
fn first_wait<'a, E: Engine<'a>>(
    engine: &E,
    status: &Draft<E::Status>,
) -> Result<Option<Drafted<'a, E>>, Vec<Ask>> {
    let mut status = status.clone();
    if engine.missing_annotation(&status).is_some() || engine.regained(&status).is_some() {
        return Ok(None);
    }
    engine.prepare(&mut status);
    match engine.stage(status) {
        Ok(Ok(decision)) => {
            let waits = decision.is_of_status_alone() && decision.next != Next::Now;
            Ok(Some(decision).filter(|_| waits))
        }
        Ok(Err(Missing::Read(asks))) if !asks.iter().any(|ask| matches!(ask, Ask::Cloud(_))) => {
            Err(asks)
        }
        _ => Ok(None),
    }
}

/// Nothing is under way for an object that is being deleted: the group goes back before it does. The finalizer may be there
/// although it was never seen, set just before the operator died.
pub(crate) fn let_go<'a, E: Engine<'a>>(engine: &E, status: Draft<E::Status>) -> Drafted<'a, E> {
    let mut decision = Decision::of_status(status, Next::OnChange);
    if engine.holds() {
        decision.record = Some(engine.given_back(&decision.status));
        decision.next = Next::Now;
    } else {
        decision.finalizer = engine.has_finalizer().then_some(false);
    }
    decision
}

fn note_unknown_annotations<'a, E: Engine<'a>>(engine: &E, status: &mut E::Status) {
    ledger::note_unknown_annotations(engine.metadata, status.fields().unknown_annotations);
}

/// Nothing can be told by a status that contradicts itself, and nothing is sent by it.
fn contradiction<'a, E: Engine<'a>>(
    engine: &E,
    status: Draft<E::Status>,
    what: &str,
) -> Drafted<'a, E> {
    let cure = E::CONTRADICTION_CURE;
    let message = format!("{what}: somebody has edited the status. Nothing is sent; {cure}");
    match engine.deletion_overdue() {
        true => engine.abandon(status, &message),
        false => stand_still(engine, status, Reason::StatusContradiction, &message),
    }
}

fn stand_still<'a, E: Engine<'a>>(
    engine: &E,
    mut status: Draft<E::Status>,
    reason: Reason,
    message: &str,
) -> Drafted<'a, E> {
    status.needs_person(reason, message);
    let wait = engine.waits().patience().unsigned_abs();
    Decision::of_status(status, Next::After(wait))
}

/// What the stage has come to, if the credentials are still of the account that the run is of: with those
/// of another nothing of it is seen, and nothing is to be sent. A deletion that may not wait any longer
/// waits for no credentials either.
fn with_account<'a, E: Engine<'a>>(
    engine: &E,
    status: &Draft<E::Status>,
    other: Known<Option<String>>,
    staged: Known<Drafted<'a, E>>,
) -> Known<Drafted<'a, E>> {
    if engine.deletion_overdue() {
        return staged;
    }
    match (other, staged) {
        (Ok(None), staged) => staged,
        (Ok(Some(message)), _) => {
            let reason = Reason::AccountChanged;
            Ok(stand_still(engine, status.clone(), reason, &message))
        }
        // Together with what the stage asks for: one round.
        (Err(Missing::Read(account)), Err(Missing::Read(queries))) => {
            Err(Missing::Read(account.into_iter().chain(queries).collect()))
        }
        (Err(missing), _) => Err(missing),
    }
}

/// `read` is the status as it was read, and `old` the same with all fields of the layout that is written now.
fn decided<'a, E: Engine<'a>>(
    engine: &E,
    read: E::Status,
    old: &E::Status,
    mut decision: Drafted<'a, E>,
) -> Step<E::Status> {
    // A change of the spec that changes nothing else must be seen too: kstatus, and with it Argo CD
    // and Flux, takes a status of an older generation for work in progress.
    *decision.status.fields().observed_generation = engine.generation;
    // No wait outlasts the time that the deletion has.
    decision = decision.within(engine.deletion_time_left());
    guard(engine, old, &mut decision);
    without_record(engine, old, &mut decision);
    engine.finish(old, &mut decision);
    let render =
        |draft: Draft<E::Status>| draft.render(old.clone(), engine.generation, engine.now());
    let mut decision = decision.map_status(render);
    deletion::say(
        engine,
        E::DELETION_RULE,
        decision.status.fields().conditions,
    );
    engine.fit(old, &mut decision);
    // Another layout alone is not worth a write: of thousands of objects at rest after an upgrade.
    match decision.status == *old {
        true => decision.status = read,
        false => display::lay_out(&mut decision.status),
    }
    let events = engine.events(old, &decision.status);
    decision.events.extend(events);
    Step::Decided(Box::new(decision))
}

/// The finalizer is there from before the group is taken until it is let go, and no longer: an object
/// that has nothing under way and nothing to put back goes without the operator, whatever has become of that. Once the object
/// is being deleted none can be added, and the stage that is done with it takes it away.
fn guard<'a, E: Engine<'a>>(engine: &E, old: &E::Status, decision: &mut Drafted<'a, E>) {
    if engine.deleting.is_some() {
        return;
    }
    let takes = decision.record.as_ref().and_then(|r| r.holder.as_ref());
    let takes = takes.is_some_and(|holder| holder.uid == engine.uid);
    let guards = engine.holds() || takes || E::runs(old) || E::runs(&decision.status);
    decision.finalizer = (guards != engine.has_finalizer()).then_some(guards);
}

/// A deletion that may not wait any longer goes on although the group's record cannot be written: its namespace is gone, or
/// the right to is. What would have stood there is said instead.
fn without_record<'a, E: Engine<'a>>(engine: &E, old: &E::Status, decision: &mut Drafted<'a, E>) {
    if !engine.deletion_overdue() {
        return;
    }
    decision.lets_go_anyway = true;
    let Some(why) = engine.record_lost() else {
        return;
    };
    if decision.record.take().is_some() {
        decision.finalizer = engine.has_finalizer().then_some(false);
        decision.next = Next::OnChange;
    }
    if decision.finalizer == Some(false) {
        let (why, left) = (shorten(why, 256), engine.left(old, &decision.status));
        let note = format!(
            "the object goes, and the record of its scaling group cannot be written ({why}): {left}"
        );
        let event = Event::warning(RECORD_NOT_WRITTEN, "Delete", note);
        decision.events.push(event);
    }
}
