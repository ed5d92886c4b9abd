//! Control plane, processes and builders for the tests, the demo and the benchmarks.
