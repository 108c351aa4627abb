//! The header, written anew: it says what is known here and nothing else.
//!
//! A name that is not on the lists below (a field, a node type, an edge type) may be data, so a placeholder
//! takes its place; whatever else stands in the header is left out.

use serde_json::{Map, Value, json};

use crate::key::Key;
use crate::placeholder::Placeholders;
use crate::roles::used;

/// What a column of a section holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Column {
    /// A number that stays.
    Number,
    /// Index of a string with this use.
    Text(u16),
    /// Nobody here knows; it is written as 0.
    Unknown,
}

/// A section of rows of numbers.
pub(crate) struct Section {
    name: &'static str,
    /// Key of the list in `meta` that names the columns.
    fields: &'static str,
    known: &'static [(&'static str, Column)],
}

use Column::{Number, Text};

/// `nodes` and `edges` have their strings dealt with in `roles`; here those are numbers.
const SECTIONS: [Section; 9] = [
    Section {
        name: "nodes",
        fields: "node_fields",
        known: &[
            ("type", Number),
            ("name", Number),
            ("id", Number),
            ("self_size", Number),
            ("edge_count", Number),
            ("trace_node_id", Number),
            ("detachedness", Number),
        ],
    },
    Section {
        name: "edges",
        fields: "edge_fields",
        known: &[("type", Number), ("name_or_index", Number), ("to_node", Number)],
    },
    Section {
        name: "trace_function_infos",
        fields: "trace_function_info_fields",
        known: &[
            ("function_id", Number),
            ("name", Text(used::CODE | used::IN_SOURCE)),
            ("script_name", Text(used::SCRIPT)),
            ("script_id", Number),
            ("line", Number),
            ("column", Number),
        ],
    },
    Section {
        name: "trace_tree",
        fields: "trace_node_fields",
        known: &[
            ("id", Number),
            ("function_info_index", Number),
            ("count", Number),
            ("size", Number),
            ("children", Number),
        ],
    },
    Section {
        name: "samples",
        fields: "sample_fields",
        known: &[("timestamp_us", Number), ("last_assigned_id", Number)],
    },
    Section {
        name: "locations",
        fields: "location_fields",
        known: &[("object_index", Number), ("script_id", Number), ("line", Number), ("column", Number)],
    },
    Section {
        name: "scopes",
        fields: "scope_fields",
        known: &[
            ("script_node_index", Number),
            ("scope_id", Number),
            ("depth", Number),
            ("scope_context_vars_count", Number),
            ("scope_uses_count", Number),
        ],
    },
    Section {
        name: "scope_context_vars",
        fields: "scope_context_var_fields",
        known: &[("name", Text(used::CODE | used::IN_SOURCE))],
    },
    Section {
        name: "scope_uses",
        fields: "scope_use_fields",
        known: &[("declaring_scope_id", Number), ("slot_index", Number)],
    },
];

#[rustfmt::skip]
pub(crate) const NODE_TYPES: [&str; 16] = [
    "hidden", "array", "string", "object", "code", "closure", "regexp", "number", "native", "synthetic",
    "concatenated string", "sliced string", "symbol", "bigint", "object shape", "wasm object",
];
pub(crate) const EDGE_TYPES: [&str; 8] =
    ["context", "element", "property", "internal", "hidden", "shortcut", "weak", "invisible"];

/// Numbers of the header.
const COUNTS: [&str; 5] =
    ["node_count", "edge_count", "trace_function_count", "extra_native_bytes", "root_index"];

/// What a value of our own part of the header looks like.
#[derive(Clone, Copy)]
enum ValueFormat {
    Count,
    OneOf(&'static [&'static str]),
    /// As a version is written, with or without `v` before it.
    Version,
    /// `2026-11-22T10:00:00.000Z`
    Time,
    /// Since 1970, with a part of one.
    Milliseconds,
    /// 16 hexadecimal digits.
    Id,
}

const OURS: [(&str, ValueFormat); 16] = [
    ("version", ValueFormat::Version),
    ("pid", ValueFormat::Count),
    ("threadId", ValueFormat::Count),
    ("startTime", ValueFormat::Time),
    ("time", ValueFormat::Time),
    ("mode", ValueFormat::OneOf(&["inline", "fork", "attach", "core"])),
    ("objectIds", ValueFormat::OneOf(&["cleared", "kept", "addresses"])),
    ("isolate", ValueFormat::Count),
    ("timeOrigin", ValueFormat::Milliseconds),
    ("processId", ValueFormat::Id),
    ("residentBytes", ValueFormat::Count),
    ("allocatedBytes", ValueFormat::Count),
    ("externalBytes", ValueFormat::Count),
    ("mallocedBytes", ValueFormat::Count),
    ("heapLimitBytes", ValueFormat::Count),
    ("nodeVersion", ValueFormat::Version),
];

impl ValueFormat {
    fn fits(self, value: &Value) -> bool {
        let text = value.as_str();
        let made_of = |least: usize, most: usize, allowed: fn(u8) -> bool| {
            text.is_some_and(|text| (least..=most).contains(&text.len()) && text.bytes().all(allowed))
        };
        match self {
            ValueFormat::Count => value.is_u64() || value.is_null(),
            ValueFormat::OneOf(words) => text.is_some_and(|text| words.contains(&text)),
            ValueFormat::Version => {
                text.is_some_and(|text| is_version(text.strip_prefix('v').unwrap_or(text)))
            }
            ValueFormat::Milliseconds => value.is_number() || value.is_null(),
            ValueFormat::Time => made_of(20, 32, |b| b.is_ascii_digit() || b"-:.TZ+".contains(&b)),
            ValueFormat::Id => made_of(16, 16, |b| b.is_ascii_hexdigit()),
        }
    }
}

/// `1.2.3`, with a word and a number behind it where it is no release.
fn is_version(text: &str) -> bool {
    let (numbers, suffix) = text.split_once('-').map_or((text, None), |(n, suffix)| (n, Some(suffix)));
    let small = |part: &str| (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let word = |suffix: &str| {
        let (name, number) = suffix.split_once('.').unwrap_or((suffix, "0"));
        ["alpha", "beta", "rc", "dev", "next"].contains(&name) && small(number)
    };
    numbers.split('.').count() == 3 && numbers.split('.').all(small) && suffix.is_none_or(word)
}

fn strings<'m>(meta: &'m Map<String, Value>, key: &str) -> impl Iterator<Item = &'m str> {
    meta.get(key).and_then(Value::as_array).into_iter().flatten().map(|name| name.as_str().unwrap_or(""))
}

/// The columns of a section, in the input's order. `None` if there is no such section.
pub(crate) fn columns(header: &Map<String, Value>, section: &str) -> Option<Vec<Column>> {
    let section = SECTIONS.iter().find(|s| s.name == section)?;
    let meta = header.get("meta").and_then(Value::as_object);
    let mut seen = Vec::new();
    let column = |name: &'_ str| {
        let at = section.known.iter().position(|(known, _)| *known == name);
        // A second column of the same name is not the one that readers look at.
        match at {
            Some(at) if !seen.contains(&at) => {
                seen.push(at);
                section.known[at].1
            }
            _ => Column::Unknown,
        }
    };
    Some(meta.into_iter().flat_map(|meta| strings(meta, section.fields)).map(column).collect())
}

/// The header of the output. `meta` has been checked to be an object with fields for nodes and edges.
pub(crate) fn rewrite(
    header: &Map<String, Value>,
    key: &Key,
    source: bool,
) -> Result<Map<String, Value>, String> {
    let meta = header.get("meta").and_then(Value::as_object).ok_or("the header has no `meta` object")?;
    let mut names = HeaderNames { made_up: Placeholders::new(key.clone()), key };
    let mut lists = Map::new();
    for section in &SECTIONS {
        if !meta.contains_key(section.fields) {
            continue;
        }
        let known = |name: &str| section.known.iter().any(|(known, _)| *known == name);
        let fields: Vec<_> = strings(meta, section.fields).map(|name| names.of(name, known)).collect();
        lists.insert(section.fields.to_owned(), json!(fields));
    }
    for (list, fields, types) in
        [("node_types", "node_fields", &NODE_TYPES[..]), ("edge_types", "edge_fields", &EDGE_TYPES[..])]
    {
        let at = strings(meta, fields).position(|name| name == "type");
        let entries = meta.get(list).and_then(Value::as_array).into_iter().flatten().enumerate();
        let entry = |(n, entry): (usize, &Value)| match entry {
            Value::Array(entry) if Some(n) == at => {
                let name = |name: &Value| names.of(name.as_str().unwrap_or(""), |name| types.contains(&name));
                json!(entry.iter().map(name).collect::<Vec<_>>())
            }
            Value::String(kind) if ["string", "string_or_number", "node"].contains(&&**kind) => entry.clone(),
            _ => json!("number"),
        };
        lists.insert(list.to_owned(), entries.map(entry).collect());
    }
    let mut out = Map::new();
    out.insert("meta".to_owned(), Value::Object(lists));
    for name in COUNTS {
        if let Some(count) = header.get(name).filter(|count| count.is_number()) {
            out.insert(name.to_owned(), count.clone());
        }
    }
    let mut ours = Map::new();
    if let Some(given) = header.get("stillheap").and_then(Value::as_object) {
        if given.contains_key("redacted") {
            return Err("this snapshot is redacted already".to_owned());
        }
        for (name, shape) in OURS {
            if let Some(value) = given.get(name).filter(|value| shape.fits(value)) {
                ours.insert(name.to_owned(), value.clone());
            }
        }
    }
    ours.insert("redacted".to_owned(), json!({ "source": source, "key": key.id() }));
    out.insert("stillheap".to_owned(), Value::Object(ours));
    Ok(out)
}

struct HeaderNames<'k> {
    made_up: Placeholders,
    key: &'k Key,
}

impl HeaderNames<'_> {
    /// A name that is known, or a placeholder of the same length.
    fn of(&mut self, name: &str, known: impl Fn(&str) -> bool) -> String {
        match known(name) {
            true => name.to_owned(),
            false => self.made_up.of(self.key.tag(name.as_bytes()), name.encode_utf16().count()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(header: Value) -> Value {
        let Value::Object(header) = header else { panic!("an object") };
        Value::Object(rewrite(&header, &Key::from_secret(b"k"), true).unwrap())
    }

    #[test]
    fn only_what_is_known_is_copied() {
        let secret = "hunter2 Jane Doe";
        let out = rewritten(json!({
            "meta": {
                "node_fields": ["type", "name", secret, "id"],
                "node_types": [["string", secret, "object"], "string", secret, "number", [secret]],
                "edge_fields": ["type", "name_or_index", "to_node"],
                "edge_types": [["element", secret], "string_or_number", "node"],
                "location_fields": ["object_index", secret],
                secret: secret,
            },
            "node_count": 3, "edge_count": secret, "root_index": [secret], "title": secret, secret: 1,
            "stillheap": {
                "version": "1.2.3-rc.1", "pid": 7, "threadId": secret, "mode": secret, "objectIds": "kept",
                "time": "2026-11-22T10:00:00.000Z", "processId": "0123456789abcdef", "residentBytes": null,
                "allocatedBytes": { secret: 1 }, "argv": [secret], "host": secret, "service": secret,
                "nodeVersion": "v22.23.3", "heapLimitBytes": 4_345_298_944_u64,
            },
        }));
        assert!(!out.to_string().contains("hunter2"), "{out}");
        let types = out["meta"]["node_types"].as_array().unwrap();
        assert_eq!(
            (types.len(), &types[1], &types[2], &types[4]),
            (5, &json!("string"), &json!("number"), &json!("number"))
        );
        assert_eq!((&types[0][0], &types[0][2]), (&json!("string"), &json!("object")));
        assert_eq!(types[0][1].as_str().unwrap().len(), secret.len());
        assert_eq!(types[0][1], out["meta"]["node_fields"][2], "one name, one placeholder");
        assert_eq!(out["node_count"], 3);
        assert!(out.get("edge_count").is_none() && out.get("root_index").is_none());
        let ours: Vec<&String> = out["stillheap"].as_object().unwrap().keys().collect();
        assert_eq!(
            ours,
            [
                ["heapLimitBytes", "nodeVersion", "objectIds", "pid", "processId"].as_slice(),
                &["redacted", "residentBytes", "time", "version"],
            ]
            .concat()
        );
    }

    #[test]
    fn versions() {
        for good in ["0.1.0", "12.0.3", "1.0.0-rc.1", "1.0.0-beta"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "jane", "1.2", "1.2.3-jane", "1.2.3.4", "12345.1.1", "1.2.x", "1.0.0-rc.jane"] {
            assert!(!is_version(bad), "{bad}");
        }
    }

    #[test]
    fn columns_by_name() {
        let Value::Object(header) = json!({ "meta": {
            "location_fields": ["line", "object_index", "flags", "line"],
            "trace_function_info_fields": ["name"],
        } }) else {
            panic!("an object")
        };
        use Column::Unknown;
        assert_eq!(columns(&header, "locations").unwrap(), [Number, Number, Unknown, Unknown]);
        assert_eq!(columns(&header, "trace_function_infos").unwrap(), [Text(used::CODE | used::IN_SOURCE)]);
        assert_eq!(columns(&header, "scopes").unwrap(), []);
        assert!(columns(&header, "strings").is_none());
    }
}
