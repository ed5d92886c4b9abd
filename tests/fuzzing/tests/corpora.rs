//! The corpora of the fuzz targets run as ordinary tests: what was found once is not found again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic is how a test fails"
)]

use std::fs;
use std::path::PathBuf;

use ess_rollout_fuzzing::TARGETS;

#[test]
fn each_input_of_each_corpus_is_taken() {
    let corpora = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, target) in TARGETS {
        let mut inputs = 0;
        for entry in fs::read_dir(corpora.join(name)).expect(name) {
            let path = entry.unwrap().path();
            // Told of if it panics.
            println!("{}", path.display());
            target(&fs::read(&path).unwrap());
            inputs += 1;
        }
        assert!(inputs >= 5, "{name} has {inputs} inputs");
    }
}

/// A target without its program would never be fuzzed.
#[test]
fn each_target_has_its_program() {
    let programs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = fs::read_to_string(programs.join("Cargo.toml")).unwrap();
    for (number, (name, _)) in TARGETS.iter().enumerate() {
        let program = programs.join(format!("fuzz_targets/{name}.rs"));
        let program = fs::read_to_string(program).expect(name);
        assert!(program.contains(&format!("TARGETS[{number}]")), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}
