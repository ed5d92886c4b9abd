#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ess_rollout_fuzzing::TARGETS[2].1(data));
