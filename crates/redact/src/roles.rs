//! What the strings of a snapshot are used as, found out while nodes and edges stream by.
//!
//! V8 keeps every text once, whatever it is the name, the key or the value of. Here each string gets two places
//! in the table instead: `2i` for what it is as a name, `2i + 1` for what it is as a value. What the first one
//! becomes is decided at the end, when all uses are known (see `names`).
//!
//! Memory: 7 to 9 bytes per node (type, name, edge count), 2 per string, and a few words for each string that
//! compiled code refers to.

use foldhash::{HashMap, HashMapExt};
use serde_json::{Map, Value};

use crate::key::Key;
use crate::placeholder;

/// Uses of a string.
pub(crate) mod used {
    /// The name of an object: a class.
    pub const CLASS: u16 = 1;
    /// The name of a function or a variable.
    pub const CODE: u16 = 2;
    /// The name of a compiled thing: a function, a script, or one of V8's own.
    pub const SCRIPT: u16 = 4;
    /// The name of a property.
    pub const PROPERTY: u16 = 8;
    /// A name out of V8's vocabulary, or the embedder's.
    pub const SYSTEM: u16 = 16;
    /// Anything of the above.
    pub const NAME: u16 = CLASS | CODE | SCRIPT | PROPERTY | SYSTEM;
    pub const VALUE: u16 = 32;
    /// A value to which a field of compiled code refers: source text among others.
    pub const IN_CODE: u16 = 64;
    /// The value of a number that belongs to a string: its length, for instance.
    pub const OF_STRING: u16 = 128;
    /// It stands in the source: compiled code, scopes or variables have it.
    pub const IN_SOURCE: u16 = 256;
}

/// Kinds of nodes, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NodeRole {
    /// Its name is data: a regular expression, or a type that is not known here.
    Value,
    String,
    Closure,
    Code,
    Object,
    Number,
    /// V8 or the embedder names it.
    System,
}

/// Kinds of edges.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Context,
    Element,
    Property,
    Internal,
    Hidden,
    /// A known type that nothing more has to be known of; it has a name.
    Named,
    /// Whether it has a name or an index, nobody can tell.
    Unknown,
}

/// A number node belongs to a string.
const OWNED: u8 = 0x80;

/// Where the fields of a row are.
struct NodeFields {
    width: usize,
    node_type: usize,
    name: usize,
    edge_count: usize,
    edge_width: usize,
    edge_type: usize,
    edge_name: usize,
    to: usize,
}

/// The uses of every string, as far as they are known.
pub(crate) struct Roles {
    layout: NodeFields,
    kinds: Vec<NodeRole>,
    links: Vec<Link>,
    node_kind: Vec<u8>,
    node_name: Vec<u32>,
    edge_count: Vec<u32>,
    uses: Vec<u16>,
    /// Node from which edges come now, and how many of its edges are still to come.
    from: usize,
    left: u32,
    key: Key,
    /// By string: names of the compiled things that refer to it by number only.
    pub(crate) mentioned_by: HashMap<u32, [u32; 2]>,
    /// Fields of compiled code that are strings: the field's name, the string.
    pub(crate) code_fields: Vec<(u32, u32)>,
    /// Numbers that strings have: the field's name, the number.
    pub(crate) string_fields: Vec<(u32, u32)>,
    /// The value of such a number.
    pub(crate) number_values: Vec<(u32, u32)>,
}

fn position(meta: &Map<String, Value>, list: &str, field: &str) -> Result<usize, String> {
    let fields = meta.get(list).and_then(Value::as_array);
    let found = fields.into_iter().flatten().position(|name| name.as_str() == Some(field));
    found.ok_or_else(|| format!("`meta.{list}` has no field `{field}`"))
}

fn names<'m>(meta: &'m Map<String, Value>, list: &str, at: usize) -> impl Iterator<Item = &'m str> {
    let types = meta.get(list).and_then(Value::as_array).and_then(|types| types.get(at));
    types.and_then(Value::as_array).into_iter().flatten().map(|name| name.as_str().unwrap_or(""))
}

fn width(meta: &Map<String, Value>, list: &str) -> usize {
    meta.get(list).and_then(Value::as_array).map_or(0, Vec::len)
}

impl Roles {
    /// `header` is the object `snapshot` of the file.
    pub(crate) fn new(header: &Map<String, Value>, key: Key) -> Result<Roles, String> {
        let meta = header.get("meta").and_then(Value::as_object).ok_or("the header has no `meta` object")?;
        let layout = NodeFields {
            width: width(meta, "node_fields"),
            node_type: position(meta, "node_fields", "type")?,
            name: position(meta, "node_fields", "name")?,
            edge_count: position(meta, "node_fields", "edge_count")?,
            edge_width: width(meta, "edge_fields"),
            edge_type: position(meta, "edge_fields", "type")?,
            edge_name: position(meta, "edge_fields", "name_or_index")?,
            to: position(meta, "edge_fields", "to_node")?,
        };
        let kinds = names(meta, "node_types", layout.node_type)
            .map(|name| match name {
                "string" | "concatenated string" | "sliced string" => NodeRole::String,
                "closure" => NodeRole::Closure,
                "code" => NodeRole::Code,
                "object" => NodeRole::Object,
                "number" => NodeRole::Number,
                "hidden" | "array" | "native" | "synthetic" | "symbol" | "bigint" | "object shape"
                | "wasm object" => NodeRole::System,
                _ => NodeRole::Value,
            })
            .collect();
        let links = names(meta, "edge_types", layout.edge_type)
            .map(|name| match name {
                "context" => Link::Context,
                "element" => Link::Element,
                "property" => Link::Property,
                "internal" => Link::Internal,
                "hidden" => Link::Hidden,
                "shortcut" | "weak" | "invisible" => Link::Named,
                _ => Link::Unknown,
            })
            .collect();
        Ok(Roles {
            layout,
            kinds,
            links,
            node_kind: Vec::new(),
            node_name: Vec::new(),
            edge_count: Vec::new(),
            uses: Vec::new(),
            from: 0,
            left: 0,
            key,
            mentioned_by: HashMap::new(),
            code_fields: Vec::new(),
            string_fields: Vec::new(),
            number_values: Vec::new(),
        })
    }

    pub(crate) fn node_width(&self) -> usize {
        self.layout.width
    }

    pub(crate) fn edge_width(&self) -> usize {
        self.layout.edge_width
    }

    /// The uses of a string; 0 for none.
    pub(crate) fn uses(&self, string: usize) -> u16 {
        self.uses.get(string).copied().unwrap_or(0)
    }

    /// Notes a use, and says where in the new table the string is for it.
    pub(crate) fn note(&mut self, string: i64, how: u16) -> Result<i64, String> {
        let index = usize::try_from(string).map_err(|_| format!("{string} is no index of a string"))?;
        if index >= self.uses.len() {
            // Every string has a use, so there are not many more of them than of nodes and edges; a file that
            // says otherwise must not cost memory that it doesn't back.
            let plausible = (self.node_kind.len() + (1 << 16)).saturating_mul(64).min(1 << 31);
            if index >= plausible {
                return Err(format!("{string} is no likely index of a string"));
            }
            self.uses.resize((index + 1).max(self.uses.len() + 1), 0);
        }
        self.uses[index] |= how;
        let value = how & used::NAME == 0;
        Ok(string * 2 + i64::from(value))
    }

    /// Looks at a row of `nodes`, and puts the new index of its name into it.
    pub(crate) fn node(&mut self, row: &mut [i64]) -> Result<(), String> {
        let kind = self.kind(row[self.layout.node_type]);
        let name = row[self.layout.name];
        row[self.layout.name] = match kind {
            NodeRole::String | NodeRole::Value => self.note(name, used::VALUE)?,
            NodeRole::Closure => self.note(name, used::CODE | used::IN_SOURCE)?,
            NodeRole::Code => self.note(name, used::SCRIPT | used::IN_SOURCE)?,
            NodeRole::Object => self.note(name, used::CLASS)?,
            NodeRole::Number | NodeRole::System => self.note(name, used::SYSTEM)?,
        };
        let edges = row[self.layout.edge_count];
        self.node_kind.push(kind as u8);
        self.node_name.push(name as u32);
        self.edge_count.push(u32::try_from(edges).map_err(|_| format!("{edges} is no count of edges"))?);
        Ok(())
    }

    fn kind(&self, raw: i64) -> NodeRole {
        usize::try_from(raw).ok().and_then(|raw| self.kinds.get(raw)).copied().unwrap_or(NodeRole::Value)
    }

    /// Looks at a row of `edges`, and puts the new index of its name into it.
    pub(crate) fn edge(&mut self, row: &mut [i64]) -> Result<(), String> {
        while self.left == 0 {
            let Some(&count) = self.edge_count.get(self.from) else {
                return Err("there are more edges than the nodes have".to_owned());
            };
            self.left = count;
            self.from += 1;
        }
        self.left -= 1;
        let from = self.from - 1;
        let name = row[self.layout.edge_name];
        let to = usize::try_from(row[self.layout.to]).unwrap_or(usize::MAX) / self.layout.width;
        let raw = usize::try_from(row[self.layout.edge_type]).unwrap_or(usize::MAX);
        let link = self.links.get(raw).copied().unwrap_or(Link::Unknown);
        let new = match link {
            Link::Element => self.element(from, name),
            Link::Hidden => name,
            Link::Context => self.note(name, used::CODE | used::IN_SOURCE)?,
            Link::Property => self.note(name, used::PROPERTY)?,
            Link::Internal | Link::Named => self.note(name, used::SYSTEM)?,
            Link::Unknown => {
                return Err(
                    "an edge has a type that is not known, so whether it has a name can't be told".to_owned()
                );
            }
        };
        row[self.layout.edge_name] = new;
        let Some(&target) = self.node_kind.get(to) else { return Ok(()) };
        let source = self.node_kind[from];
        if target == NodeRole::String as u8 {
            let string = self.node_name[to];
            if source == NodeRole::Code as u8 {
                self.mentioned(from, link, name, string)?;
            } else if source == NodeRole::Number as u8 | OWNED && link == Link::Internal {
                self.note(string.into(), used::OF_STRING)?;
                self.number_values.push((from as u32, string));
            }
        } else if target == NodeRole::Number as u8
            && source == NodeRole::String as u8
            && link == Link::Internal
        {
            self.node_kind[to] |= OWNED;
            self.string_fields.push((name as u32, to as u32));
        }
        Ok(())
    }

    /// Compiled code refers to a string.
    fn mentioned(&mut self, from: usize, link: Link, name: i64, string: u32) -> Result<(), String> {
        match link {
            Link::Internal => {
                self.note(string.into(), used::IN_CODE | used::IN_SOURCE)?;
                self.code_fields.push((name as u32, string));
            }
            // Constants of a function; but also the keys that it has met while it ran.
            Link::Hidden => {
                let by = self.node_name[from];
                let [first, second] = self.mentioned_by.entry(string).or_insert([by, by]);
                if *first != by && *first == *second {
                    *second = by;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The index of an element. One that is far beyond the number of elements is a key, not a position.
    fn element(&mut self, from: usize, index: i64) -> i64 {
        let likely = 4096 + 16 * u64::from(self.edge_count[from]);
        match u64::try_from(index) {
            Ok(key) if key > likely && self.node_kind[from] == NodeRole::Object as u8 => {
                i64::try_from(placeholder::number(&self.key, key)).unwrap_or(index)
            }
            _ => index,
        }
    }
}
