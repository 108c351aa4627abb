//! The page as text: what a browser makes of it is tested with one, in __test__/report.

use std::io::Cursor;

use stillheap_analysis::{Model, Snapshot};
use stillheap_report::{Input, Report, page};
use stillheap_snapshot::ReadOptions;
use stillheap_synth::{Snapshot as Synthetic, Variant};

/// Names that try to leave their place.
const HOSTILE: [&str; 6] = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "x<img src=x onerror=alert(1)>",
    "\u{2028}\u{2029}&lt;b&gt;",
    "]]>\"'`${alert(1)}",
    "\u{202e}reversed\u{0}",
];

fn bytes(names: &[String]) -> Vec<u8> {
    let mut synthetic = Synthetic::new(Variant::Node22);
    let root = synthetic.node("synthetic", "", 0);
    for name in names {
        let node = synthetic.node("object", name, 100);
        synthetic.property(root, name, node);
    }
    synthetic.to_json()
}

fn read(bytes: Vec<u8>) -> Snapshot {
    stillheap_snapshot::read(Cursor::new(bytes), ReadOptions::default()).map(Snapshot::new).unwrap()
}

fn report_of(snapshots: &[&Snapshot], file: &str) -> Report {
    let inputs: Vec<Input<'_>> = snapshots
        .iter()
        .map(|s| Input { file: file.to_owned(), bytes: None, analysis: s.analysis(Model::Devtools) })
        .collect();
    Report::collect(&inputs, serde_json::Value::Null)
}

/// The text of the data block, and the page without it.
fn split(html: &str) -> (&str, String) {
    const OPEN: &str = "<script type=\"application/json\" id=\"data\">";
    let start = html.find(OPEN).unwrap() + OPEN.len();
    let end = start + html[start..].find("</script>").unwrap();
    (&html[start..end], format!("{}{}", &html[..start], &html[end..]))
}

#[test]
fn nothing_of_a_heap_is_outside_of_the_data_block() {
    let snapshot = read(bytes(&HOSTILE.map(str::to_owned)));
    let html = page(&report_of(&[&snapshot], HOSTILE[0]));
    let (data, rest) = split(&html);
    assert!(!data.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{data}");
    let value: serde_json::Value = serde_json::from_str(data).unwrap();
    let classes: Vec<&str> =
        value["classes"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    for name in HOSTILE {
        assert!(classes.contains(&name), "{name:?} is in {classes:?}");
    }
    assert_eq!(value["files"][0]["file"], HOSTILE[0]);
    // The frame is the same whatever the heap holds.
    let harmless = read(bytes(&["Harmless".to_owned()]));
    assert_eq!(split(&page(&report_of(&[&harmless], "a"))).1, rest);
    assert!(!rest.contains("alert"));
}

#[test]
fn scripts_cannot_end_their_elements_themselves() {
    let html = page(&report_of(&[&read(bytes(&["A".to_owned()]))], "a"));
    let opened = html.matches("<script").count();
    assert_eq!(opened, html.matches("</script>").count());
    assert_eq!(opened, 12, "the data and eleven scripts");
    assert!(!html.contains("<!--"));
    assert_eq!(html.matches("'sha256-").count(), 12, "eleven scripts and the style");
    for word in ["src=", "href=\"http", "@import", "url(", "innerHTML", "insertAdjacentHTML", "eval("] {
        assert!(!html.contains(word), "{word}");
    }
}

#[test]
fn many_classes_and_long_names_stay_bounded() {
    let names: Vec<String> = (0..20_000).map(|n| format!("C{n}{}", "x".repeat(300))).collect();
    let (old, new) = (read(bytes(&names[..10_000])), read(bytes(&names)));
    let report = report_of(&[&old, &new], "a");
    assert!(report.classes.len() <= 2000);
    let shown: u64 = report.classes.iter().map(|row| row.sizes[1]).sum();
    assert_eq!(shown + report.rest.sizes[1], 2_000_000, "what has no row is in the rest");
    assert_eq!(report.classes.len() as u64 + report.rest.classes, 20_000);
    let html = page(&report);
    assert!(html.len() < 4_000_000, "{} bytes", html.len());
}
