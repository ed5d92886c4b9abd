#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ess_rollout_fuzzing::TARGETS[3].1(data));
