//! How property tests are run: the same cases each time, so that a build never fails at random.
//!
//! To look for more, set another seed or let it be drawn, and say how many cases:
//!
//! ```text
//! PROPTEST_RNG_SEED=random PROPTEST_CASES=4000 cargo test -p ess-rollout-core properties
//! PROPTEST_RNG_SEED=7 PROPTEST_CASES=4000 cargo test -p ess-rollout-core properties
//! ```
//!
//! Both variables are proptest's own; a seed that is no number is one that is drawn. A failure shows
//! the smallest input that has it: put it into a test of its own.

use proptest::test_runner::{Config, RngSeed};

/// The seed where none is named.
const SEED: u64 = 20_260_101;

/// So many cases of the fixed seed, unless the environment says otherwise.
pub fn config(cases: u32) -> Config {
    let given = Config::default();
    let set = |name| std::env::var_os(name).is_some();
    Config {
        cases: if set("PROPTEST_CASES") {
            given.cases
        } else {
            cases
        },
        rng_seed: if set("PROPTEST_RNG_SEED") {
            given.rng_seed
        } else {
            RngSeed::Fixed(SEED)
        },
        failure_persistence: None,
        ..given
    }
}
