//! Writes synthetic `.heapsnapshot` files for tests and benchmarks.
#![forbid(unsafe_code)]
