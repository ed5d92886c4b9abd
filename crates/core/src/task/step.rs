//! The driver: what one look at an object does before and after its stage, whatever the object runs.
//!
//! First visit, finalizer, annotation that survives a restore, record that was lost, credentials of another account, a read
//! that fails, a deletion that waits: each is here once. An engine adds its stages, and what only it can tell.

use std::ops::Deref;

use ess_rollout_api::v1alpha1::{Place, ScalingGroupRecordStatus};
use ess_rollout_cloud::CloudError;

use super::absence;
use super::decision::{Decision, Event, Next, Step, visited};
use super::deletion::{self, Wait};
use super::display::{self, Displayed, Draft};
use super::ledger;
use super::object::Object;
use super::observation::{Known, Missing, Observation};
use super::reason::Reason;

/// A decision in the making.
type Drafted<'a, E> = Decision<Draft<<E as Engine<'a>>::Status>>;

/// What an object that runs something adds to the driver. Methods take the status that a decision is being made of; `old` is
/// the one that was read, with all fields of this version. Nothing of what is displayed is in a [`Draft`].
pub(crate) trait Engine<'a>: Deref<Target = Object<'a>> + Sized {
    /// The object's status.
    type Status: Displayed + Default;
    /// What says how long a deletion waits: a field of the spec, or a rule.
    const DELETION_RULE: &'static str;

    /// What was read since the last write or mutation.
    fn observation(&self) -> &'a Observation;
    /// Why the record could not be written that a decision of this very pass had.
    fn record_lost(&self) -> Option<&'a str>;
    /// The status as it was read.
    fn read_status(&self) -> Option<&'a Self::Status>;
    /// `status.observedGeneration`.
    fn observed_generation(status: &mut Self::Status) -> &mut Option<i64>;
    /// `status.unknownAnnotations`.
    fn unknown_annotations(status: &mut Self::Status) -> &mut Vec<String>;

    /// Whether something is known of an object that was never visited: it may not go as one of which nothing is.
    fn is_restored(&self) -> bool;
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
    fn stage(&self, status: Draft<Self::Status>) -> Known<Drafted<'a, Self>>;
    /// A decision while something that has to be known cannot be read.
    fn not_read(&self, status: Draft<Self::Status>, error: &CloudError) -> Drafted<'a, Self>;
    /// The record as it goes to whoever is next, nothing having been started.
    fn given_back(&self, status: &Self::Status) -> ScalingGroupRecordStatus;
    /// Whether something is under way that a deletion has to bring to its end.
    fn runs(status: &Self::Status) -> bool;
    /// What is left changed of an object that goes without a record.
    fn left(&self, old: &Self::Status, status: &Self::Status) -> String;
    /// What every decision has in common beyond that.
    fn finish(&self, old: &Self::Status, decision: &mut Drafted<'a, Self>);
    /// Keeps small what is written, and rare.
    fn fit(&self, old: &Self::Status, decision: &mut Decision<Self::Status>);
    /// What is worth saying of a change.
    fn events(&self, old: &Self::Status, status: &Self::Status) -> Vec<Event>;
}

/// Asks for more, or decides.
pub(crate) fn step<'a, E: Engine<'a>>(engine: &E) -> Step<E::Status> {
    let mut read = engine.read_status().cloned().unwrap_or_default();
    let visited = visited(*E::observed_generation(&mut read));
    let old = display::recalled(read.clone(), engine.now());
    let mut status = old.clone();
    engine.bound(&mut status);
    let mut status = Draft::from(status);
    if !visited {
        if engine.deleting.is_some() && !engine.is_restored() {
            let mut decision = never_visited(engine, Draft::from(old.clone()));
            without_record(engine, &old, &mut decision);
            let decision = decision.map_status(|_| read);
            return Step::Decided(Box::new(decision));
        }
        engine.first_visit(&mut status);
        note_unknown_annotations(engine, &mut status);
        return decided(engine, read, &old, Decision::of_status(status, Next::Now));
    }
    if let Some(value) = engine.missing_annotation(&status) {
        let mut decision = Decision::of_status(status, Next::Now);
        decision.execution_annotation = Some(value);
        return decided(engine, read, &old, decision);
    }
    if let Some(record) = engine.regained(&status) {
        let mut decision = Decision::of_status(status, Next::Now);
        decision.record = Some(record);
        return decided(engine, read, &old, decision);
    }
    note_unknown_annotations(engine, &mut status);
    engine.prepare(&mut status);
    let staged = engine.stage(status.clone());
    let decision = match with_account(engine, &mut status, staged) {
        Ok(decision) => decision,
        Err(Missing::Read(queries)) => return Step::Read(queries),
        Err(Missing::Failed(error)) => engine.not_read(status, &error),
    };
    decided(engine, read, &old, decision)
}

/// Deleted before it was ever seen: nothing was started for it. The finalizer may be there all the
/// same, set just before the operator died.
fn never_visited<'a, E: Engine<'a>>(engine: &E, status: Draft<E::Status>) -> Drafted<'a, E> {
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
    ledger::note_unknown_annotations(engine.metadata, E::unknown_annotations(status));
}

/// What the stage has come to, if the credentials are still of the account that the run is of: with those
/// of another nothing of it is seen, and nothing is to be sent. A deletion that may not wait any longer
/// waits for no credentials either.
fn with_account<'a, E: Engine<'a>>(
    engine: &E,
    status: &mut Draft<E::Status>,
    staged: Known<Drafted<'a, E>>,
) -> Known<Drafted<'a, E>> {
    if engine.deletion_overdue() {
        return staged;
    }
    match absence::other_account(engine.observation(), engine.place(status)) {
        Ok(None) => staged,
        Ok(Some(message)) => {
            status.needs_person(Reason::AccountChanged, &message);
            let wait = engine.waits().patience().unsigned_abs();
            Ok(Decision::of_status(status.clone(), Next::After(wait)))
        }
        // Together with what the stage asks for: one round.
        Err(Missing::Read(account)) => match staged {
            Err(Missing::Read(queries)) => {
                Err(Missing::Read(account.into_iter().chain(queries).collect()))
            }
            _ => Err(Missing::Read(account)),
        },
        Err(failed) => Err(failed),
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
    *E::observed_generation(&mut decision.status) = engine.generation;
    // No wait outlasts the time that the deletion has.
    decision = decision.within(engine.deletion_time_left());
    guard(engine, old, &mut decision);
    without_record(engine, old, &mut decision);
    engine.finish(old, &mut decision);
    let render =
        |draft: Draft<E::Status>| draft.render(old.clone(), engine.generation, engine.now());
    let mut decision = decision.map_status(render);
    say_of_deletion(engine, &mut decision.status);
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

/// A deletion that may not wait any longer does not wait for the record either.
fn without_record<'a, E: Engine<'a>>(engine: &E, old: &E::Status, decision: &mut Drafted<'a, E>) {
    if !engine.deletion_overdue() {
        return;
    }
    let (status, lost) = (decision.status.clone(), engine.record_lost());
    deletion::without_record(decision, engine.has_finalizer(), lost, || {
        engine.left(old, &status)
    });
}

/// Says of a deletion that waits how long it does, and how to end that.
fn say_of_deletion<'a, E: Engine<'a>>(engine: &E, status: &mut E::Status) {
    let until = engine.deletion_due();
    if let Some(until) = until.filter(|_| !engine.deletion_overdue()) {
        let wait = Wait {
            resource: engine.resource(),
            namespace: &engine.namespace,
            name: &engine.name,
            until,
            rule: E::DELETION_RULE,
        };
        wait.add_to(status.conditions());
    }
}
