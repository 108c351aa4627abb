#![forbid(unsafe_code)]
pub fn run(_: impl IntoIterator<Item = std::ffi::OsString>) -> i32 { 0 }
