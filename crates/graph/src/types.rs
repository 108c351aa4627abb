//! Node and edge types, normalised.
//!
//! Every producer lists its own type names in `meta`; the reader maps them once to the codes below so that
//! the passes compare one byte. Types that nobody here knows keep a code above [`FIRST_UNKNOWN`] and their
//! name from `meta`. One byte per node and per edge.

/// Codes from here on are types without a meaning to the passes; the name comes from `meta`.
pub const FIRST_UNKNOWN: u8 = 64;

/// Stands in a 32-bit column for "look it up among the large values".
pub const LARGE: u32 = u32::MAX;

/// The name of nodes and edges whose string was cut off.
pub const LOST_STRING: &str = "(lost in truncation)";

/// Whether edges of this type carry a string index.
#[inline(always)]
pub fn has_string_name(ty: u8) -> bool {
    ty != edge::ELEMENT && ty != edge::HIDDEN
}

/// Node type codes.
pub mod node {
    /// V8-internal object.
    pub const HIDDEN: u8 = 0;
    /// Internal array (elements, properties, …).
    pub const ARRAY: u8 = 1;
    /// A flat string.
    pub const STRING: u8 = 2;
    /// A JavaScript object.
    pub const OBJECT: u8 = 3;
    /// Compiled code and what belongs to it.
    pub const CODE: u8 = 4;
    pub const CLOSURE: u8 = 5;
    /// A regular expression.
    pub const REGEXP: u8 = 6;
    /// A heap number.
    pub const NUMBER: u8 = 7;
    /// An object of the embedder (C++).
    pub const NATIVE: u8 = 8;
    /// A node that stands for no object: roots and groups.
    pub const SYNTHETIC: u8 = 9;
    /// A concatenated string ("cons string").
    pub const CONS_STRING: u8 = 10;
    pub const SLICED_STRING: u8 = 11;
    pub const SYMBOL: u8 = 12;
    /// A BigInt.
    pub const BIGINT: u8 = 13;
    /// A hidden class ("map") and its parts.
    pub const OBJECT_SHAPE: u8 = 14;
    /// A WebAssembly object.
    pub const WASM_OBJECT: u8 = 15;

    /// V8's names, in the order of the codes.
    pub const NAMES: [&str; 16] = [
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
}

/// Edge type codes.
pub mod edge {
    /// A variable in a function's context.
    pub const CONTEXT: u8 = 0;
    /// An element of an array; its name is a number.
    pub const ELEMENT: u8 = 1;
    /// A named property.
    pub const PROPERTY: u8 = 2;
    /// A link that JavaScript cannot see, with a name.
    pub const INTERNAL: u8 = 3;
    /// A link that JavaScript cannot see, with a number.
    pub const HIDDEN: u8 = 4;
    /// A link that exists for the reader's convenience only.
    pub const SHORTCUT: u8 = 5;
    /// A link that keeps nothing alive.
    pub const WEAK: u8 = 6;
    /// A link that no view shows.
    pub const INVISIBLE: u8 = 7;

    /// V8's names, in the order of the codes.
    pub const NAMES: [&str; 8] =
        ["context", "element", "property", "internal", "hidden", "shortcut", "weak", "invisible"];
}

/// Maps a producer's list of type names to codes, and remembers the names of the unknown ones.
#[derive(Clone, Debug)]
pub struct TypeTable {
    codes: Vec<u8>,
    pub unknown: Vec<String>,
    pub known: &'static [&'static str],
}

impl TypeTable {
    /// `extra` are names added behind the producer's own, as DevTools adds `invisible` to the edge types.
    pub fn new(names: &[String], known: &'static [&'static str], extra: &[&str]) -> TypeTable {
        let mut table = TypeTable { codes: Vec::new(), unknown: Vec::new(), known };
        for name in names.iter().map(String::as_str).chain(extra.iter().copied()).take(250) {
            let code = known.iter().position(|k| *k == name).map(|p| p as u8);
            let code = code.unwrap_or_else(|| table.add_unknown(name));
            table.codes.push(code);
        }
        // Anything beyond the list gets one shared code; DevTools calls such a type `undefined`.
        let beyond = table.add_unknown("undefined");
        table.codes.resize(256, beyond);
        table
    }

    fn add_unknown(&mut self, name: &str) -> u8 {
        let index = self.unknown.len().min(255 - FIRST_UNKNOWN as usize);
        if index == self.unknown.len() {
            self.unknown.push(name.to_owned());
        }
        FIRST_UNKNOWN + index as u8
    }

    #[inline]
    pub fn code(&self, raw: u64) -> u8 {
        self.codes[raw.min(255) as usize]
    }

    pub fn name(&self, code: u8) -> &str {
        if code >= FIRST_UNKNOWN {
            self.unknown.get((code - FIRST_UNKNOWN) as usize).map_or("undefined", String::as_str)
        } else {
            self.known.get(code as usize).copied().unwrap_or("undefined")
        }
    }
}
