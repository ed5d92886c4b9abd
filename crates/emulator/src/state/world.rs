//! The world that the services and the OOS interpreter act on: state, and the virtual clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::backend_health::BackendHealth;
use super::behaviour::{Durations, Switches};
use super::call::{Call, Service};
use super::faults::Faults;
use super::ids::Ids;
use super::journal::{Journal, is_secret};
use super::model::Resources;
use super::outcomes::{
    CommandOutcome, ContainerUpdateOutcome, FileOutcome, ImageOutcome, SnapshotOutcome,
};
use super::queue::{Event, Queue};
use super::ram::Ram;
use super::rates::Counted;
use super::recorder::digest_of_word;
use super::time::{later, seconds};
use crate::client_tokens::ClientTokens;
use crate::oos::{Library, Package, tokens};
use crate::secrets::{Kind, of_language};

/// How real time drives the virtual clock. Only kept here; whoever owns real time obeys.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClockSettings {
    /// Virtual seconds per real second.
    pub scale: f64,
    /// Whether virtual time stands still whatever the real one does.
    pub paused: bool,
}

/// All state but the executions.
#[derive(Debug)]
pub struct World {
    /// The virtual time.
    pub now: Timestamp,
    /// The virtual time at which it began.
    pub(crate) started: Timestamp,
    /// How fast it goes by.
    pub clock: ClockSettings,
    /// How far it is behind what real time asks of it, when more is due than can be done in time.
    /// Only kept here, as the settings are.
    pub behind: SignedDuration,
    pub(crate) queue: Queue,
    pub(crate) ids: Ids,
    /// Who may do what.
    pub ram: Ram,
    pub(crate) regions: Vec<String>,
    pub(crate) regions_without_oos: BTreeSet<String>,
    /// What the services hold at this moment.
    pub resources: Resources,
    /// What was called so far.
    pub journal: Journal,
    /// Templates and actions from outside that every account has.
    pub library: Library,
    /// What goes wrong on demand.
    pub faults: Faults,
    /// What the documentation leaves open.
    pub switches: Switches,
    /// Of calls that have a rate limit.
    pub(crate) counted: Counted,
    pub(crate) durations: Durations,
    pub(crate) command_outcomes: Vec<CommandOutcome>,
    pub(crate) container_update_outcomes: Vec<ContainerUpdateOutcome>,
    pub(crate) image_outcomes: Vec<ImageOutcome>,
    /// What health checks of load balancers find.
    pub backend_health: BackendHealth,
    pub(crate) snapshot_outcomes: Vec<SnapshotOutcome>,
    pub(crate) file_outcomes: Vec<FileOutcome>,
    /// How many images, snapshots or files were asked for, by what they are made from or go to.
    pub(crate) images_asked: BTreeMap<String, u32>,
    pub(crate) packages: Vec<Package>,
    /// Client tokens of calls that took effect.
    pub(crate) client_tokens: ClientTokens<(String, String)>,
    /// The account whose engine is at work, for wake-ups that it asks for.
    pub(crate) engine_account: String,
    pub(crate) wakes: BTreeSet<(Timestamp, String)>,
    /// What lists saw, oldest first, while a read lag is switched on.
    history: VecDeque<(Timestamp, Resources)>,
    addresses_given: u32,
}

impl World {
    pub(crate) fn new(start: Timestamp, seed: u64) -> Self {
        Self {
            now: start,
            started: start,
            clock: ClockSettings {
                scale: 1.0,
                paused: false,
            },
            behind: SignedDuration::ZERO,
            queue: Queue::default(),
            ids: Ids::new(seed),
            ram: Ram::default(),
            regions: Vec::new(),
            regions_without_oos: BTreeSet::new(),
            resources: Resources::default(),
            journal: Journal::default(),
            library: Library::default(),
            faults: Faults::default(),
            switches: Switches::default(),
            counted: Counted::default(),
            durations: Durations::default(),
            command_outcomes: Vec::new(),
            container_update_outcomes: Vec::new(),
            image_outcomes: Vec::new(),
            backend_health: BackendHealth::default(),
            snapshot_outcomes: Vec::new(),
            file_outcomes: Vec::new(),
            images_asked: BTreeMap::new(),
            packages: Vec::new(),
            client_tokens: ClientTokens::default(),
            engine_account: String::new(),
            wakes: BTreeSet::new(),
            history: VecDeque::new(),
            addresses_given: 0,
        }
    }

    /// Asks for `event` some virtual seconds from now.
    pub(crate) fn after(&mut self, delay: f64, event: Event) -> Timestamp {
        let at = later(self.now, seconds(delay));
        self.queue.push(at, event);
        at
    }

    /// The ids and names of what is there.
    fn names(&self) -> impl Iterator<Item = &String> {
        let r = &self.resources;
        let balancing = &r.balancing;
        (self.regions.iter())
            .chain(self.ram.principals.keys())
            .chain(self.ram.roles.keys().map(|(_, name)| name))
            .chain(self.ram.oidc_providers.keys().map(|(_, name)| name))
            .chain(self.ram.keys.keys())
            .chain(self.ram.principals.values().map(|p| &p.account_id))
            .chain(self.library.names())
            .chain(r.groups.keys())
            .chain(r.configurations.keys())
            .chain(r.eci_configurations.keys())
            .chain(r.launch_templates.keys())
            .chain(r.instances.keys())
            .chain(r.system_disks.keys())
            .chain(r.disks.keys())
            .chain(r.container_groups.keys())
            .chain(r.images.keys())
            .chain(r.snapshots.keys())
            .chain(r.activities.keys())
            .chain(r.invocations.keys())
            .chain(r.commands.keys())
            .chain(r.instance_refreshes.keys())
            .chain(r.lifecycle_actions.keys())
            .chain(balancing.balancers.keys())
            .chain(balancing.server_groups.keys())
            .chain(r.alarms.rules.keys())
            .chain(r.alarms.tasks.keys())
    }

    /// What a secret says besides: whether it is, or is a part of, an id or a name of the scene, which
    /// shows wherever it is used.
    pub(crate) fn word(&self, text: &str) -> Kind {
        let mut kind = Kind::Rare;
        for name in self.names() {
            if name == text {
                return Kind::Known;
            }
            if name.contains(text) {
                kind = Kind::Common;
            }
        }
        kind
    }

    /// Keeps what a call has in clear that is no matter of everybody, and no value of an encrypted
    /// parameter either: passwords and tokens of messages that its template would send.
    pub(crate) fn keep_tokens(&mut self, call: &Call) {
        if call.service != Service::Oos {
            return;
        }
        for name in ["TemplateContent", "Content"] {
            if let Some(Value::String(content)) = call.params.get(name) {
                self.keep_tokens_of(content);
            }
        }
    }

    /// The same for a template.
    pub(crate) fn keep_tokens_of(&mut self, content: &str) {
        for token in tokens(content) {
            let kind = self.word(&token);
            self.journal.keep_secret(&token, kind);
        }
    }

    /// The word of the scene or of templates that has a digest by [`digest_of_word`].
    pub(crate) fn word_of(&self, seq: usize, digest: &str) -> Option<String> {
        let is_it = |word: &str| digest_of_word(seq, word) == digest;
        let known = self.names().find(|name| is_it(name));
        known
            .cloned()
            .or_else(|| of_language().find(|word| is_it(word)).map(str::to_owned))
    }

    /// Of secret parameters of a call that are words of the scene or of templates: their digests. What an
    /// execution does with such a word may depend on it, so a replay has to find it again.
    pub(crate) fn digests_of_words(&self, seq: usize, call: &Call) -> BTreeMap<String, String> {
        let is_word =
            |text: &str| self.word(text) == Kind::Known || of_language().any(|word| word == text);
        let secret = (call.params.iter())
            .filter(|(name, _)| is_secret(&call.action, name, &call.params))
            .filter_map(|(name, value)| Some((name, value.as_str().filter(|text| is_word(text))?)));
        secret
            .map(|(name, text)| (name.clone(), digest_of_word(seq, text)))
            .collect()
    }

    /// Does something to see whether it can be done, and leaves everything as it was.
    pub(crate) fn rehearse<T>(&mut self, what: impl FnOnce(&mut Self) -> T) -> T {
        let before = (
            self.resources.clone(),
            self.queue.clone(),
            self.ids.clone(),
            self.images_asked.clone(),
            self.addresses_given,
        );
        let outcome = what(self);
        (
            self.resources,
            self.queue,
            self.ids,
            self.images_asked,
            self.addresses_given,
        ) = before;
        outcome
    }

    /// A private address that no other instance has.
    pub(crate) fn fresh_address(&mut self) -> String {
        self.addresses_given += 1;
        let n = self.addresses_given;
        format!("10.{}.{}.{}", (n >> 16) & 0xFF, (n >> 8) & 0xFF, n & 0xFF)
    }

    /// A public address that no other instance has, of a range that is never used on the internet
    /// (RFC 2544).
    pub(crate) fn fresh_public_address(&mut self) -> String {
        self.addresses_given += 1;
        let n = self.addresses_given;
        format!(
            "198.{}.{}.{}",
            18 + ((n >> 16) & 1),
            (n >> 8) & 0xFF,
            n & 0xFF
        )
    }

    /// Keeps what lists may still show while reads lag.
    pub(crate) fn remember(&mut self) {
        let lag = self.switches.read_lag_seconds;
        if lag <= 0.0 {
            self.history.clear();
            return;
        }
        // One picture per second is enough, and keeps a long lag affordable.
        if self
            .history
            .back()
            .is_some_and(|(at, _)| at.as_second() == self.now.as_second())
        {
            self.history.pop_back();
        }
        self.history.push_back((self.now, self.resources.clone()));
        let horizon = self.now.checked_sub(seconds(lag)).unwrap_or(Timestamp::MIN);
        while self.history.get(1).is_some_and(|(at, _)| *at <= horizon) {
            self.history.pop_front();
        }
    }

    /// What reads of all services but OOS and STS show: the present, or the past when a lag is switched on.
    pub(crate) fn seen(&self) -> &Resources {
        let lag = self.switches.read_lag_seconds;
        if lag <= 0.0 {
            return &self.resources;
        }
        let horizon = self.now.checked_sub(seconds(lag)).unwrap_or(Timestamp::MIN);
        self.history
            .iter()
            .rev()
            .find(|(at, _)| *at <= horizon)
            .or_else(|| self.history.front())
            .map_or(&self.resources, |(_, resources)| resources)
    }
}
