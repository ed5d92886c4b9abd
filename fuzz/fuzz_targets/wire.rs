#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ess_rollout_fuzzing::TARGETS[0].1(data));
