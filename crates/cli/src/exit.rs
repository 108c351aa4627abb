//! Exit codes.

/// Done.
pub const OK: i32 = 0;
/// The answer is no: not whole, a condition holds, no snapshot came.
pub const NO: i32 = 1;
/// Wrong usage, or an input that cannot be read.
pub const USAGE: i32 = 2;
/// Done, but with the first part of a truncated input.
pub const SALVAGED: i32 = 3;
