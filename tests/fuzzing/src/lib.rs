//! What strangers and other services send in, one function for each target of `cargo fuzz` (`fuzz/`). Each takes any bytes, and
//! panics where something that has to hold does not: nothing panics, nothing runs without end, what is refused is refused with a
//! sentence, and what was understood is written as it was read.
//!
//! The corpora in `fuzz/corpus` run as ordinary tests, too.

mod emulator;
mod objects;
mod wire;

use ess_rollout_core::requests::{self, InstancesError};

/// A target: its name, which is that of its corpus, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 5] = [
    ("wire", wire::answer),
    ("requests", annotation),
    ("template", emulator::template),
    ("functions", emulator::functions),
    ("objects", objects::object),
];

fn why(error: InstancesError) -> String {
    match error {
        InstancesError::Malformed(why) | InstancesError::TooManyTargets(why) => why,
    }
}

/// The value of an annotation of a person, read as each verb reads it.
fn annotation(data: &[u8]) {
    let Ok(value) = std::str::from_utf8(data) else {
        return;
    };
    let said = [
        requests::parse_continue(value).err(),
        requests::parse_targets(value).err().map(why),
        requests::parse_whole(value).err(),
        requests::parse_override_window(value).err(),
    ];
    for said in said.into_iter().flatten() {
        assert!(!said.is_empty(), "refused without a word: {value:?}");
        assert!(said.len() <= 4096, "a refusal of {} bytes", said.len());
    }
}
