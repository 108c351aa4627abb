//! Which names stay.
//!
//! A name stays if somebody wrote it into source code or into V8: V8's vocabulary, variables, functions and
//! classes, and those property names that compiled code mentions. All others may be data (the keys of a
//! dictionary, a class named after a customer) and become placeholders; so do names that look like tokens,
//! in every place that mentions them. Where only a part of a name is data, only that part is replaced.

use std::borrow::Cow;

use crate::key::Key;
use crate::placeholder::Placeholders;
use crate::roles::used;
use crate::scripts;
use crate::words::{is_dotted, is_identifier, is_vocabulary};

/// Classes of the language that no function is named after, and what V8 calls its own objects.
#[rustfmt::skip]
const CLASSES: &[&str] = &[
    "Object", "Array", "Math", "JSON", "Reflect", "Atomics", "Intl", "WebAssembly", "Generator",
    "AsyncGenerator", "AsyncFunction", "GeneratorFunction", "AsyncGeneratorFunction", "Module", "Arguments",
    "Symbol", "process", "console", "Promise", "Function", "Proxy", "global", "Window", "V8EventListener",
    "Error", "Map", "Set", "WeakMap", "WeakSet", "WeakRef", "FinalizationRegistry", "Date", "RegExp",
    "ArrayBuffer", "SharedArrayBuffer", "DataView", "TypedArray", "Int8Array", "Uint8Array",
    "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array", "Float16Array",
    "Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array", "Number", "String", "Boolean",
    "BigInt", "Iterator", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError",
    "URIError", "AggregateError", "SuppressedError", "DisposableStack", "AsyncDisposableStack", "Buffer",
    "URL", "URLSearchParams", "EventEmitter", "Timeout", "Immediate", "AsyncLocalStorage", "AsyncResource",
    "AbortController", "AbortSignal", "EventTarget", "Event", "Socket", "Server", "IncomingMessage",
    "ServerResponse", "ReadableStream", "WritableStream", "TransformStream", "HTMLDocument", "EventListener",
    "InternalNode", "Text",
];

/// Properties of the language and of Node that the analyses and their readers know.
#[rustfmt::skip]
const PROPERTIES: &[&str] = &[
    "__proto__", "prototype", "constructor", "length", "name", "message", "stack", "cause", "errors", "size",
    "lastIndex", "exports", "module", "require", "filename", "children", "paths", "loaded", "parent",
    "listener", "callback", "store", "_events", "_eventsCount", "_maxListeners", "_idleNext", "_idlePrev",
    "_idleTimeout", "_idleStart", "_onTimeout", "_timerArgs", "_repeat", "_destroyed", "_onImmediate",
    "_argv", "_list", "globalThis", "undefined", "then", "next",
];

/// Before the name of a node that hangs in no document.
const DETACHED: &str = "Detached ";

/// Classes that readers make of node types.
#[rustfmt::skip]
const TYPES: &[&str] = &[
    "system", "compiled code", "array", "string", "number", "native", "synthetic", "concatenated string",
    "sliced string", "symbol", "bigint", "object shape", "wasm object", "hidden", "code", "closure",
    "regexp", "object", "undefined",
];

/// Values that only V8 writes, and that mean something to readers wherever they stand.
#[rustfmt::skip]
const VALUES: &[&str] = &[
    "(concatenated string)", "(sliced string)", "system / Context", "system / NativeContext",
    "V8EventListener",
];

/// Whether a value stays as it is.
pub(crate) fn is_known_value(text: &str) -> bool {
    VALUES.contains(&text)
}

/// Names of functions and scripts outside of a snapshot: in a report that goes with it. A text has the same
/// placeholder here as in a snapshot that was redacted with the same key.
pub struct NameRedactor {
    made_up: Placeholders,
    key: Key,
}

impl NameRedactor {
    /// The key is the snapshot's.
    pub fn new(key: Key) -> NameRedactor {
        NameRedactor { made_up: Placeholders::new(key.clone()), key }
    }

    /// A path or URL of a script: directories become placeholders, but for usual ones.
    pub fn script(&mut self, name: &str) -> String {
        self.of(name, used::SCRIPT)
    }

    /// The name of a function that stands in the source.
    pub fn function(&mut self, name: &str) -> String {
        self.of(name, used::CODE)
    }

    fn of(&mut self, text: &str, uses: u16) -> String {
        name(text, uses, true, &mut self.made_up, &self.key).into_owned()
    }
}

/// What a name becomes. `written` says whether it stands in the source.
pub(crate) fn name<'t>(
    text: &'t str,
    uses: u16,
    written: bool,
    made_up: &mut Placeholders,
    key: &Key,
) -> Cow<'t, str> {
    let has = |how: u16| uses & how != 0;
    // Readers put this before the names of native nodes.
    if has(used::SYSTEM | used::CLASS)
        && let Some(rest) = text.strip_prefix(DETACHED)
    {
        let rest = name(rest, uses | used::SYSTEM, written, made_up, key);
        return Cow::Owned([DETACHED, &rest].concat());
    }
    let stays = text.is_empty()
        || has(used::SYSTEM) && is_system(text)
        || has(used::CLASS) && is_class(text, written)
        || has(used::CODE | used::SCRIPT) && is_function(text)
        || has(used::PROPERTY) && is_property(text, written);
    if stays {
        return Cow::Borrowed(text);
    }
    if let Some(partly) = in_part(text, uses, made_up, key) {
        return Cow::Owned(partly);
    }
    // Characters that readers quote stay in their places, so that a quoted name is as long as before.
    let quoted = |c: char| ",'\"{}\\".contains(c) || c < ' ';
    if text.contains(quoted) {
        return Cow::Owned(made_up.around(key.tag(text.as_bytes()), text, quoted));
    }
    Cow::Owned(placeholder(text, made_up, key))
}

fn placeholder(text: &str, made_up: &mut Placeholders, key: &Key) -> String {
    made_up.of(key.tag(text.as_bytes()), text.encode_utf16().count())
}

/// V8 numbers the fields of its tables, sometimes with a word behind the number.
fn is_system(text: &str) -> bool {
    let behind = text.trim_start_matches(|c: char| c.is_ascii_digit());
    text.len() - behind.len() <= 10
        && !behind.contains(") pair in WeakMap (")
        && !is_tag(behind)
        && is_vocabulary(behind)
}

/// An element with attributes.
fn is_tag(text: &str) -> bool {
    text.starts_with('<') && text.contains(' ')
}

/// An element without.
fn is_bare_tag(text: &str) -> bool {
    text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).is_some_and(is_element)
}

/// The name of an element, of a custom one too.
fn is_element(name: &str) -> bool {
    name.split('-').all(is_identifier)
}

fn is_class(text: &str, written: bool) -> bool {
    let of_a_type = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    if CLASSES.contains(&text)
        || is_known_value(text)
        || (written && is_dotted(text))
        || is_bare_tag(text)
        || of_a_type.is_some_and(|name| TYPES.contains(&name))
    {
        return true;
    }
    if let Some(function) = text.strip_prefix("system / Context / ") {
        return is_function(function);
    }
    let of_a_kind = |text: &str| {
        text.strip_suffix(" Iterator").or(text.strip_suffix(" Helper")).is_some_and(is_identifier)
    };
    let in_namespace =
        ["Intl.", "WebAssembly.", "Temporal."].iter().any(|n| text.starts_with(n)) && is_dotted(text);
    let of_a_realm = text.strip_prefix("global (").and_then(|rest| rest.strip_suffix(')'));
    // `wasm objects` and the like have the vocabulary of V8 even where they count as objects.
    of_a_kind(text)
        || text == "Iterator Helper"
        || in_namespace
        || text.starts_with("system / ") && is_vocabulary(text)
        || of_a_realm.is_some_and(|realm| ["global", "global*"].contains(&realm))
}

fn is_function(text: &str) -> bool {
    let body = ["get ", "set ", "bound ", "async ", "static "]
        .iter()
        .find_map(|p| text.strip_prefix(p))
        .unwrap_or(text);
    let well_known = body.strip_prefix('[').and_then(|b| b.strip_suffix(']')).is_some_and(is_dotted);
    let by_v8 = (text.starts_with('(') && text.ends_with(')'))
        || text.starts_with("system / ")
        || text.starts_with('<');
    // `this` and the like of scopes begin with a dot.
    is_dotted(body.strip_prefix('.').unwrap_or(body))
        || well_known
        || by_v8 && is_vocabulary(text) && !is_tag(text)
}

fn is_property(text: &str, written: bool) -> bool {
    if PROPERTIES.contains(&text) || text == "<symbol>" {
        return true;
    }
    if let Some(description) = text.strip_prefix("<symbol ").and_then(|rest| rest.strip_suffix('>')) {
        let well_known = ["Symbol.", "nodejs."].iter().any(|start| description.starts_with(start));
        let constant = description
            .strip_prefix('k')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
        return (well_known || constant || written) && is_dotted(description);
    }
    let body = text.strip_prefix("get ").or(text.strip_prefix("set ")).unwrap_or(text);
    written && is_identifier(body)
}

/// The text of which a property's name says whether it was written: a symbol's description stands in the
/// source, the name of its property doesn't.
pub(crate) fn written_as(text: &str) -> &str {
    let symbol = text.strip_prefix("<symbol ").and_then(|rest| rest.strip_suffix('>'));
    symbol.or(text.strip_prefix("get ")).or(text.strip_prefix("set ")).unwrap_or(text)
}

/// A name of which only a part is data.
fn in_part(text: &str, uses: u16, made_up: &mut Placeholders, key: &Key) -> Option<String> {
    let has = |how: u16| uses & how != 0;
    // A pair's name with a line end in it is no pair's name to readers, so line ends stay.
    let line_end = |c: char| ['\n', '\r', '\u{2028}', '\u{2029}'].contains(&c);
    let mut hide = |part: &str| match part.contains(line_end) {
        true => made_up.around(key.tag(part.as_bytes()), part, line_end),
        false => placeholder(part, made_up, key),
    };
    if has(used::SYSTEM)
        && let Some(pair) = weak_pair(text, &mut hide)
    {
        return Some(pair);
    }
    if has(used::SYSTEM | used::CLASS) {
        if is_tag(text) {
            let (start, attributes) = text.split_at(text.find(' ')? + 1);
            let (attributes, end) =
                attributes.strip_suffix('>').map_or((attributes, ""), |inner| (inner, ">"));
            let name = &start[1..start.len() - 1];
            let name = if is_element(name) { name.to_owned() } else { hide(name) };
            return Some(format!("<{name} {}{end}", hide(attributes)));
        }
        for start in [
            "system / NativeContext / ",
            "Detached system / NativeContext / ",
            "system / Context / ",
            "Object / ",
        ] {
            if let Some(rest) = text.strip_prefix(start) {
                return Some(format!("{start}{}", hide(rest)));
            }
        }
        if let Some(rest) = text.strip_prefix("global (").and_then(|rest| rest.strip_suffix(')')) {
            return Some(format!("global ({})", hide(rest)));
        }
    }
    if has(used::PROPERTY)
        && let Some(description) = text.strip_prefix("<symbol ").and_then(|rest| rest.strip_suffix('>'))
        && !description.contains(|c: char| ",'\"{}\\".contains(c) || c < ' ')
    {
        return Some(format!("<symbol {}>", hide(description)));
    }
    if has(used::SCRIPT) {
        // (code for NAME), where NAME is a strange one.
        if let Some((start, rest)) = text.split_once(" for ")
            && start.starts_with('(')
            && is_vocabulary(start)
            && let Some(inner) = rest.strip_suffix(')')
        {
            return Some(format!("{start} for {})", hide(inner)));
        }
        return scripts::name(text, &mut hide);
    }
    None
}

/// `N / part of key (KEY @1) -> value (VALUE @2) pair in WeakMap (table @3)`, where KEY and VALUE may be strings.
fn weak_pair(text: &str, hide: &mut impl FnMut(&str) -> String) -> Option<String> {
    const KEY: &str = " / part of key (";
    const ARROW: &str = ") -> value (";
    const END: &str = ") pair in WeakMap (table @";
    let (number, rest) = text.split_once(KEY)?;
    let (rest, table) = rest.rsplit_once(END)?;
    // Either may hold the arrow itself; whichever it is, both are hidden.
    let (key, value) = rest.split_once(ARROW)?;
    let mut part = |part: &str| match part.rsplit_once(" @") {
        Some((name, id)) if id.bytes().all(|b| b.is_ascii_digit()) => {
            let known = CLASSES.contains(&name) || name.starts_with("system / ") && is_vocabulary(name);
            let shown = if known { name.to_owned() } else { hide(name) };
            format!("{shown} @{id}")
        }
        _ => hide(part),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !digits(number) || !digits(table.strip_suffix(')')?) {
        return None;
    }
    let (key, value) = (part(key), part(value));
    Some(format!("{number}{KEY}{key}{ARROW}{value}{END}{table}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str, uses: u16, written: bool) -> String {
        let key = Key::from_secret(b"k");
        name(text, uses, written, &mut Placeholders::new(key.clone()), &key).into_owned()
    }

    #[test]
    fn what_stays() {
        for (text, uses, written) in [
            ("", used::PROPERTY, false),
            ("__proto__", used::PROPERTY, false),
            ("sessions", used::PROPERTY, true),
            ("<symbol Symbol.iterator>", used::PROPERTY, false),
            ("<symbol kIsNodeError>", used::PROPERTY, false),
            ("<symbol nodejs.util.inspect.custom>", used::PROPERTY, false),
            ("get size", used::PROPERTY, true),
            ("Object", used::CLASS, false),
            ("EmailTemplate", used::CLASS, true),
            ("Map Iterator", used::CLASS, false),
            ("global (global*)", used::CLASS, false),
            ("system / Context", used::CLASS, false),
            ("original", used::CODE, true),
            ("get [Symbol.species]", used::CODE, true),
            (".this_function", used::CODE, true),
            ("(code for normalizeString)", used::SCRIPT, true),
            ("node:internal/util", used::SCRIPT, true),
            ("system / Map", used::SYSTEM, false),
            ("123456", used::SYSTEM, false),
            ("42 / IdentityMapBase", used::SYSTEM, false),
            ("3 / DevTools console", used::SYSTEM, false),
            ("<div>", used::SYSTEM, false),
        ] {
            assert_eq!(redacted(text, uses, written), text);
        }
    }

    #[test]
    fn what_goes() {
        for (text, uses, written) in [
            ("jane.doe@example.com", used::PROPERTY, true),
            ("alice", used::PROPERTY, false),
            ("4111111111111111", used::PROPERTY, true),
            ("sk_live_abcdefghijkl", used::PROPERTY, true),
            ("<symbol my secret>", used::PROPERTY, false),
            ("<symbol alice>", used::PROPERTY, false),
            ("Customer Jane", used::CLASS, true),
            ("Alice", used::CLASS, false),
            ("with 'spaces' in it", used::CODE, true),
            ("global (https://user:secret@host/)", used::CLASS, false),
            ("jane@example.com", used::SYSTEM, false),
            ("{\"user\": \"jane\"}", used::PROPERTY, false),
        ] {
            let found = redacted(text, uses, written);
            assert_eq!(found.encode_utf16().count(), text.encode_utf16().count(), "{text}");
            for word in ["jane", "alice", "Alice", "1111", "secret", "Jane", "spaces", "abcdef"] {
                assert!(!found.contains(word), "{text}: {found}");
            }
        }
    }

    #[test]
    fn names_beside_a_snapshot() {
        let mut names = NameRedactor::new(Key::from_secret(b"k"));
        let script = names.script("/srv/customers/acme-corp/app/server.js");
        assert!(script.starts_with("/srv/") && script.ends_with("/app/server.js"), "{script}");
        assert!(!script.contains("acme") && !script.contains("customers"), "{script}");
        assert_eq!(script, redacted("/srv/customers/acme-corp/app/server.js", used::SCRIPT, true));
        assert_eq!(names.function("handleRequest"), "handleRequest");
        assert!(!names.function("mail to jane@example.com").contains("jane"));
        assert_eq!(names.function(""), "");
    }

    #[test]
    fn parts() {
        let pair = "12 / part of key (Object @33) -> value (my secret @1234) pair in WeakMap (table @77)";
        let found = redacted(pair, used::SYSTEM, false);
        assert!(found.starts_with("12 / part of key (Object @33) -> value ("), "{found}");
        assert!(
            found.ends_with(" @1234) pair in WeakMap (table @77)") && found.len() == pair.len(),
            "{found}"
        );
        assert!(!found.contains("secret"), "{found}");
        let other = redacted(&pair.replace("12 /", "13 /"), used::SYSTEM, false);
        assert_eq!(other[2..], found[2..], "both edges of a pair have the same name but for the number");
        for (tag, start) in [("<a href=\"/jane\">", "<a "), ("Detached <a href=\"/jane\">", "Detached <a ")] {
            let found = redacted(tag, used::SYSTEM, false);
            assert!(found.starts_with(start) && found.ends_with('>') && !found.contains("jane"), "{found}");
            assert_eq!(found.len(), tag.len());
        }
        assert_eq!(redacted("<symbol alice>", used::PROPERTY, false).find("<symbol "), Some(0));
        assert!(
            redacted("system / NativeContext / https://x/", used::SYSTEM, false)
                .starts_with("system / NativeContext / ")
        );
    }
}
