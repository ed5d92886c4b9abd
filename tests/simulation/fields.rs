//! Every field of every spec, by machine and from the CRDs: what is written into it makes a difference, or is refused by its name.
//!
//! The schemas are walked, so a field that is added is covered as soon as it is there; one that no object of [`bases`] has is a
//! violation. What else a field could be is made from its schema ([`schema`]): other words, other texts, bounds and what is
//! beyond them, more and fewer items, nothing at all.
//!
//! - What is refused is refused by a message that names the field, and changes nothing.
//! - What is taken at the creation has another run than the [`bases`] have: another call of the cloud, another status, another
//!   Event ([`record`]).
//! - What is taken later does so, too, in each state in which it can be written, or the operator says that it has no effect.
//! - What makes no difference is on the list of [`inert`], with the reason.
//! - Where something was wrong before anything was started, what is right in its place runs as if nothing had been: by an edit
//!   where the field can be edited, else by another object of the same name.
//!
//! ```text
//! fields: kinds=3 fields=N mutations=N refused=N changed=N inert=N violations=0 S s
//! ```
//!
//! `ONLY=fields` runs this part, `ONLY=fields:table` shows which objects cover which field, and `ONLY='fields:edit|…'` tells the
//! story of one of its runs.

mod bases;
mod inert;
mod record;
mod runs;
mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use ess_rollout_test_support::apiserver::Kinds;

use crate::workers::{self, Done, Job};
use crate::world::KINDS;
use bases::Base;
use runs::{AT_CREATION, Tried};
use schema::Field;

pub use runs::{Found, found, tell};

/// What is counted, and what is wrong.
#[derive(Default)]
struct Sums {
    fields: usize,
    mutations: usize,
    refused: usize,
    changed: usize,
    inert: usize,
    mended: usize,
    runs: usize,
    violations: Vec<String>,
}

/// Tries all of it.
///
/// # Errors
///
/// When something is not as it has to be, which is printed.
pub fn hold(kinds: &Arc<Kinds>, rest: Option<&str>) -> Result<(), String> {
    let began = Instant::now();
    match rest.map(|rest| rest.trim_start_matches(':')) {
        None | Some("") => {}
        Some("table") => {
            table();
            return Ok(());
        }
        Some(name) => return tell(kinds, name),
    }
    let mut sums = Sums::default();
    let mut names = Vec::new();
    for plural in KINDS {
        names.extend(of_kind(kinds, plural, &mut sums));
    }
    let jobs = names.into_iter().map(Job::Field).collect();
    let done = workers::work(jobs);
    conclude(&done, &mut sums);
    for violation in &sums.violations {
        println!("fields: {violation}");
    }
    println!(
        "fields: kinds={} fields={} mutations={} refused={} changed={} inert={} violations={} {:.0} s",
        KINDS.len(),
        sums.fields,
        sums.mutations,
        sums.refused,
        sums.changed,
        sums.inert,
        sums.violations.len(),
        began.elapsed().as_secs_f64(),
    );
    println!(
        "fields: of these {} were set right again; runs={}",
        sums.mended, sums.runs
    );
    match sums.violations.len() {
        0 => Ok(()),
        count => Err(format!("{count} violations")),
    }
}

/// Those of a kind, the most telling first.
fn bases_of(plural: &str) -> impl Iterator<Item = &'static Base> {
    bases::all()
        .iter()
        .filter(move |base| base.plural == plural)
}

/// Those that have this field in their specs.
fn covering<'a>(plural: &'a str, field: &'a Field) -> impl Iterator<Item = &'static Base> + 'a {
    bases_of(plural).filter(|base| base.spec.pointer(&field.pointer).is_some())
}

/// What is tried of one kind: what is refused when it is created at once, the rest as names of runs.
fn of_kind(kinds: &Arc<Kinds>, plural: &str, sums: &mut Sums) -> Vec<String> {
    let mut names = Vec::new();
    let fields = schema::fields(&schema::of_spec(plural));
    for field in &fields {
        sums.fields += usize::from(!field.path.is_empty());
        let mut any = false;
        let mut taken = BTreeSet::new();
        for base in covering(plural, field) {
            any = true;
            for tried in runs::at_creation(kinds, base, field, None) {
                match tried {
                    Tried::Refused => {
                        sums.refused += 1;
                        sums.mutations += 1;
                    }
                    Tried::Wrong(why) => sums.violations.push(why),
                    Tried::Same => {}
                    Tried::Taken(label, _) => {
                        taken.insert(label);
                    }
                }
            }
        }
        if !any {
            sums.violations.push(format!(
                "spec.{} of {plural} is in no object of tests/simulation/fields/bases",
                field.path
            ));
        }
        names.extend(
            taken
                .iter()
                .map(|label| format!("create|{plural}|{}|{label}", field.path)),
        );
    }
    let mut edits: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for base in bases_of(plural).filter(|base| base.states().next().is_some()) {
        for field in &fields {
            let tried = runs::as_edits(kinds, base, field, None).into_iter();
            let taken = tried.filter_map(|tried| match tried {
                Tried::Taken(label, _) => Some(label),
                _ => None,
            });
            edits.insert((base.name, &field.path), taken.collect());
        }
    }
    let states: BTreeSet<&str> = bases_of(plural).flat_map(Base::states).collect();
    for state in states {
        for base in bases_of(plural).filter(|base| base.states().any(|one| one == state)) {
            names.push(format!("refused|{plural}|{state}|{}", base.name));
        }
        for field in &fields {
            let bases = bases_of(plural).filter(|base| base.states().any(|one| one == state));
            let labels: BTreeSet<&String> = bases
                .filter_map(|base| edits.get(&(base.name, field.path.as_str())))
                .flatten()
                .collect();
            names.extend(
                labels
                    .iter()
                    .map(|label| format!("edit|{plural}|{state}|{}|{label}", field.path)),
            );
        }
    }
    names
}

/// A word of a field, and what its runs were, by their bases.
type OfWord<'a> = (String, &'a BTreeMap<String, u64>);

/// Adds up what was found, and holds words against each other: each is to have a run of its own.
fn conclude(done: &[Done], sums: &mut Sums) {
    let mut used = BTreeSet::new();
    let mut words: BTreeMap<String, Vec<OfWord<'_>>> = BTreeMap::new();
    for Done {
        name,
        outcome,
        found,
    } in done
    {
        let violations = outcome.violations.iter();
        sums.violations
            .extend(violations.map(|violation| format!("{name}: {violation}")));
        let Some(found) = found else { continue };
        sums.runs += found.runs;
        sums.mended += found.mended;
        sums.refused += found.refused;
        sums.mutations += found.refused;
        if !name.starts_with("refused") {
            sums.mutations += 1;
            sums.changed += usize::from(found.changed);
        }
        if let Some(entry) = found.inert {
            sums.inert += 1;
            used.insert(entry);
        }
        let (of, label) = name.rsplit_once('|').unwrap_or((name, ""));
        if name.starts_with("create|") && label.starts_with('=') {
            words
                .entry(of.to_owned())
                .or_default()
                .push((label.to_owned(), &found.numbers));
        }
    }
    for (field, all) in words {
        for (index, (word, numbers)) in all.iter().enumerate() {
            for (other, others) in &all[..index] {
                let alike = |base: &&String| numbers.get(*base) == others.get(*base);
                let both = numbers.keys().filter(|base| others.contains_key(*base));
                let (mut both, known) = (both.peekable(), inert::knows_alike(&field, word, other));
                if both.peek().is_some() && both.all(|base| alike(&base)) && !known {
                    sums.violations
                        .push(format!("{field}: {word} and {other} have the same runs"));
                }
            }
        }
    }
    let stale = (0..inert::ALL.len()).filter(|entry| !used.contains(entry));
    sums.violations.extend(stale.map(|entry| {
        format!(
            "the list of what is inert has what is not: {:?}",
            inert::ALL[entry].why
        )
    }));
}

/// Which objects cover which field.
fn table() {
    for inert in inert::ALL {
        println!("inert: {inert}");
    }
    for plural in KINDS {
        for field in schema::fields(&schema::of_spec(plural)).iter().skip(1) {
            let names: Vec<&str> = covering(plural, field).map(|base| base.name).collect();
            println!("{plural:19} spec.{:70} {}", field.path, names.join(", "));
        }
        for base in bases_of(plural) {
            let states: Vec<&str> = std::iter::once(AT_CREATION).chain(base.states()).collect();
            println!("{plural:19} {:76} {}", base.name, states.join(", "));
        }
    }
}
