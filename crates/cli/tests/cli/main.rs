//! The whole output of every command, on small snapshots.
//!
//! Each case's expected output is a file under tests/golden. After a change that is meant, write them anew and
//! read the difference: `UPDATE_GOLDEN=1 cargo test -p stillheap-cli`. The fixtures themselves are written the
//! same way, by cli/fixtures.rs.

mod behaviour;
mod fixtures;
mod index;
mod scratch;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub fn fixture_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn golden_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

/// When updating: the fixtures come first, whichever test runs first.
fn fixtures_first() {
    static WRITTEN: std::sync::Once = std::sync::Once::new();
    WRITTEN.call_once(|| {
        for (name, bytes) in fixtures::all() {
            if updating() {
                std::fs::write(fixture_directory().join(name), &bytes).unwrap();
            }
        }
    });
}

/// The program, in the directory of the fixtures, with nothing in its environment that changes its output.
pub fn stillheap(args: &[&str]) -> Command {
    fixtures_first();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stillheap"));
    command.args(args).current_dir(fixture_directory());
    for name in ["COLUMNS", "CLICOLOR_FORCE", "CLICOLOR", "NO_COLOR", "STILLHEAP_COLUMNS", "PAGER"] {
        command.env_remove(name);
    }
    command
}

/// Every case: its name and its arguments.
const CASES: &[(&str, &[&str])] = &[
    ("help", &["--help"]),
    ("version", &["--version"]),
    ("no-command", &[]),
    ("unknown-command", &["sumary", "leak.heapsnapshot"]),
    ("dump-help", &["dump", "--help"]),
    ("dump-wrong-time", &["dump", "1", "--timeout", "soon"]),
    ("watch-help", &["watch", "--help"]),
    ("watch-nothing", &["watch"]),
    ("verify-help", &["verify", "--help"]),
    ("verify-whole", &["verify", "leak.heapsnapshot"]),
    ("verify-whole-json", &["verify", "leak.heapsnapshot", "--json"]),
    ("verify-truncated", &["verify", "truncated.heapsnapshot"]),
    ("verify-truncated-json", &["verify", "truncated.heapsnapshot", "--json"]),
    ("verify-malformed", &["verify", "malformed.heapsnapshot"]),
    ("verify-malformed-json", &["verify", "malformed.heapsnapshot", "--json"]),
    ("verify-not-a-snapshot", &["verify", "not-a-snapshot.json"]),
    ("verify-missing", &["verify", "missing.heapsnapshot"]),
    ("report-help", &["report", "--help"]),
    ("report-two-stdins", &["report", "-", "-", "-o", "-"]),
    ("report-json-to-stdout", &["report", "leak.heapsnapshot", "-o", "-", "--json"]),
    ("report-into-nothing", &["report", "leak.heapsnapshot", "-o", "no-such-folder/report.html"]),
    ("report-over-a-snapshot", &["report", "leak.heapsnapshot", "-o", "leak.heapsnapshot", "--overwrite"]),
    ("report-over-a-file", &["report", "leak.heapsnapshot", "-o", "not-a-snapshot.json"]),
    ("mcp-help", &["mcp", "--help"]),
    ("redact-help", &["redact", "--help"]),
    ("redact-missing", &["redact", "missing.heapsnapshot", "out.heapsnapshot"]),
    ("redact-malformed", &["redact", "malformed.heapsnapshot", "out.heapsnapshot"]),
    ("redact-truncated-json", &["redact", "truncated.heapsnapshot", "out.heapsnapshot", "--json"]),
    ("redact-wrong-source", &["redact", "leak.heapsnapshot", "out.heapsnapshot", "--source=some"]),
    ("summary-help", &["summary", "--help"]),
    ("summary", &["summary", "leak.heapsnapshot"]),
    ("summary-json", &["summary", "leak.heapsnapshot", "--json", "--limit", "3"]),
    ("summary-gc", &["summary", "leak.heapsnapshot", "--model", "gc", "--limit", "3"]),
    ("summary-count", &["summary", "leak.heapsnapshot", "--sort", "count", "--limit", "2", "--offset", "1"]),
    ("summary-shallow", &["summary", "leak.heapsnapshot", "--sort", "shallow", "--limit", "2"]),
    ("summary-distance", &["summary", "leak.heapsnapshot", "--sort", "distance", "--limit", "2"]),
    ("summary-name", &["summary", "leak.heapsnapshot", "--sort", "name", "--limit", "2"]),
    ("summary-filter", &["summary", "leak.heapsnapshot", "--filter", "Email*"]),
    (
        "summary-devtools-filter",
        &["summary", "leak.heapsnapshot", "--filter", "objectsRetainedByContexts", "--filter", "/^Email/"],
    ),
    (
        "summary-two-devtools-filters",
        &["summary", "leak.heapsnapshot", "--filter", "duplicatedStrings", "--filter", "noNativeContext"],
    ),
    ("summary-wrong-filter", &["summary", "leak.heapsnapshot", "--filter", "/(/"]),
    ("summary-truncated", &["summary", "truncated.heapsnapshot", "--limit", "3"]),
    ("summary-truncated-json", &["summary", "truncated.heapsnapshot", "--limit", "1", "--json"]),
    ("summary-malformed-json", &["summary", "malformed.heapsnapshot", "--json"]),
    ("summary-missing", &["summary", "missing.heapsnapshot"]),
    ("summary-directory", &["summary", "."]),
    ("instances-help", &["instances", "--help"]),
    ("instances", &["instances", "leak.heapsnapshot", "EmailTemplate"]),
    ("instances-json", &["instances", "leak.heapsnapshot", "EmailTemplate", "--json", "--limit", "1"]),
    (
        "instances-key",
        &["instances", "leak.heapsnapshot", "42,20,8,EmailTemplateNode", "--sort", "id", "--limit", "2"],
    ),
    (
        "instances-filter",
        &["instances", "leak.heapsnapshot", "(string)", "--filter", "hello", "--sort", "self"],
    ),
    (
        "instances-evil",
        &["instances", "leak.heapsnapshot", "(string)", "--filter", "red", "--sort", "distance"],
    ),
    ("instances-unknown", &["instances", "leak.heapsnapshot", "emailtemplat"]),
    ("inspect-help", &["inspect", "--help"]),
    ("inspect-object", &["inspect", "leak.heapsnapshot", "@1201"]),
    ("inspect-object-json", &["inspect", "leak.heapsnapshot", "@1201", "--json"]),
    ("inspect-function", &["inspect", "leak.heapsnapshot", "1205"]),
    (
        "inspect-function-json",
        &["inspect", "leak.heapsnapshot", "@1205", "--json", "--sort", "retained", "--limit", "1"],
    ),
    ("inspect-map", &["inspect", "leak.heapsnapshot", "@141"]),
    ("inspect-evil", &["inspect", "leak.heapsnapshot", "@111"]),
    ("inspect-evil-json", &["inspect", "leak.heapsnapshot", "@111", "--json"]),
    ("inspect-text-limit", &["inspect", "leak.heapsnapshot", "@117", "--text-limit", "8"]),
    ("inspect-detached", &["inspect", "leak.heapsnapshot", "@150"]),
    ("inspect-fields", &["inspect", "leak.heapsnapshot", "@5", "--filter", "opt*", "--sort", "file"]),
    ("inspect-allocated", &["inspect", "tracked.heaptimeline", "@11"]),
    ("inspect-unknown", &["inspect", "leak.heapsnapshot", "@4"]),
    ("inspect-wrong-id", &["inspect", "leak.heapsnapshot", "EmailTemplate"]),
    ("retainers-help", &["retainers", "--help"]),
    ("retainers-node", &["retainers", "leak.heapsnapshot", "@1001"]),
    ("retainers-node-tree", &["retainers", "leak.heapsnapshot", "@1001", "--depth", "5", "--paths", "0"]),
    (
        "retainers-node-branch",
        &["retainers", "leak.heapsnapshot", "@1001", "--depth", "4", "--branch", "1", "--paths", "1"],
    ),
    (
        "retainers-node-json",
        &["retainers", "leak.heapsnapshot", "@1101", "--json", "--depth", "2", "--paths", "1"],
    ),
    ("retainers-class", &["retainers", "leak.heapsnapshot", "EmailTemplate"]),
    (
        "retainers-class-tree",
        &["retainers", "leak.heapsnapshot", "EmailTemplate", "--depth", "3", "--paths", "0"],
    ),
    ("retainers-class-json", &["retainers", "leak.heapsnapshot", "EmailTemplate", "--json", "--depth", "2"]),
    (
        "retainers-class-filter",
        &["retainers", "leak.heapsnapshot", "EmailTemplateNode", "--filter", "Array", "--sort", "distance"],
    ),
    ("retainers-global", &["retainers", "leak.heapsnapshot", "@5"]),
    ("retainers-deep", &["retainers", "leak.heapsnapshot", "@5", "--depth", "101"]),
    ("dominators-help", &["dominators", "--help"]),
    ("dominators-root", &["dominators", "leak.heapsnapshot"]),
    ("dominators-node", &["dominators", "leak.heapsnapshot", "@1201", "--depth", "4", "--branch", "2"]),
    (
        "dominators-node-json",
        &["dominators", "leak.heapsnapshot", "@1001", "--json", "--depth", "2", "--limit", "1"],
    ),
    (
        "dominators-filter",
        &["dominators", "leak.heapsnapshot", "@5", "--filter", "(string)", "--sort", "self"],
    ),
    ("containment-help", &["containment", "--help"]),
    ("containment-root", &["containment", "leak.heapsnapshot"]),
    ("containment-node", &["containment", "leak.heapsnapshot", "@1201", "--depth", "4", "--branch", "3"]),
    (
        "containment-node-json",
        &["containment", "leak.heapsnapshot", "@1001", "--json", "--depth", "2", "--branch", "1"],
    ),
    (
        "containment-filter",
        &["containment", "leak.heapsnapshot", "@5", "--filter", "/^(cache|current)$/", "--sort", "name"],
    ),
    ("strings-help", &["strings", "--help"]),
    ("strings", &["strings", "leak.heapsnapshot", "--limit", "3"]),
    ("strings-duplicates", &["strings", "leak.heapsnapshot", "--duplicates"]),
    ("strings-duplicates-json", &["strings", "leak.heapsnapshot", "--duplicates", "--json"]),
    ("strings-json", &["strings", "leak.heapsnapshot", "--json", "--filter", "ann"]),
    ("strings-wrong-sort", &["strings", "leak.heapsnapshot", "--sort", "count"]),
    ("closures-help", &["closures", "--help"]),
    ("closures", &["closures", "leak.heapsnapshot"]),
    ("closures-json", &["closures", "leak.heapsnapshot", "--json", "--limit", "1"]),
    ("closures-filter", &["closures", "leak.heapsnapshot", "--filter", "send", "--sort", "name"]),
    ("timeline-help", &["timeline", "--help"]),
    ("timeline", &["timeline", "tracked.heaptimeline"]),
    ("timeline-json", &["timeline", "tracked.heaptimeline", "--json", "--limit", "1"]),
    ("timeline-filter", &["timeline", "tracked.heaptimeline", "--filter", "fillCache", "--sort", "count"]),
    ("timeline-none", &["timeline", "leak.heapsnapshot"]),
    ("leaks-help", &["leaks", "--help"]),
    ("leaks", &["leaks", "growing-1.heapsnapshot", "growing-2.heapsnapshot", "growing-3.heapsnapshot"]),
    ("leaks-json", &["leaks", "growing-1.heapsnapshot", "growing-3.heapsnapshot", "--json", "--limit", "1"]),
    ("leaks-one-file", &["leaks", "growing-3.heapsnapshot"]),
    ("leaks-none", &["leaks", "leak.heapsnapshot", "leak-after.heapsnapshot"]),
    ("leaks-one-file-fail", &["leaks", "growing-3.heapsnapshot", "--limit", "1", "--fail-on", "high"]),
    ("leaks-backwards", &["leaks", "growing-3.heapsnapshot", "growing-1.heapsnapshot", "--as-given"]),
    ("leaks-twins", &["leaks", "growing-3.heapsnapshot", "growing-3.heapsnapshot"]),
    ("leaks-truncated", &["leaks", "leak.heapsnapshot", "truncated.heapsnapshot", "--as-given"]),
    ("leaks-wrong-limit", &["leaks", "leak.heapsnapshot", "--limit", "0"]),
    ("leaks-two-stdins", &["leaks", "-", "-"]),
    ("diff-help", &["diff", "--help"]),
    ("diff", &["diff", "leak.heapsnapshot", "leak-after.heapsnapshot"]),
    ("diff-json", &["diff", "leak.heapsnapshot", "leak-after.heapsnapshot", "--json", "--limit", "2"]),
    (
        "diff-by-class",
        &[
            "diff",
            "leak.heapsnapshot",
            "leak-after.heapsnapshot",
            "--match",
            "class",
            "--sort",
            "count",
            "--limit",
            "2",
        ],
    ),
    (
        "diff-filter",
        &["diff", "leak.heapsnapshot", "leak-after.heapsnapshot", "--filter", "email", "--sort", "name"],
    ),
    (
        "diff-backwards",
        &["diff", "leak-after.heapsnapshot", "leak.heapsnapshot", "--sort", "added", "--limit", "3"],
    ),
    (
        "diff-series",
        &["diff", "leak.heapsnapshot", "leak-after.heapsnapshot", "leak-later.heapsnapshot", "--limit", "3"],
    ),
    (
        "diff-series-json",
        &[
            "diff",
            "leak.heapsnapshot",
            "leak-after.heapsnapshot",
            "leak-later.heapsnapshot",
            "--limit",
            "1",
            "--json",
        ],
    ),
    (
        "diff-fail",
        &[
            "diff",
            "leak.heapsnapshot",
            "leak-after.heapsnapshot",
            "--limit",
            "1",
            "--fail-on",
            "EmailTemplate:count>1",
        ],
    ),
    (
        "diff-fail-json",
        &[
            "diff",
            "leak.heapsnapshot",
            "leak-after.heapsnapshot",
            "--limit",
            "1",
            "--fail-on",
            "*:count>10",
            "--json",
        ],
    ),
    (
        "diff-pass",
        &[
            "diff",
            "leak.heapsnapshot",
            "leak-after.heapsnapshot",
            "--limit",
            "1",
            "--fail-on",
            "total:size>1MB",
        ],
    ),
    (
        "diff-grows",
        &[
            "diff",
            "leak.heapsnapshot",
            "leak-after.heapsnapshot",
            "leak-later.heapsnapshot",
            "--limit",
            "1",
            "--fail-on",
            "/^Email/:grows",
        ],
    ),
    (
        "diff-wrong-condition",
        &["diff", "leak.heapsnapshot", "leak-after.heapsnapshot", "--fail-on", "EmailTemplate"],
    ),
    ("diff-truncated", &["diff", "leak.heapsnapshot", "truncated.heapsnapshot", "--limit", "1"]),
    ("diff-one-file", &["diff", "leak.heapsnapshot"]),
    ("diff-two-stdins", &["diff", "-", "-"]),
    ("query-help", &["query", "--help"]),
    ("query", &["query", "leak.heapsnapshot", "class = EmailTemplate* and self < 50"]),
    ("query-json", &["query", "leak.heapsnapshot", "id = @1001", "--json"]),
    ("query-related", &["query", "leak.heapsnapshot", "retainedBy(class = 'system / Context')"]),
    ("query-nothing", &["query", "leak.heapsnapshot", "class = Nobody"]),
    ("query-mistake", &["query", "leak.heapsnapshot", "class = Email* and self >"]),
    ("query-mistake-json", &["query", "leak.heapsnapshot", "klass = 1", "--json"]),
];

/// Widths of terminals.
const WIDTHS: [&str; 3] = ["60", "80", "120"];

/// Answers of which the golden files show what they look like at each of the widths.
const LAID_OUT: [&str; 12] = [
    "leaks",
    "leaks-one-file",
    "summary",
    "diff",
    "diff-series",
    "retainers-class",
    "retainers-node",
    "inspect-function",
    "dominators-node",
    "strings-duplicates",
    "closures",
    "timeline",
];

fn at_width(args: &[&str], width: &str) -> Output {
    stillheap(args).env("STILLHEAP_COLUMNS", width).output().unwrap()
}

#[test]
fn nothing_is_wider_than_the_terminal() {
    // Texts that are not laid out: JSON, and what is as long as it was given.
    let free = |name: &str| name.ends_with("-json") || name.ends_with("-help") || name.contains("evil");
    let mut wrong = Vec::new();
    for (name, args) in CASES.iter().filter(|(name, _)| !free(name) && !name.starts_with("verify")) {
        for width in WIDTHS {
            let columns: usize = width.parse().unwrap();
            let text = String::from_utf8(at_width(args, width).stdout).unwrap();
            if !text.starts_with('{') && !text.starts_with("Heap snapshots of") {
                let wide = text.lines().filter(|line| line.chars().count() > columns);
                wrong.extend(wide.map(|line| format!("{name} at {width}: {line}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The output as one text.
fn transcript(args: &[&str], output: &Output) -> String {
    let quoted: Vec<String> = args
        .iter()
        .map(|arg| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.,@:/".contains(c);
            if arg.chars().all(plain) {
                (*arg).to_owned()
            } else {
                format!("'{}'", arg.replace('\'', "'\\''"))
            }
        })
        .collect();
    format!(
        "$ stillheap {}\n--- exit code {}\n--- stdout\n{}--- stderr\n{}",
        quoted.join(" "),
        output.status.code().map_or_else(|| "none".to_owned(), |code| code.to_string()),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn fixtures_are_what_their_program_writes() {
    fixtures_first();
    for (name, bytes) in fixtures::all() {
        let path = fixture_directory().join(name);
        let found = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(found == bytes, "{name} differs: write it anew with UPDATE_GOLDEN=1 and read the difference");
    }
}

#[test]
fn output_is_as_it_was() {
    let mut wrong = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let mut outputs: Vec<(String, String)> = Vec::new();
    for (name, args) in CASES {
        outputs.push((format!("{name}.txt"), transcript(args, &stillheap(args).output().unwrap())));
        for width in WIDTHS.iter().filter(|_| LAID_OUT.contains(name)) {
            outputs.push((format!("{name}@{width}.txt"), transcript(args, &at_width(args, width))));
        }
    }
    for (name, text) in outputs {
        let path = golden_directory().join(&name);
        names.push(name.clone());
        if updating() {
            std::fs::write(&path, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if text != expected {
            wrong.push(format!("{name}: expected\n{expected}\nfound\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}\n{} of {} cases differ", wrong.join("\n"), wrong.len(), CASES.len());
    for entry in std::fs::read_dir(golden_directory()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&name), "tests/golden/{name} belongs to no case");
    }
}
