//! Snapshots that no producer would write, made of arbitrary bytes, with one secret in every place that can
//! hold a text. Shared by `tests/hostile.rs` and the fuzz target `redact`.
//!
//! The secret looks like a token, and tokens go whatever they are used for. So after redaction it must be
//! nowhere; and the file must be the same graph with the same numbers.

use serde_json::{Map, Value, json};
use stillheap_redact::{Key, Options, Redactor};

/// No form of text that is kept may contain it.
pub const SECRET: &str = "7f3a91d2e8c05b64";

/// Where in a text the secret stands, `§` being the secret and `¶` a few arbitrary characters.
const TEXTS: [&str; 52] = [
    "§",
    "¶§",
    "§¶",
    "¶§¶",
    "jane §",
    "<a §",
    "<§ x>",
    "<§>",
    "<a href='§'>",
    "Detached §",
    "Detached <§ x",
    "system / §",
    "system / Context / §",
    "system / NativeContext / §",
    "Object / §",
    "(§)",
    "(code for §)",
    "(§ for x)",
    "§.js",
    "/srv/§/a.js",
    "a/node_modules/§/b.js",
    "node:§",
    "file:///§",
    "get §",
    "bound §",
    "<symbol §>",
    "<symbol Symbol.§>",
    "<symbol k§>",
    "<symbol kX¶§>",
    "global (§)",
    "Intl.§",
    "§ Iterator",
    "1 / part of key (§ @1) -> value (x @2) pair in WeakMap (table @3)",
    "1 / part of key (x @1) -> value (§ @2) pair in WeakMap (table @3)",
    "1 / part of key (x @§) -> value (x @2) pair in WeakMap (table @3)",
    "§ / part of key (x @1) -> value (x @2) pair in WeakMap (table @3)",
    "12§",
    "#§",
    ".§",
    "[§]",
    "a.§.b",
    "\"§\"",
    "\\§\n",
    "é§",
    "§ Helper",
    "Temporal.§",
    "Detached Detached §",
    "<¶ §",
    "(¶ for §)",
    "C:\\§",
    "https://§/",
    "§-§",
];

/// Texts that mean something to the redactor.
const WORDS: [&str; 20] = [
    "",
    "Object",
    "source",
    "length",
    "truncated",
    "value",
    "int",
    "bool",
    "true",
    "17",
    "(constant pool)",
    "system / ScopeInfo",
    "__proto__",
    "a",
    "get a",
    "<symbol a>",
    "Array",
    "(concatenated string)",
    "parent",
    "node:internal/util",
];

const NODE_TYPES: [&str; 16] = [
    "hidden",
    "array",
    "string",
    "object",
    "code",
    "closure",
    "regexp",
    "number",
    "native",
    "synthetic",
    "concatenated string",
    "sliced string",
    "symbol",
    "bigint",
    "object shape",
    "wasm object",
];
const EDGE_TYPES: [&str; 7] = ["context", "element", "property", "internal", "hidden", "shortcut", "weak"];

struct Bytes<'b>(std::slice::Iter<'b, u8>);

impl Bytes<'_> {
    fn next(&mut self) -> usize {
        self.0.next().map_or(0, |&byte| usize::from(byte))
    }

    fn text(&mut self) -> String {
        let pick = self.next();
        if pick.is_multiple_of(4) {
            return WORDS[self.next() % WORDS.len()].to_owned();
        }
        let mut some = String::new();
        for _ in 0..self.next() % 5 {
            some.push(
                char::from_u32(self.next() as u32 * if pick % 8 == 1 { 257 } else { 1 }).unwrap_or('?'),
            );
        }
        TEXTS[self.next() % TEXTS.len()].replace('§', SECRET).replace('¶', &some)
    }
}

/// A snapshot, and whether it has to be refused.
pub struct Made {
    /// The file's text.
    pub json: String,
    /// An edge has a type whose name tells nothing.
    pub refused: bool,
}

/// Any bytes make a snapshot.
pub fn make(bytes: &[u8]) -> Made {
    let mut bytes = Bytes(bytes.iter());
    let shape = bytes.next();
    let secret = || json!(format!("secret {SECRET}"));
    let mut node_types: Vec<String> = NODE_TYPES.iter().map(|&name| name.to_owned()).collect();
    let mut edge_types: Vec<String> = EDGE_TYPES.iter().map(|&name| name.to_owned()).collect();
    if shape & 1 != 0 {
        node_types.insert(bytes.next() % 17, format!("type {SECRET}"));
    }
    if shape & 2 != 0 {
        edge_types.insert(bytes.next() % 8, format!("edge {SECRET}"));
    }
    let with_unknown = |known: &[&str], at: usize| {
        let mut fields: Vec<String> = known.iter().map(|&name| name.to_owned()).collect();
        if shape & 4 != 0 {
            fields.insert(at % (fields.len() + 1), format!("field {SECRET}"));
        }
        fields
    };
    let node_fields =
        with_unknown(&["type", "name", "id", "self_size", "edge_count", "detachedness"], bytes.next());
    let edge_fields = with_unknown(&["type", "name_or_index", "to_node"], bytes.next());
    let location_fields = with_unknown(&["object_index", "script_id", "line", "column"], bytes.next());
    let function_fields =
        with_unknown(&["function_id", "name", "script_name", "script_id", "line", "column"], bytes.next());
    let strings: Vec<String> = (0..4 + bytes.next() % 24).map(|_| bytes.text()).collect();
    let count = 1 + bytes.next() % 24;
    let mut kinds = Vec::new();
    let mut names = Vec::new();
    for _ in 0..count {
        kinds.push(bytes.next() % node_types.len());
        names.push(bytes.next() % strings.len());
    }
    let mut edges: Vec<Vec<[u64; 3]>> = vec![Vec::new(); count];
    let mut refused = false;
    for _ in 0..bytes.next() % 48 {
        let (from, kind) = (bytes.next() % count, bytes.next() % edge_types.len());
        let name = match &*edge_types[kind] {
            "element" => (bytes.next() as u64).pow(1 + bytes.next() as u32 % 6),
            "hidden" => bytes.next() as u64,
            _ => (bytes.next() % strings.len()) as u64,
        };
        refused |= !EDGE_TYPES.contains(&&*edge_types[kind]);
        let to = bytes.next() % count * node_fields.len();
        edges[from].push([kind as u64, name, to as u64]);
    }
    let row = |fields: &[String], value: &dyn Fn(&str) -> u64| {
        fields.iter().map(|name| value(name)).collect::<Vec<u64>>()
    };
    let nodes: Vec<u64> = (0..count)
        .flat_map(|n| {
            row(&node_fields, &|field| match field {
                "type" => kinds[n] as u64,
                "name" => names[n] as u64,
                "id" => 2 * n as u64 + 1,
                "self_size" => 8 * n as u64,
                "edge_count" => edges[n].len() as u64,
                "detachedness" => n as u64 % 3,
                _ => n as u64 % strings.len() as u64 + 1,
            })
        })
        .collect();
    let edge_rows: Vec<u64> = edges
        .iter()
        .flatten()
        .flat_map(|edge| {
            row(&edge_fields, &|field| match field {
                "type" => edge[0],
                "name_or_index" => edge[1],
                "to_node" => edge[2],
                _ => 7,
            })
        })
        .collect();
    let functions: Vec<u64> = (0..bytes.next() % 4)
        .flat_map(|n| {
            let text = (bytes.next() % strings.len()) as u64;
            row(&function_fields, &|field| if field.ends_with("name") { text } else { n as u64 + 1 })
        })
        .collect();
    let locations: Vec<u64> =
        (0..bytes.next() % 4).flat_map(|n| row(&location_fields, &|_| n as u64 + 1)).collect();
    let mut types = vec![json!(node_types)];
    types.extend((1..node_fields.len()).map(|_| secret()));
    let at = node_fields.iter().position(|name| name == "type").unwrap_or(0);
    types.swap(0, at);
    let mut links = vec![json!(edge_types)];
    links.extend((1..edge_fields.len()).map(|_| secret()));
    let at = edge_fields.iter().position(|name| name == "type").unwrap_or(0);
    links.swap(0, at);
    let mut header = json!({
        "meta": {
            "node_fields": node_fields, "node_types": types, "edge_fields": edge_fields, "edge_types": links,
            "location_fields": location_fields, "trace_function_info_fields": function_fields,
        },
        "node_count": count, "edge_count": edge_rows.len() / edge_fields.len(),
    });
    if shape & 8 != 0 {
        header["title"] = secret();
        header["meta"][SECRET] = secret();
        header["root_index"] = secret();
    }
    if shape & 16 != 0 {
        header["stillheap"] =
            json!({ "pid": secret(), "mode": secret(), "version": secret(), "new": [secret()], SECRET: 1 });
    }
    let unknown = json!({ "a": [SECRET, { SECRET: "]" }] });
    let mut json = String::from("{");
    if shape & 32 != 0 {
        json += &format!("{}:{unknown},", json!(format!("section {SECRET}")));
    }
    json += &format!("\"snapshot\":{header},\"nodes\":{},\"edges\":{}", json!(nodes), json!(edge_rows));
    if shape & 64 != 0 {
        json += &format!(",\"trace_function_infos\":{},\"locations\":{}", json!(functions), json!(locations));
        json += &format!(",\"later {SECRET}\":{unknown}");
    }
    json += &format!(",\"strings\":{}}}", json!(strings));
    Made { json, refused }
}

/// Redacts in pieces of this size.
pub fn redact(json: &str, piece: usize) -> Result<String, stillheap_redact::Error> {
    let mut redactor = Redactor::new(Options { source: true, key: Key::from_secret(b"of this test") });
    let mut out = Vec::new();
    for bytes in json.as_bytes().chunks(piece.max(1)) {
        redactor.feed(bytes, &mut out)?;
    }
    redactor.finish(&mut out)?;
    Ok(String::from_utf8(out).expect("UTF-8"))
}

/// Redacts what these bytes make, and checks everything that must hold.
pub fn check(bytes: &[u8]) {
    let made = make(bytes);
    let redacted = match redact(&made.json, bytes.len() % 97 + 1) {
        Ok(redacted) => redacted,
        Err(error) => {
            assert!(made.refused, "{error}: {}", made.json);
            return;
        }
    };
    assert!(!made.refused, "an unknown type of edges went through: {}", made.json);
    assert!(!redacted.contains(SECRET), "{redacted}");
    let before: Map<String, Value> = serde_json::from_str(&made.json).expect("what was made");
    let after: Map<String, Value> = serde_json::from_str(&redacted).expect("JSON");
    assert!(!format!("{after:?}").contains(SECRET), "behind an escape: {redacted}");
    for (section, fields) in [
        ("nodes", "node_fields"),
        ("edges", "edge_fields"),
        ("locations", "location_fields"),
        ("trace_function_infos", "trace_function_info_fields"),
    ] {
        same_rows(&before, &after, section, fields);
    }
    for count in ["node_count", "edge_count"] {
        assert_eq!(before["snapshot"][count], after["snapshot"][count]);
    }
}

fn same_rows(before: &Map<String, Value>, after: &Map<String, Value>, section: &str, fields: &str) {
    let Some(rows) = before.get(section).and_then(Value::as_array) else { return };
    let new = after[section].as_array().expect("a section");
    assert_eq!(rows.len(), new.len(), "{section}");
    let fields = before["snapshot"]["meta"][fields].as_array().expect("fields");
    let types = &before["snapshot"]["meta"]["edge_types"];
    let at = fields.iter().position(|field| field == "type").unwrap_or(0);
    for (row, new) in rows.chunks(fields.len()).zip(new.chunks(fields.len())) {
        for ((field, old), new) in fields.iter().zip(row).zip(new) {
            let (old, new) = (old.as_u64().expect("a number"), new.as_u64().expect("a number"));
            match field.as_str().unwrap_or("") {
                "name" | "script_name" => same_text(before, after, old, new),
                "name_or_index" => {
                    let kind = row[at].as_u64().expect("a type") as usize;
                    match types[at][kind].as_str() {
                        Some("element") => assert_eq!(old.to_string().len(), new.to_string().len()),
                        Some("hidden") => assert_eq!(old, new),
                        _ => same_text(before, after, old, new),
                    }
                }
                unknown if unknown.contains(SECRET) => assert_eq!(new, 0),
                known => assert_eq!(old, new, "{known} in {section}"),
            }
        }
    }
}

/// Another text of the same length.
fn same_text(before: &Map<String, Value>, after: &Map<String, Value>, old: u64, new: u64) {
    let text = |of: &Map<String, Value>, index: u64| {
        of["strings"][index as usize].as_str().expect("a string").to_owned()
    };
    assert_eq!(new / 2, old);
    let (old, new) = (text(before, old), text(after, new));
    assert_eq!(old.encode_utf16().count(), new.encode_utf16().count(), "{old:?} {new:?}");
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    assert!(!number(&old) || old == new || number(&new) || new.chars().all(char::is_alphanumeric));
}
