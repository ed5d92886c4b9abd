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
    pub why: &'static str,
}

impl std::fmt::Display for Inert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kinds, states) = (self.kinds.join(", "), self.states.join(", "));
        write!(f, "spec.{} of {kinds} ({states}): {}", self.path, self.why)
    }
}

const RUNS: &[&str] = &["rollingupdatetasks", "rollbacks"];
const IMAGES: &[&str] = &["imageupdatetasks"];

pub const ALL: &[Inert] = &[
    Inert {
        kinds: &["rollingupdatetasks", "imageupdatetasks"],
        states: &["creation"],
        path: "regionId",
        labels: &["absent"],
        why: "the default is the operator's region, and the object names the same",
    },
    Inert {
        kinds: RUNS,
        states: &[
            "Running",
            "BatchSuspended",
            "FailureSuspended",
            "Ended",
            "Deleting",
        ],
        path: "startingDeadlineSeconds",
        labels: &["added"],
        why: "it is about what comes before the start, as its description says; a refusal would keep whoever sets it for all of \
              their tasks in Git from doing so",
    },
    Inert {
        kinds: RUNS,
        states: &["Ended"],
        path: "deletionTimeoutSeconds",
        labels: &[],
        why: "nothing runs and the group is put back: a deletion waits for nothing",
    },
    Inert {
        kinds: RUNS,
        states: &["Deleting"],
        path: "approvedBatches",
        labels: &["added"],
        why: "the deletion cancels the update: no pause is left any more",
    },
    Inert {
        kinds: RUNS,
        states: &["Deleting"],
        path: "desiredState",
        labels: &[r#"="Cancelled""#],
        why: "the deletion cancels the update already",
    },
    Inert {
        kinds: RUNS,
        states: &["Deleting"],
        path: "ttlSecondsAfterFinished",
        labels: &["added"],
        why: "the object is being deleted already",
    },
    Inert {
        kinds: IMAGES,
        states: &["Running", "Ended"],
        path: "schedule.notBefore",
        labels: &["absent"],
        why: "that time has passed: no run is due before it any more",
    },
];

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
