//! What is taken and makes no difference, each with the reason. One that makes a difference has no place here.

/// Some values of some fields in some states.
#[derive(Debug)]
pub struct Inert {
    /// By plural names.
    kinds: &'static [&'static str],
    /// `creation`, or states in which a spec is edited.
    states: &'static [&'static str],
    path: &'static str,
    /// Labels of mutations; empty: all.
    labels: &'static [&'static str],
    #[expect(dead_code, reason = "for people, and printed where it is out of date")]
    why: &'static str,
}

pub const ALL: &[Inert] = &[];

/// Two words for the same, and why.
const ALIKE: &[(&str, &str, &str)] = &[];

/// What cannot be taken back in the same object, and says so itself.
const FINAL: &[(&str, &str)] = &[("desiredState", r#"="Cancelled""#)];

/// Whether a value is for good, and another object has to be created.
pub fn is_final(path: &str, label: &str) -> bool {
    FINAL.contains(&(path, label))
}

/// The entry of the list for this.
pub fn entry(plural: &str, state: &str, path: &str, label: &str) -> Option<usize> {
    ALL.iter().position(|inert| {
        inert.kinds.contains(&plural)
            && inert.states.contains(&state)
            && inert.path == path
            && (inert.labels.is_empty() || inert.labels.contains(&label))
    })
}

/// Whether two words of a field are known to be for the same.
pub fn knows_alike(field: &str, word: &str, other: &str) -> bool {
    ALIKE.iter().any(|(of, one, two)| {
        *of == field && ((*one, *two) == (word, other) || (*two, *one) == (word, other))
    })
}
