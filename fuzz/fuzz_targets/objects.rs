#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ess_rollout_fuzzing::TARGETS[4].1(data));
