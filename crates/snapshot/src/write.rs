//! Writes a snapshot row by row, without holding it.
//!
//! Each section is a type of its own, so that rows cannot come out of order: [`NodeWriter`] → [`EdgeWriter`] →
//! [`LocationWriter`] → [`StringWriter`]. Memory: one buffer of 64 KB. Time: some nanoseconds per number. Counts are
//! part of the header and known before the first row; the writers check them, and that names and targets exist, and
//! fail rather than end a file that its reader would refuse.

use std::io::{self, Write};

use stillheap_graph::types::{edge, has_string_name, node};
use stillheap_graph::{HeaderSpec, Location, NewNode};

/// Bytes that are collected before they are written.
const BUFFER: usize = 64 << 10;

/// A snapshot whose nodes are being written.
///
/// ```
/// use stillheap_graph::types::{edge, node};
/// use stillheap_graph::{HeaderSpec, NewNode};
/// use stillheap_snapshot::NodeWriter;
///
/// let header = HeaderSpec { nodes: 2, edges: 1, ..HeaderSpec::default() };
/// let mut nodes = NodeWriter::new(Vec::new(), header)?;
/// nodes.write(&NewNode { node_type: node::SYNTHETIC, name: 0, id: 1, ..NewNode::default() }, 1)?;
/// nodes.write(&NewNode { node_type: node::OBJECT, name: 1, id: 3, self_size: 56, ..NewNode::default() }, 0)?;
/// let mut edges = nodes.edges()?;
/// edges.write(edge::PROPERTY, 2, 1)?;
/// let mut strings = edges.locations()?.strings()?;
/// for text in ["", "Cache", "cache"] {
///     strings.write(text.as_bytes())?;
/// }
/// let file: Vec<u8> = strings.finish()?;
/// let data = stillheap_snapshot::read(std::io::Cursor::new(file), Default::default())?;
/// assert!(data.completeness.is_whole());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct NodeWriter<W> {
    out: Out<W>,
    written: u64,
}

/// A snapshot whose edges are being written.
pub struct EdgeWriter<W> {
    out: Out<W>,
    written: u64,
}

/// A snapshot whose source positions may be written.
pub struct LocationWriter<W> {
    out: Out<W>,
    written: u64,
}

/// A snapshot whose strings are being written.
pub struct StringWriter<W> {
    out: Out<W>,
    written: u64,
}

impl<W: Write> NodeWriter<W> {
    /// Writes the header. The first node to follow is the root.
    ///
    /// # Errors
    /// `out` failed.
    pub fn new(out: W, header: HeaderSpec) -> io::Result<NodeWriter<W>> {
        let mut out =
            Out { inner: out, buffer: Vec::with_capacity(BUFFER + 512), header, edges: 0, most_name: None };
        out.text("{\"snapshot\":");
        let json = out.header.json();
        out.text(&json);
        out.text(",\n\"nodes\":[");
        out.spill()?;
        Ok(NodeWriter { out, written: 0 })
    }

    /// Writes a node that owns this many edges.
    ///
    /// # Errors
    /// `out` failed, the type is none of [`stillheap_graph::types::node`], or the header has fewer nodes.
    pub fn write(&mut self, new: &NewNode, edges: u32) -> io::Result<()> {
        let out = &mut self.out;
        if usize::from(new.node_type) >= node::NAMES.len() {
            return Err(invalid(format!("{} is no type of nodes", new.node_type)));
        }
        if self.written == out.header.nodes {
            return Err(invalid(format!("more nodes than the {} of the header", self.written)));
        }
        let first = self.written == 0;
        self.written += 1;
        out.edges += edges as u64;
        out.see_name(new.name);
        let [kind, name, edges] = [new.node_type.into(), new.name, edges].map(u64::from);
        let [trace, detachedness] = [u64::from(new.trace_id), u64::from(new.detachedness)];
        if out.header.trace_ids {
            out.row(first, &[kind, name, new.id, new.self_size, edges, trace, detachedness]);
        } else {
            out.row(first, &[kind, name, new.id, new.self_size, edges, detachedness]);
        }
        out.spill_if_full()
    }

    /// Goes on with the edges.
    ///
    /// # Errors
    /// Nodes are missing, or their edges are not as many as the header has.
    pub fn edges(mut self) -> io::Result<EdgeWriter<W>> {
        let header = &self.out.header;
        if self.written != header.nodes {
            return Err(invalid(format!("{} nodes instead of the header's {}", self.written, header.nodes)));
        }
        if self.out.edges != header.edges {
            let (owned, promised) = (self.out.edges, header.edges);
            return Err(invalid(format!("the nodes own {owned} edges instead of the header's {promised}")));
        }
        self.out.text("],\n\"edges\":[");
        Ok(EdgeWriter { out: self.out, written: 0 })
    }
}

impl<W: Write> EdgeWriter<W> {
    /// Writes an edge of the first node that has not all of its edges yet. `name` is the index of a string, or, of
    /// `element` and `hidden` edges, a number; `to` is an ordinal.
    ///
    /// # Errors
    /// `out` failed, the type is none of [`stillheap_graph::types::edge`], there is no such node, or the nodes own
    /// fewer edges.
    pub fn write(&mut self, edge_type: u8, name: u32, to: u32) -> io::Result<()> {
        let out = &mut self.out;
        if edge_type >= edge::INVISIBLE {
            return Err(invalid(format!("{edge_type} is no type of edges")));
        }
        if to as u64 >= out.header.nodes {
            return Err(invalid(format!("an edge leads to node {to} of {}", out.header.nodes)));
        }
        if self.written == out.header.edges {
            return Err(invalid(format!("more edges than the {} of the header", self.written)));
        }
        let first = self.written == 0;
        self.written += 1;
        if has_string_name(edge_type) {
            out.see_name(name);
        }
        let index = to as u64 * out.node_width();
        out.row(first, &[edge_type as u64, name as u64, index]);
        out.spill_if_full()
    }

    /// Goes on with the source positions.
    ///
    /// # Errors
    /// Edges are missing.
    pub fn locations(mut self) -> io::Result<LocationWriter<W>> {
        let promised = self.out.header.edges;
        if self.written != promised {
            return Err(invalid(format!("{} edges instead of the header's {promised}", self.written)));
        }
        self.out
            .text("],\n\"trace_function_infos\":[],\n\"trace_tree\":[],\n\"samples\":[],\n\"locations\":[");
        Ok(LocationWriter { out: self.out, written: 0 })
    }
}

impl<W: Write> LocationWriter<W> {
    /// Says where the code of a node is.
    ///
    /// # Errors
    /// `out` failed, or there is no such node.
    pub fn write(&mut self, node: u32, location: Location) -> io::Result<()> {
        let out = &mut self.out;
        if node as u64 >= out.header.nodes {
            return Err(invalid(format!("the position of node {node} of {}", out.header.nodes)));
        }
        let index = node as u64 * out.node_width();
        out.row(self.written == 0, &[index]);
        for number in [location.script_id, location.line, location.column] {
            if number < 0 {
                out.text(",-");
                out.number(number.unsigned_abs());
            } else {
                out.field(number.unsigned_abs());
            }
        }
        self.written += 1;
        out.spill_if_full()
    }

    /// Goes on with the strings.
    ///
    /// # Errors
    /// `out` failed.
    pub fn strings(mut self) -> io::Result<StringWriter<W>> {
        self.out.text("],\n\"strings\":[");
        self.out.spill_if_full()?;
        Ok(StringWriter { out: self.out, written: 0 })
    }
}

impl<W: Write> StringWriter<W> {
    /// Writes a string, WTF-8 (UTF-8 that may hold lone surrogates). Bytes that are neither become U+FFFD.
    ///
    /// # Errors
    /// `out` failed.
    pub fn write(&mut self, wtf8: &[u8]) -> io::Result<()> {
        self.out.text(if self.written == 0 { "\"" } else { ",\n\"" });
        self.written += 1;
        let mut rest = wtf8;
        while !rest.is_empty() {
            // Piece by piece, so that a long string is not held twice.
            let piece = &rest[..rest.len().min(BUFFER)];
            let plain = piece.iter().take_while(|&&b| is_plain(b)).count();
            let (head, tail) = rest.split_at(plain);
            self.out.buffer.extend_from_slice(head);
            self.out.spill_if_full()?;
            rest = tail;
            if head.is_empty() {
                rest = &rest[self.out.escaped(rest)..];
            }
        }
        self.out.text("\"");
        self.out.spill_if_full()
    }

    /// Ends the file; gives back what it was written to, which is not flushed.
    ///
    /// # Errors
    /// `out` failed, or a string that something is named by is missing.
    pub fn finish(mut self) -> io::Result<W> {
        if let Some(name) = self.out.most_name.filter(|&name| name as u64 >= self.written) {
            return Err(invalid(format!("a name is string {name} of {}", self.written)));
        }
        self.out.text("]}\n");
        self.out.spill()?;
        Ok(self.out.inner)
    }
}

/// A comma and a number.
const MOST_DIGITS: usize = 21;
/// Bytes of the longest row.
const LINE: usize = 152;

/// Writes a number that ends before `at`; where it begins.
#[inline(always)]
fn digits(line: &mut [u8; LINE], mut at: usize, mut number: u64) -> usize {
    while number >= 100 {
        let pair = PAIRS[(number % 100) as usize];
        number /= 100;
        at -= 2;
        [line[at], line[at + 1]] = pair;
    }
    if number >= 10 {
        at -= 2;
        [line[at], line[at + 1]] = PAIRS[number as usize];
    } else {
        at -= 1;
        line[at] = b'0' + number as u8;
    }
    at
}

/// The digits of the numbers below a hundred.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

struct Out<W> {
    inner: W,
    buffer: Vec<u8>,
    header: HeaderSpec,
    /// Edges that the nodes own.
    edges: u64,
    most_name: Option<u32>,
}

impl<W: Write> Out<W> {
    fn node_width(&self) -> u64 {
        6 + self.header.trace_ids as u64
    }

    fn see_name(&mut self, name: u32) {
        self.most_name = self.most_name.max(Some(name));
    }

    fn text(&mut self, text: &str) {
        self.buffer.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self, number: u64) {
        let mut digits = itoa::Buffer::new();
        self.buffer.extend_from_slice(digits.format(number).as_bytes());
    }

    fn field(&mut self, number: u64) {
        self.buffer.push(b',');
        self.number(number);
    }

    /// A row on a line of its own, as V8 writes it. Most of a file are rows, so their digits are put in place from the
    /// last one to the first, without a copy of each number.
    #[inline(always)]
    fn row<const N: usize>(&mut self, first: bool, numbers: &[u64; N]) {
        const { assert!(N * MOST_DIGITS < LINE) };
        let mut line = [0; LINE];
        let mut at = LINE;
        for &number in numbers.iter().rev() {
            at = digits(&mut line, at, number) - 1;
            line[at] = b',';
        }
        if first {
            at += 1;
        } else {
            at -= 1;
            line[at] = b'\n';
        }
        self.buffer.extend_from_slice(&line[at..]);
    }

    /// Writes the character that begins `rest`; its length.
    fn escaped(&mut self, rest: &[u8]) -> usize {
        let first = rest[0];
        match first {
            b'"' => self.text("\\\""),
            b'\\' => self.text("\\\\"),
            b'\n' => self.text("\\n"),
            b'\r' => self.text("\\r"),
            b'\t' => self.text("\\t"),
            0..0x80 => self.text(&format!("\\u{first:04x}")),
            // A lone surrogate, which UTF-8 does not have.
            0xed if matches!(rest, [_, 0xa0..=0xbf, 0x80..=0xbf, ..]) => {
                let unit = 0xd000 | (rest[1] as u32 & 0x3f) << 6 | (rest[2] as u32 & 0x3f);
                self.text(&format!("\\u{unit:04x}"));
                return 3;
            }
            _ => {
                let len = match first {
                    0xc2..=0xdf => 2,
                    0xe0..=0xef => 3,
                    0xf0..=0xf4 => 4,
                    _ => 1,
                };
                match rest.get(..len).filter(|bytes| std::str::from_utf8(bytes).is_ok()) {
                    Some(bytes) => self.buffer.extend_from_slice(bytes),
                    None => {
                        self.text("\u{fffd}");
                        return 1;
                    }
                }
                return len;
            }
        }
        1
    }

    fn spill_if_full(&mut self) -> io::Result<()> {
        if self.buffer.len() < BUFFER { Ok(()) } else { self.spill() }
    }

    fn spill(&mut self) -> io::Result<()> {
        self.inner.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Whether a byte stands for itself in JSON, and is a whole character.
fn is_plain(byte: u8) -> bool {
    (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\'
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
