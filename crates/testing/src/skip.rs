//! Tests that can't run on a machine (an old kernel, no root). Rust's test runner knows no skipped tests: a test
//! that returns early counts as passed. [`skip!`](crate::skip!) reports it, so that `npm test` can count and name it,
//! and can fail in continuous integration.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write;

/// Path of a file to which each skipped test appends a line of JSON: `{"test": …, "reason": …}`.
pub const VARIABLE: &str = "STILLHEAP_SKIPS";

/// Ends the test that it stands in, and reports the reason (a format string and its arguments).
#[macro_export]
macro_rules! skip {
    ($($reason:tt)*) => {{
        fn here() {}
        $crate::skip::report(std::any::type_name_of_val(&here), format_args!($($reason)*));
        return;
    }};
}

/// Reports a test by the type name of a function inside it; use [`skip!`](crate::skip!).
#[expect(clippy::print_stderr, reason = "for people who run the tests")]
pub fn report(here: &str, reason: impl Display) {
    let test = here.strip_suffix("::here").unwrap_or(here);
    let reason = reason.to_string();
    eprintln!("skipped {test}: {reason}");
    if let Some(path) = std::env::var_os(VARIABLE) {
        let line = serde_json::json!({ "test": test, "reason": reason });
        let file = OpenOptions::new().append(true).create(true).open(&path);
        // One write: several tests append at the same time.
        file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    #[test]
    fn a_skip_ends_the_test_and_is_reported() {
        if std::env::var_os("STILLHEAP_TEST_SKIPS").is_some() {
            skip!("the machine has no {}", "engine");
            #[allow(unreachable_code, reason = "what a skip must not reach")]
            {
                panic!("a skip goes on");
            }
        }
        let path = std::env::temp_dir().join(format!("stillheap-skips-{}", std::process::id()));
        let name = "skip::tests::a_skip_ends_the_test_and_is_reported";
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env("STILLHEAP_TEST_SKIPS", "1")
            .env(super::VARIABLE, &path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let written = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let line: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(line["test"], format!("stillheap_testing::{name}"));
        assert_eq!(line["reason"], "the machine has no engine");
    }
}
