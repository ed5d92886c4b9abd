//! What is tried, and what has to come of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use ess_rollout_test_support::FakeApiserver;
use ess_rollout_test_support::apiserver::Kinds;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bases::Base;
use super::record::{self, Record};
use super::schema::{self, Field, Mutation, UNKNOWN};
use super::{bases_of, covering, inert};
use crate::person::parts;
use crate::run::Outcome;
use crate::scenario::{Act, Scenario};
use crate::world::{Answer, NAMESPACE, PERSON, begin, send};

/// The state of an object that is not there yet.
pub const AT_CREATION: &str = "creation";
/// After so many seconds people find out that what they wrote was wrong.
const NOTICED: u64 = 90;

/// What a worker found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Found {
    /// It made a difference.
    pub changed: bool,
    /// The entry of the list that it is on.
    pub inert: Option<usize>,
    /// How often an edit was refused.
    pub refused: usize,
    /// How often what was right was set in place of what was wrong.
    pub mended: usize,
    pub runs: usize,
    /// What the runs were, by their bases.
    pub numbers: BTreeMap<String, u64>,
}

/// What an apiserver makes of one value.
pub enum Tried {
    /// By a message that names the field.
    Refused,
    /// Why it is wrong.
    Wrong(String),
    /// It is as it was: dropped, or filled with the same.
    Same,
    /// With the spec that it gives.
    Taken(String, Value),
}

/// An apiserver of its own.
fn empty(kinds: &Arc<Kinds>) -> FakeApiserver {
    FakeApiserver::new(kinds.clone(), Arc::new(begin))
}

fn collection(base: &Base) -> String {
    format!(
        "/apis/ess-rollout.io/v1alpha1/namespaces/{NAMESPACE}/{}",
        base.plural
    )
}

/// An apiserver with the object of a base, and its spec as it is stored; made once, and not to be written to.
fn stored(kinds: &Arc<Kinds>, base: &Base) -> (FakeApiserver, Value) {
    let key = (base.plural, base.name);
    STORED.with_borrow_mut(|known| {
        let made = || {
            let apiserver = empty(kinds);
            let object = base.object(&base.spec);
            let answer = send(&apiserver, PERSON, "POST", &collection(base), &object);
            assert!(
                answer.status == 201,
                "{} is refused: {}",
                base.name,
                answer.body
            );
            let spec = answer.body["spec"].clone();
            (apiserver, spec)
        };
        known.entry(key).or_insert_with(made).clone()
    })
}

/// By the plural names of their kinds, and their own.
type Stored = BTreeMap<(&'static str, &'static str), (FakeApiserver, Value)>;

thread_local! {
    static STORED: RefCell<Stored> = RefCell::default();
}

/// Whether a refusal names the field.
fn names(answer: &Answer, field: &Field) -> bool {
    let path = format!("spec.{}", field.path);
    let path = path.trim_end_matches('.').trim_end_matches("[]").to_owned();
    let causes = answer.body["details"]["causes"].as_array();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let word = |message: &str, word: &str| {
        let is_of_word = |c: char| c.is_alphanumeric();
        let mut found = message.match_indices(word);
        found.any(|(at, _)| {
            !message[..at].ends_with(is_of_word)
                && !message[at + word.len()..].starts_with(is_of_word)
        })
    };
    causes.into_iter().flatten().any(|cause| {
        // In the first item of each list, or in one that was added to it.
        let at = regex::Regex::new(r"\[\d+\]")
            .map(|index| index.replace_all(&text(&cause["field"]), "[]").into_owned());
        let at = at.unwrap_or_default();
        let inside = at.strip_prefix(path.as_str());
        let inside = inside.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        let message = text(&cause["message"]);
        let mut above = path.match_indices('.').skip(1).map(|(end, _)| &path[..end]);
        inside
            || word(&message, &path)
            || word(&message, field.leaf())
            || above.any(|above| word(&message, above.trim_end_matches("[]")))
    })
}

/// The value of a mutation that is taken, or the first.
fn first_taken(
    mutation: &Mutation,
    ask: impl Fn(Option<&Value>) -> Answer,
) -> (Option<&Value>, Answer) {
    let answers = mutation
        .values
        .iter()
        .map(|value| (value.as_ref(), ask(value.as_ref())));
    let mut first = None;
    for (value, answer) in answers {
        if answer.status < 300 {
            return (value, answer);
        }
        first.get_or_insert((value, answer));
    }
    first.expect("a mutation has a value")
}

/// What an answer is worth. `before`: the spec without the mutation.
fn judged(
    about: &str,
    field: &Field,
    mutation: &Mutation,
    before: &Value,
    answer: &Answer,
) -> Tried {
    let wrong = |why: &str| Tried::Wrong(format!("{about}: {why}: {}", answer.body));
    if answer.status >= 300 {
        return if answer.versions.0 != answer.versions.1 {
            wrong("refused, and something has changed")
        } else if !names(answer, field) {
            wrong("refused without naming the field")
        } else {
            Tried::Refused
        };
    }
    if mutation.out_of_bounds {
        return wrong("taken, though it is out of bounds");
    }
    match &answer.body["spec"] == before {
        true => Tried::Same,
        false => Tried::Taken(mutation.label.clone(), answer.body["spec"].clone()),
    }
}

/// What becomes of each thing that a field of a base could be when it is created.
pub fn at_creation(
    kinds: &Arc<Kinds>,
    base: &Base,
    field: &Field,
    label: Option<&str>,
) -> Vec<Tried> {
    let Some(value) = base.spec.pointer(&field.pointer) else {
        return Vec::new();
    };
    let (_, before) = stored(kinds, base);
    let create = |value: Option<&Value>, query: &str| {
        let object = base.object(&schema::with_field(&base.spec, field, value));
        send(
            &empty(kinds),
            PERSON,
            "POST",
            &format!("{}{query}", collection(base)),
            &object,
        )
    };
    let mutations = schema::mutations(field, value, 1);
    let tried = mutations.iter();
    let tried = tried.filter(|mutation| label.is_none_or(|label| mutation.label == label));
    let tried = tried.map(|mutation| {
        let about = format!("{} with spec.{} {}", base.name, field.path, mutation.label);
        let (value, answer) = first_taken(mutation, |value| create(value, ""));
        let strictly = || create(value, "?fieldValidation=Strict");
        if value.is_some_and(|value| value.get(UNKNOWN).is_some()) {
            let said = strictly().body["message"].to_string();
            let place = field.path.replace("[]", "[0]");
            let named = format!("spec.{place}.{UNKNOWN}").replace("spec..", "spec.");
            if !said.contains(&named) {
                return Tried::Wrong(format!("{about}: a strict apiserver says {said}"));
            }
        }
        judged(&about, field, mutation, &before, &answer)
    });
    tried.collect()
}

/// What becomes of each thing that a field of a base could be edited to.
pub fn as_edits(kinds: &Arc<Kinds>, base: &Base, field: &Field, label: Option<&str>) -> Vec<Tried> {
    let (apiserver, before) = stored(kinds, base);
    let mutations = edits(base, field, &before).into_iter();
    let tried = mutations.filter(|mutation| label.is_none_or(|label| mutation.label == label));
    let tried = tried.map(|mutation| {
        let about = format!("{} with spec.{} {}", base.name, field.path, mutation.label);
        let (_, answer) = first_taken(&mutation, |value| {
            let after = schema::with_field(&before, field, value);
            let patch = json!({"spec": schema::merge_patch(&before, &after)});
            let (_, name) = parts(base.about);
            let path = format!("{}/{name}?dryRun=All", collection(base));
            send(&apiserver, PERSON, "PATCH", &path, &patch)
        });
        judged(&about, field, &mutation, &before, &answer)
    });
    tried.collect()
}

/// What a field could be edited to, if it is there or can be.
fn edits(base: &Base, field: &Field, before: &Value) -> Vec<Mutation> {
    let step = if schema::is_in_seconds(field) { 60 } else { 1 };
    if let Some(value) = before.pointer(&field.pointer) {
        return schema::mutations(field, value, step);
    }
    let (parent, _) = field.pointer.rsplit_once('/').unwrap_or_default();
    if !before.pointer(parent).is_some_and(Value::is_object) {
        return Vec::new();
    }
    let mut elsewhere =
        covering(base.plural, field).filter_map(|base| base.spec.pointer(&field.pointer));
    let added = elsewhere.next().map(|value| Mutation {
        label: "added".to_owned(),
        values: vec![Some(value.clone())],
        out_of_bounds: false,
    });
    added.into_iter().collect()
}

/// The runs that others are held against, made once.
struct Shared<'a> {
    kinds: &'a Arc<Kinds>,
    traced: bool,
    runs: usize,
}

type Key = (&'static str, &'static str, String);

thread_local! {
    static KNOWN: RefCell<BTreeMap<Key, Rc<Record>>> = RefCell::default();
}

impl Shared<'_> {
    fn run(&mut self, base: &Base, scenario: &Scenario) -> Record {
        self.runs += 1;
        let record = record::run(self.kinds, scenario, base.about, base.rest(), self.traced);
        if self.traced {
            for line in &record.trace {
                println!("{line}");
            }
            println!();
        }
        record
    }

    /// A base as it is; with a state, when a person does nothing then.
    fn base(&mut self, base: &Base, state: &str) -> Rc<Record> {
        let key = (base.plural, base.name, state.to_owned());
        let known = KNOWN.with_borrow(|known| known.get(&key).cloned());
        known.unwrap_or_else(|| {
            let edit = (state != AT_CREATION).then_some((state, Act::Wait));
            let mut record = self.run(base, &base.scenario(&base.spec, edit));
            let state = record.ended.split(' ').next().unwrap_or_default();
            if base.ends.is_some_and(|ends| ends != state) {
                let why = format!("{} ends as {:?}", base.name, record.ended);
                record.violations.push(why);
            }
            let record = Rc::new(record);
            KNOWN.with_borrow_mut(|known| known.insert(key, record.clone()));
            record
        })
    }
}

/// Does what a name says.
pub fn found(kinds: &Arc<Kinds>, name: &str) -> (Outcome, Found) {
    work(kinds, name, false)
}

/// The same, with the stories of the runs.
///
/// # Errors
///
/// When it is not as it has to be.
pub fn tell(kinds: &Arc<Kinds>, name: &str) -> Result<(), String> {
    let (outcome, found) = work(kinds, name, true);
    println!("{name}: {found:?}");
    match outcome.violations.is_empty() {
        true => Ok(()),
        false => Err(outcome.violations.join("\n")),
    }
}

fn work(kinds: &Arc<Kinds>, name: &str, traced: bool) -> (Outcome, Found) {
    let mut shared = Shared {
        kinds,
        traced,
        runs: 0,
    };
    let mut found = Found::default();
    let words: Vec<&str> = name.splitn(5, '|').collect();
    let violations = match words.as_slice() {
        ["create", plural, path, label @ ..] => {
            let label = label.join("|");
            field(plural, path).map(|field| create(&mut shared, plural, &field, &label, &mut found))
        }
        ["edit", plural, state, path, label] => field(plural, path)
            .map(|field| edit(&mut shared, plural, state, (&field, label), &mut found)),
        ["refused", plural, state, of] => {
            let base = bases_of(plural).find(|base| base.name == *of);
            base.map(|base| refused(&mut shared, base, state, &mut found))
        }
        _ => None,
    };
    found.runs = shared.runs;
    let outcome = Outcome {
        violations: violations.unwrap_or_else(|| vec!["there is nothing of this name".to_owned()]),
        ..Outcome::default()
    };
    (outcome, found)
}

fn field(plural: &str, path: &str) -> Option<Field> {
    let known = crate::world::KINDS.contains(&plural);
    let fields = known.then(|| schema::fields(&schema::of_spec(plural)));
    fields?.into_iter().find(|field| field.path == path)
}

/// The spec of what was tried, if it is taken.
fn taken(tried: Vec<Tried>, label: &str) -> Option<Value> {
    tried.into_iter().find_map(|tried| match tried {
        Tried::Taken(one, spec) if one == label => Some(spec),
        _ => None,
    })
}

/// What is wrong with a run, or with that which it is held against.
fn broken(base: &Base, record: &Record, usual: &Record) -> Vec<String> {
    let of_run = record.violations.iter();
    let of_run = of_run.map(|violation| format!("{}: {violation}", base.name));
    of_run.chain(usual.violations.iter().cloned()).collect()
}

/// One of the values that a field can be created with.
fn create(
    shared: &mut Shared<'_>,
    plural: &str,
    field: &Field,
    label: &str,
    found: &mut Found,
) -> Vec<String> {
    let mut violations = Vec::new();
    for base in covering(plural, field) {
        let tried = at_creation(shared.kinds, base, field, Some(label));
        let Some(spec) = taken(tried, label) else {
            continue;
        };
        let usual = shared.base(base, AT_CREATION);
        let record = shared.run(base, &base.scenario(&spec, None));
        violations.extend(broken(base, &record, &usual));
        found.numbers.insert(base.name.to_owned(), record.number());
        let difference = record.difference(&usual);
        if shared.traced {
            println!("{}: {difference:?}", base.name);
        }
        if usual.started && !record.started && difference.is_some() {
            violations.extend(mended(shared, base, field, (&spec, label), &usual));
            found.mended += 1;
        }
        if difference.is_some() {
            found.changed = true;
            break;
        }
    }
    violations.extend(without_effect(plural, AT_CREATION, field, label, found));
    violations
}

/// What is wrong where nothing has come of something.
fn without_effect(
    plural: &str,
    state: &str,
    field: &Field,
    label: &str,
    found: &mut Found,
) -> Option<String> {
    if found.changed {
        return None;
    }
    found.inert = inert::entry(plural, state, &field.path, label);
    let unknown = found.inert.is_none();
    unknown.then(|| "it was taken, makes no difference, and nobody says so".to_owned())
}

/// What is right in the place of what was wrong runs as if nothing had been.
fn mended(
    shared: &mut Shared<'_>,
    base: &Base,
    field: &Field,
    (wrong, label): (&Value, &str),
    usual: &Record,
) -> Option<String> {
    let (_, right) = stored(shared.kinds, base);
    // From what is wrong to what is right.
    let patch = schema::merge_patch(wrong, &right);
    let by_edit = {
        let apiserver = empty(shared.kinds);
        let path = collection(base);
        send(&apiserver, PERSON, "POST", &path, &base.object(wrong));
        let (_, name) = parts(base.about);
        let path = format!("{path}/{name}");
        let answer = send(&apiserver, PERSON, "PATCH", &path, &json!({"spec": patch}));
        let may_be = answer.status < 300 && !inert::is_final(&field.path, label);
        may_be.then(|| patch.clone())
    };
    let scenario = base.mended(wrong, by_edit, NOTICED);
    let record = shared.run(base, &scenario);
    let as_usual = record.ended == usual.ended && record.started == usual.started;
    let wrong = !as_usual || !record.violations.is_empty();
    wrong.then(|| {
        format!(
            "{} with spec.{} {label}, and then set right: {:?} instead of {:?} {:?}",
            base.name, field.path, record.ended, usual.ended, record.violations
        )
    })
}

/// One of the values that a field can be edited to.
fn edit(
    shared: &mut Shared<'_>,
    plural: &str,
    state: &str,
    (field, label): (&Field, &str),
    found: &mut Found,
) -> Vec<String> {
    let mut violations = Vec::new();
    for base in bases_of(plural).filter(|base| base.states().any(|one| one == state)) {
        let (_, before) = stored(shared.kinds, base);
        let tried = as_edits(shared.kinds, base, field, Some(label));
        let Some(spec) = taken(tried, label) else {
            continue;
        };
        let usual = shared.base(base, state);
        let patch = schema::merge_patch(&before, &spec);
        let act = Act::Edit(base.about, patch);
        let record = shared.run(base, &base.scenario(&base.spec, Some((state, act))));
        violations.extend(broken(base, &record, &usual));
        let difference = record.otherwise_decided(&usual);
        if shared.traced {
            println!("{}: {difference:?}", base.name);
        }
        if difference.is_some() {
            found.changed = true;
            break;
        }
    }
    violations.extend(without_effect(plural, state, field, label, found));
    violations
}

/// All that is refused in one state, at once: it is as if nobody had tried.
fn refused(shared: &mut Shared<'_>, base: &Base, state: &str, found: &mut Found) -> Vec<String> {
    let (_, before) = stored(shared.kinds, base);
    let mut violations = Vec::new();
    let mut tries = Vec::new();
    for field in schema::fields(&schema::of_spec(base.plural)) {
        let tried = as_edits(shared.kinds, base, &field, None);
        let mutations = edits(base, &field, &before);
        for (mutation, tried) in mutations.into_iter().zip(tried) {
            match tried {
                Tried::Refused => tries.push((field.clone(), mutation)),
                Tried::Wrong(why) => violations.push(why),
                Tried::Same | Tried::Taken(..) => {}
            }
        }
    }
    let patches = tries.iter().map(|(field, mutation)| {
        let value = mutation.values.first().and_then(Option::as_ref);
        let after = schema::with_field(&before, field, value);
        schema::merge_patch(&before, &after)
    });
    let usual = shared.base(base, state);
    let act = Act::Try(base.about, patches.collect());
    let record = shared.run(base, &base.scenario(&base.spec, Some((state, act))));
    violations.extend(record.violations.iter().cloned());
    if record.answers.len() != tries.len() {
        violations.push(format!(
            "the object was not in the state: {} answers",
            record.answers.len()
        ));
    }
    for ((field, mutation), answer) in tries.iter().zip(&record.answers) {
        let before = json!(null);
        let about = format!("{} with spec.{} {}", base.name, field.path, mutation.label);
        match judged(&about, field, mutation, &before, answer) {
            Tried::Refused => found.refused += 1,
            Tried::Wrong(why) => violations.push(why),
            Tried::Same | Tried::Taken(..) => violations.push(format!("{about} is taken")),
        }
    }
    if record.hash != usual.hash {
        let where_ = record.difference(&usual);
        violations.push(format!(
            "the run is another after edits that were refused: {where_:?}"
        ));
    }
    violations
}
