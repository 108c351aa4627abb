//! What single outputs do not show: pipes, standard input, prescribed JSON, DevTools' answers.

use std::io::{Read, Write};
use std::process::Stdio;

use stillheap_testing::devtools;

use crate::scratch::Scratch;
use crate::{fixture_directory, stillheap};

fn json(args: &[&str]) -> serde_json::Value {
    let output = stillheap(args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{args:?}: {e}\n{text}"))
}

#[test]
fn standard_input_is_a_file_like_others() {
    let bytes = std::fs::read(fixture_directory().join("leak.heapsnapshot")).unwrap();
    let mut child =
        stillheap(&["summary", "-", "--json"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let piped: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let named = json(&["summary", "leak.heapsnapshot", "--json"]);
    assert_eq!(piped["classes"], named["classes"]);
    assert_eq!(piped["file"], "-");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child =
        stillheap(&["query", "leak.heapsnapshot", "self >= 0", "--all", "--limit", "0", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = stillheap(&["summary", "leak.heapsnapshot"]).stdout(full).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains("the output cannot be written"), "{stderr}");
}

#[test]
fn colours_come_only_when_asked_for() {
    let coloured = |name: &str, value: &str| {
        let output = stillheap(&["summary", "leak.heapsnapshot"]).env(name, value).output().unwrap();
        output.stdout.contains(&0x1b)
    };
    assert!(coloured("CLICOLOR_FORCE", "1"));
    assert!(!coloured("NO_COLOR", "1"));
}

#[test]
fn prescribed_fields_are_there() {
    let summary = json(&["summary", "leak.heapsnapshot", "--json", "--limit", "0"]);
    for key in ["schemaVersion", "model", "file", "totals", "statistics", "classes"] {
        assert!(!summary[key].is_null(), "{key}");
    }
    for key in ["nodes", "edges", "totalSize"] {
        assert!(summary["totals"][key].is_u64(), "{key}");
    }
    for class in summary["classes"].as_array().unwrap() {
        for key in ["key", "name", "count", "distance", "shallowSize", "retainedSize"] {
            assert!(!class[key].is_null(), "{key}");
        }
    }
    let diff = json(&["diff", "leak.heapsnapshot", "leak-after.heapsnapshot", "--json", "--limit", "0"]);
    assert_eq!(diff["matchedBy"], "id");
    for class in diff["classes"].as_array().unwrap() {
        for key in [
            "key",
            "name",
            "addedCount",
            "removedCount",
            "countDelta",
            "addedSize",
            "removedSize",
            "sizeDelta",
        ] {
            assert!(!class[key].is_null(), "{key}");
        }
    }
}

fn snapshot(name: &str) -> String {
    devtools::path(name).to_string_lossy().into_owned()
}

/// The class rows by key, with the names that DevTools' answers have for the fields.
fn by_key(summary: &serde_json::Value) -> serde_json::Value {
    let rows = summary["classes"].as_array().unwrap().iter().map(|row| {
        let value = serde_json::json!({
            "name": row["name"], "count": row["count"], "distance": row["distance"],
            "shallow": row["shallowSize"], "retained": row["retainedSize"],
        });
        (row["key"].as_str().unwrap().to_owned(), value)
    });
    serde_json::Value::Object(rows.collect())
}

#[test]
fn the_summary_has_devtools_numbers() {
    for name in devtools::names() {
        let summary = json(&["summary", &snapshot(&name), "--json", "--limit", "0"]);
        let answers = devtools::answers(&name);
        assert!(by_key(&summary) == answers["classes"], "{name}: classes differ");
        assert_eq!(summary["statistics"], answers["statistics"], "{name}");
        assert_eq!(summary["totals"]["totalSize"], answers["totalSize"], "{name}");
        assert_eq!(summary["totals"]["nodes"], answers["nodeCount"], "{name}");
    }
}

#[test]
fn the_summary_has_devtools_filters() {
    for (filter, classes) in devtools::answers("node24")["filters"].as_object().unwrap() {
        let summary = json(&["summary", &snapshot("node24"), "--json", "--limit", "0", "--filter", filter]);
        assert!(by_key(&summary) == *classes, "{filter}: classes differ");
    }
}

#[test]
fn a_query_for_a_class_finds_what_the_summary_counts() {
    let file = snapshot("node24");
    let summary = json(&["summary", &file, "--json", "--limit", "12"]);
    for class in summary["classes"].as_array().unwrap() {
        let name = class["name"].as_str().unwrap();
        let expression = format!("class = \"{name}\"");
        let found = json(&["query", &file, &expression, "--json", "--limit", "1"]);
        assert_eq!(found["count"], class["count"], "{name}");
        assert_eq!(found["selfSize"], class["shallowSize"], "{name}");
        assert_eq!(found["retainedSize"], class["retainedSize"], "{name}");
    }
}

#[test]
fn redacting_writes_what_was_asked_for_and_never_over_a_file() {
    let scratch = Scratch::new("redact");
    for (name, magic) in [
        ("a.heapsnapshot", &b"{"[..]),
        ("a.heapsnapshot.gz", &[0x1f, 0x8b][..]),
        ("a.heapsnapshot.zst", &[0x28, 0xb5][..]),
    ] {
        let answer = json(&["redact", "leak.heapsnapshot", &scratch.at(name), "--json"]);
        let bytes = std::fs::read(scratch.at(name)).unwrap();
        assert_eq!(answer["bytes"], bytes.len());
        assert!(bytes.starts_with(magic));
        let [old, new] =
            ["leak.heapsnapshot", &scratch.at(name)].map(|file| json(&["summary", file, "--json"]));
        for field in ["totals", "statistics"] {
            assert_eq!(old[field], new[field], "{name}");
        }
        let again = stillheap(&["redact", "leak.heapsnapshot", &scratch.at(name)]).output().unwrap();
        assert_eq!(again.status.code(), Some(2));
        assert!(String::from_utf8(again.stderr).unwrap().contains("already exists. Choose another name."));
        assert_eq!(std::fs::read(scratch.at(name)).unwrap(), bytes);
    }
    let forced = json(&["redact", "leak.heapsnapshot", &scratch.at("b.gz"), "--compress", "none", "--json"]);
    assert_eq!(forced["bytes"], forced["rawBytes"]);
}

#[test]
fn redacting_with_the_same_key_gives_the_same_file() {
    let scratch = Scratch::new("key");
    let with = |out: &str, key: Option<&str>| {
        let (out, key) = (scratch.at(out), key.map(|key| scratch.at(key)));
        let mut args = vec!["redact", "leak.heapsnapshot", &out, "--json"];
        if let Some(key) = &key {
            args.extend(["--key", key]);
        }
        (json(&args)["key"].clone(), std::fs::read(&out).unwrap())
    };
    let first = with("1", Some("key"));
    assert_eq!(first, with("2", Some("key")));
    assert_ne!(first, with("3", Some("other")));
    assert_ne!(with("4", None), with("5", None));
    std::fs::write(scratch.at("short"), "secret\n").unwrap();
    let short = ["redact", "leak.heapsnapshot", &scratch.at("6"), "--key", &scratch.at("short")];
    let mut refused = stillheap(&short);
    assert_eq!(refused.output().unwrap().status.code(), Some(2));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |name: &str| std::fs::metadata(scratch.at(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("key"), mode("1")), (0o600, 0o600));
    }
}

#[test]
fn standard_input_can_be_redacted() {
    let scratch = Scratch::new("stdin");
    let bytes = std::fs::read(fixture_directory().join("leak.heapsnapshot")).unwrap();
    let mut child = stillheap(&["redact", "-", &scratch.at("a")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(std::fs::read(scratch.at("a")).unwrap().starts_with(b"{"));
}

#[test]
fn what_is_larger_than_allowed_is_refused() {
    let run = |args: &[&str], limit: Option<&str>| {
        let mut command = stillheap(args);
        command.env_remove("STILLHEAP_READ_LIMIT");
        let output = command.envs(limit.map(|limit| ("STILLHEAP_READ_LIMIT", limit))).output().unwrap();
        let error = serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_default();
        (output.status.code(), error["error"]["code"].as_str().map(str::to_owned))
    };
    let over = (Some(2), Some("ERR_STILLHEAP_READ_LIMIT".to_owned()));
    let summary = ["summary", "leak.heapsnapshot", "--json"];
    let with = |limit| [&summary[..], &["--read-limit", limit]].concat();
    assert_eq!(run(&summary, None), (Some(0), None));
    assert_eq!(run(&with("1kB"), None), over);
    assert_eq!(run(&summary, Some("1kB")), over);
    assert_eq!(run(&["verify", "leak.heapsnapshot", "--json"], Some("1kB")), over);
    assert_eq!(run(&["diff", "leak.heapsnapshot", "leak.heapsnapshot", "--json"], Some("1kB")), over);
    assert_eq!(run(&with("1MiB"), Some("1kB")), (Some(0), None));
    assert_eq!(run(&with("0"), Some("1kB")), (Some(0), None));
    let wrong = (Some(2), Some("ERR_INVALID_ARG_VALUE".to_owned()));
    assert_eq!(run(&summary, Some("much")), wrong);
}

/// A growing heap's snapshot as stillheap writes it in a process at a time.
fn noted(scratch: &Scratch, name: &str, number: u32, pid: u32, second: u32) -> String {
    let text =
        std::fs::read_to_string(fixture_directory().join(format!("growing-{number}.heapsnapshot"))).unwrap();
    let header = format!(
        r#"{{"snapshot":{{"stillheap":{{"pid":{pid},"threadId":0,"mode":"fork","objectIds":"cleared","#
    ) + &format!(r#""time":"2026-11-28T10:00:{second:02}.000Z"}},"#);
    let begin = text.find(r#"{"snapshot":{"#).unwrap() + r#"{"snapshot":{"#.len();
    let path = scratch.at(name);
    std::fs::write(&path, header + &text[begin..]).unwrap();
    path
}

#[test]
fn files_of_one_process_are_put_in_order() {
    let scratch = Scratch::new("order");
    let file = |name: &str, number: u32| noted(&scratch, name, number, 7, number);
    let (first, second, third) = (file("snap-9", 1), file("snap-10", 2), file("snap-11", 3));
    let answer = json(&["leaks", &second, &third, &first, &third, "--json"]);
    assert_eq!(answer["files"], serde_json::json!([&first, &second, &third]));
    assert_eq!(answer["orderedBy"], "time");
    assert_eq!(answer["suspects"][0]["className"], "EmailTemplate");
    assert_eq!(answer["notes"].as_array().unwrap().len(), 2, "{}", answer["notes"]);
    let output = stillheap(&["leaks", &third, &first]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn files_of_several_processes_are_never_compared_silently() {
    let scratch = Scratch::new("processes");
    let files = [(1, 7, 1), (3, 8, 5), (1, 8, 4)]
        .map(|(number, pid, second)| noted(&scratch, &format!("{pid}-{second}"), number, pid, second));
    let answer = json(&["leaks", &files[0], &files[1], &files[2], "--json"]);
    assert_eq!(answer["files"], serde_json::json!([&files[2], &files[1]]));
    assert_eq!(answer["others"][0]["files"], serde_json::json!([&files[0]]));
    assert!(
        answer["notes"].as_array().unwrap().iter().any(|note| note.as_str().unwrap().contains("2 processes"))
    );
    // Two processes, one file each: nothing grew.
    let output = stillheap(&["leaks", &files[0], &files[1]]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("== process 8") && !text.contains("grows"), "{text}");
    let page = scratch.at("page.html");
    let output = stillheap(&["report", &files[0], &files[1], "-o", &page]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let diff = json(&["diff", &files[1], &files[2], "--json"]);
    assert!(diff["notes"][0].as_str().unwrap().contains("in the order given"), "{}", diff["notes"]);
}

#[test]
fn ids_tell_the_order_of_files_without_a_header() {
    let scratch = Scratch::new("ids");
    let write = |name: &str, number: u32| {
        let path = scratch.at(name);
        std::fs::copy(fixture_directory().join(format!("growing-{number}.heapsnapshot")), &path).unwrap();
        let file = std::fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        path
    };
    let (first, third) = (write("z", 1), write("a", 3));
    let answer = json(&["leaks", &third, &first, "--json"]);
    assert_eq!(answer["files"], serde_json::json!([first, third]));
    assert_eq!(answer["orderedBy"], "ids");
}

#[test]
fn without_files_leaks_and_report_take_the_newest_process_here() {
    let scratch = Scratch::new("found");
    let folder = scratch.at("");
    let output = stillheap(&["leaks"]).current_dir(&folder).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("no snapshots in this directory"));
    let write = |name: &str, number: u32, second: u64| {
        let path = scratch.at(name);
        std::fs::copy(fixture_directory().join(format!("growing-{number}.heapsnapshot")), &path).unwrap();
        let file = std::fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(second)).unwrap();
    };
    write("heapdump-20261128T100000.000Z-7-0.heapsnapshot", 3, 1);
    write("heapdump-20261128T100200.000Z-8-0.heapsnapshot", 3, 30);
    write("heapdump-20261128T100100.000Z-8-0.heapsnapshot", 1, 20);
    let output = stillheap(&["leaks"]).current_dir(&folder).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said,
        "stillheap: reading 2 snapshots: heapdump-20261128T100100.000Z-8-0.heapsnapshot, \
         heapdump-20261128T100200.000Z-8-0.heapsnapshot; 1 of other processes left out\n"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.ends_with("Next: stillheap report -o leak.html\n"), "{text}");
    let output = stillheap(&["report", "-o", "leak.html"]).current_dir(&folder).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let output = stillheap(&["report", "-o", "leak.html"]).current_dir(&folder).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("leak.html already exists. Use --overwrite, or choose another name with -o."),
        "{said}"
    );
}

#[test]
fn colours_are_asked_for_or_refused() {
    let coloured = |args: &[&str], no_color: bool| {
        let mut command = stillheap(&[&["summary", "leak.heapsnapshot", "--limit", "1"], args].concat());
        if no_color {
            command.env("NO_COLOR", "1");
        }
        String::from_utf8(command.output().unwrap().stdout).unwrap().contains('\u{1b}')
    };
    assert!(!coloured(&[], false), "a pipe gets none");
    assert!(coloured(&["--color", "always"], false));
    assert!(!coloured(&["--color", "never"], false));
    assert!(!coloured(&[], true));
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let output = stillheap(&["completions", shell]).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("retainers") && script.contains("read-limit"), "{shell}");
    }
}
