//! A snapshot with a secret in every place: it survives nowhere, and the graph and the numbers stay.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/redact/tests/hostile/mod.rs"]
mod hostile;

fuzz_target!(|bytes: &[u8]| hostile::check(bytes));
