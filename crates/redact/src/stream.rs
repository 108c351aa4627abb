//! The state machine over the bytes of a snapshot.
//!
//! Numbers are rewritten as they come, row by row. Strings come last; of each only its tag and length are
//! kept, and its text only if it may be a name. When the last one is known, the new table is written.

use std::io::Write;

use serde_json::{Map, Value};

use crate::header::{self, Column};
use crate::placeholder::{Placeholders, digits};
use crate::roles::{Roles, used};
use crate::table::Strings;
use crate::text::quote;
use crate::{Error, Options, Summary};

/// The most that a header may take.
const HEADER_LIMIT: usize = 64 << 20;
/// Fields that a row may have.
const ROW: usize = 64;
/// Output is passed on in pieces of about this size.
const PIECE: usize = 256 * 1024;

/// Arrays of numbers, by what is done with them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    Nodes,
    Edges,
    /// Columns alone say what is done.
    Other,
}

enum ParserState {
    /// Before the outermost brace.
    Start,
    /// Before a section's name, or before the end.
    BeforeKey,
    Key,
    Colon,
    /// Before a section's value.
    BeforeValue,
    Header {
        depth: u32,
        in_string: bool,
        escaped: bool,
    },
    /// In an array of rows.
    Rows(Rows),
    /// In the nested array of call sites.
    Nested {
        depth: u32,
    },
    /// In an unknown section, which is left out.
    Skipped {
        depth: u32,
        in_string: bool,
        escaped: bool,
        started: bool,
    },
    Strings {
        in_string: bool,
        escaped: bool,
        expect: bool,
    },
    AfterValue,
    End,
}

/// Redacts a snapshot that comes in pieces.
pub struct Redactor {
    options: Options,
    state: ParserState,
    position: u64,
    /// The section's name, the header, or the string that is being read.
    text: Vec<u8>,
    section: String,
    seen: Vec<String>,
    out: Vec<u8>,
    header: Map<String, Value>,
    roles: Option<Roles>,
    row: [i64; ROW],
    filled: usize,
    /// Of the rows that are being read.
    columns: Vec<Column>,
    rows_written: bool,
    sections_written: bool,
    number: Option<(i64, bool)>,
    table: Strings,
    summary: Summary,
}

impl Redactor {
    pub fn new(options: Options) -> Redactor {
        let table = Strings::new(options.key.clone());
        Redactor {
            options,
            state: ParserState::Start,
            position: 0,
            text: Vec::new(),
            section: String::new(),
            seen: Vec::new(),
            out: Vec::with_capacity(PIECE + PIECE / 4),
            header: Map::new(),
            roles: None,
            row: [0; ROW],
            filled: 0,
            columns: Vec::new(),
            rows_written: false,
            sections_written: false,
            number: None,
            table,
            summary: Summary::default(),
        }
    }

    /// Takes the next bytes of the snapshot, and writes what can be written.
    ///
    /// # Errors
    /// The output fails, or the input is not as a snapshot has to be; nothing may be fed after that.
    pub fn feed(&mut self, bytes: &[u8], out: &mut impl Write) -> Result<(), Error> {
        let mut at = 0;
        while at < bytes.len() {
            let used = self
                .step(&bytes[at..])
                .map_err(|message| Error::Malformed { position: self.position, message })?;
            at += used;
            self.position += used as u64;
            if self.out.len() >= PIECE {
                out.write_all(&self.out)?;
                self.out.clear();
            }
            if self.table.is_complete() {
                self.write_strings(out)?;
            }
        }
        Ok(())
    }

    /// Ends.
    ///
    /// # Errors
    /// The output fails, or the snapshot isn't whole.
    pub fn finish(mut self, out: &mut impl Write) -> Result<Summary, Error> {
        if !matches!(self.state, ParserState::End) {
            let message = "the snapshot ends before its end: only a whole one can be redacted".to_owned();
            return Err(Error::Malformed { position: self.position, message });
        }
        self.out.push(b'\n');
        out.write_all(&self.out)?;
        Ok(std::mem::take(&mut self.summary))
    }

    /// Does something with the first bytes, and says with how many.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, String> {
        let byte = bytes[0];
        match self.state {
            ParserState::Header { depth, in_string, escaped } => {
                return self.header_byte(byte, depth, in_string, escaped);
            }
            ParserState::Rows(rows) => return self.rows(rows, bytes),
            ParserState::Nested { depth } => return self.nested(depth, bytes),
            ParserState::Skipped { depth, in_string, escaped, started } => {
                return Ok(self.skip(byte, depth, in_string, escaped, started));
            }
            ParserState::Strings { in_string: true, escaped, .. } => return self.string(escaped, bytes),
            ParserState::Key if byte != b'"' => {
                if self.text.len() > 1000 || byte == b'\\' {
                    return Err("a section has a strange name".to_owned());
                }
                self.text.push(byte);
                return Ok(1);
            }
            _ if byte.is_ascii_whitespace() => return Ok(1),
            _ => {}
        }
        let expected = |what: &str| Err(format!("expected {what}, found byte 0x{byte:02x}"));
        match self.state {
            // A byte order mark.
            ParserState::Start if self.position < 3 && [0xef, 0xbb, 0xbf].contains(&byte) => {}
            ParserState::Start if byte == b'{' => {
                self.out.push(b'{');
                self.state = ParserState::BeforeKey;
            }
            ParserState::Start => return expected("a heap snapshot, which begins with `{`"),
            ParserState::BeforeKey if byte == b'"' => {
                self.text.clear();
                self.state = ParserState::Key;
            }
            ParserState::BeforeKey => return expected("a section's name in quotes"),
            ParserState::Key => {
                self.section = String::from_utf8_lossy(&self.text).into_owned();
                if self.seen.contains(&self.section) {
                    return Err(format!("a second section \"{}\"", self.section));
                }
                self.seen.push(self.section.clone());
                self.state = ParserState::Colon;
            }
            ParserState::Colon if byte == b':' => self.state = ParserState::BeforeValue,
            ParserState::Colon => return expected("`:` after a section's name"),
            ParserState::BeforeValue => return self.begin(byte),
            ParserState::Strings { expect: true, .. } if byte == b'"' => {
                self.text.clear();
                self.state = ParserState::Strings { in_string: true, escaped: false, expect: false };
            }
            ParserState::Strings { expect: false, .. } if byte == b',' => {
                self.state = ParserState::Strings { in_string: false, escaped: false, expect: true };
            }
            ParserState::Strings { expect, .. } if byte == b']' && (!expect || self.table.len() == 0) => {
                self.table.complete();
                self.state = ParserState::AfterValue;
            }
            ParserState::Strings { .. } => return expected("a string"),
            ParserState::AfterValue if byte == b',' => self.state = ParserState::BeforeKey,
            ParserState::AfterValue if byte == b'}' => {
                if self.table.len() == 0 {
                    return Err("there is no section \"strings\"".to_owned());
                }
                self.out.push(b'}');
                self.state = ParserState::End;
            }
            ParserState::AfterValue => return expected("`,` or `}` after a section"),
            ParserState::End => return expected("nothing after the end"),
            ParserState::Header { .. }
            | ParserState::Rows(_)
            | ParserState::Nested { .. }
            | ParserState::Skipped { .. } => {}
        }
        Ok(1)
    }

    /// Begins a section's value.
    fn begin(&mut self, byte: u8) -> Result<usize, String> {
        let columns = header::columns(&self.header, &self.section);
        let wanted = match self.section.as_str() {
            "snapshot" => b'{',
            "strings" => b'[',
            _ if columns.is_some() => b'[',
            _ => {
                self.state =
                    ParserState::Skipped { depth: 0, in_string: false, escaped: false, started: false };
                return Ok(0);
            }
        };
        if byte != wanted {
            return Err(format!("the section \"{}\" begins with byte 0x{byte:02x}", self.section));
        }
        if self.section == "snapshot" {
            self.text.clear();
            self.state = ParserState::Header { depth: 0, in_string: false, escaped: false };
            return Ok(0);
        }
        if self.roles.is_none() {
            return Err(format!("expected the section \"snapshot\" before \"{}\"", self.section));
        }
        let have = |name: &str| self.seen.iter().any(|seen| seen == name);
        let needed: &[&str] = match self.section.as_str() {
            "edges" => &["nodes"],
            "strings" => &["nodes", "edges"],
            "nodes" => &[],
            _ if have("strings") => return Err(format!("expected \"{}\" before \"strings\"", self.section)),
            _ => &[],
        };
        if let Some(missing) = needed.iter().find(|name| !have(name)) {
            return Err(format!("expected the section \"{missing}\" before \"{}\"", self.section));
        }
        self.name_section();
        self.out.push(b'[');
        self.filled = 0;
        self.rows_written = false;
        self.number = None;
        self.columns = columns.unwrap_or_default();
        self.state = match self.section.as_str() {
            "nodes" => ParserState::Rows(Rows::Nodes),
            "edges" => ParserState::Rows(Rows::Edges),
            "trace_tree" => ParserState::Nested { depth: 1 },
            "strings" => ParserState::Strings { in_string: false, escaped: false, expect: true },
            _ => ParserState::Rows(Rows::Other),
        };
        Ok(1)
    }

    /// Writes the section's name.
    fn name_section(&mut self) {
        if self.sections_written {
            self.out.extend_from_slice(b",\n");
        }
        self.sections_written = true;
        quote(&self.section, &mut self.out);
        self.out.push(b':');
    }

    fn header_byte(&mut self, byte: u8, depth: u32, in_string: bool, escaped: bool) -> Result<usize, String> {
        self.text.push(byte);
        if self.text.len() > HEADER_LIMIT {
            return Err("the header is too long".to_owned());
        }
        let (depth, in_string, escaped) = nesting(byte, depth, in_string, escaped);
        self.state = ParserState::Header { depth, in_string, escaped };
        if depth == 0 && !in_string {
            self.end_header()?;
            self.state = ParserState::AfterValue;
        }
        Ok(1)
    }

    fn end_header(&mut self) -> Result<(), String> {
        let Ok(Value::Object(header)) = serde_json::from_slice(&self.text) else {
            return Err("the header \"snapshot\" is not valid JSON".to_owned());
        };
        let roles = Roles::new(&header, self.options.key.clone())?;
        if roles.node_width() > ROW || roles.edge_width() > ROW {
            return Err("more than 64 fields per node or edge".to_owned());
        }
        self.roles = Some(roles);
        let redacted = header::rewrite(&header, &self.options.key, self.options.source)?;
        self.name_section();
        self.out.extend_from_slice(Value::Object(redacted).to_string().as_bytes());
        self.header = header;
        Ok(())
    }

    /// Reads numbers as far as they go.
    fn rows(&mut self, rows: Rows, bytes: &[u8]) -> Result<usize, String> {
        let width = self.columns.len();
        for (at, &byte) in bytes.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    let (value, negative) = self.number.unwrap_or((0, false));
                    let value = value.checked_mul(10).and_then(|v| v.checked_add(i64::from(byte - b'0')));
                    self.number = Some((value.ok_or("a number is too large")?, negative));
                }
                b'-' if self.number.is_none() => self.number = Some((0, true)),
                b',' | b']' => {
                    if let Some((value, negative)) = self.number.take() {
                        if width == 0 || width > ROW {
                            return Err(format!(
                                "`meta` names {width} fields for a row of \"{}\"; what its numbers are can't be told",
                                self.section
                            ));
                        }
                        self.row[self.filled] = if negative { -value } else { value };
                        self.filled += 1;
                        if self.filled == width {
                            self.row_is_full(rows, width)?;
                        }
                    }
                    if byte == b']' {
                        if self.filled != 0 {
                            return Err(format!("a row of \"{}\" is cut short", self.section));
                        }
                        self.out.push(b']');
                        self.state = ParserState::AfterValue;
                        return Ok(at + 1);
                    }
                    if self.out.len() >= PIECE {
                        return Ok(at + 1);
                    }
                }
                _ if byte.is_ascii_whitespace() => {}
                _ => {
                    return Err(format!(
                        "expected a number in \"{}\", found byte 0x{byte:02x}",
                        self.section
                    ));
                }
            }
        }
        Ok(bytes.len())
    }

    fn row_is_full(&mut self, rows: Rows, width: usize) -> Result<(), String> {
        self.filled = 0;
        let Some(roles) = &mut self.roles else { return Err("there is no header".to_owned()) };
        let row = &mut self.row[..width];
        match rows {
            Rows::Nodes => roles.node(row)?,
            Rows::Edges => roles.edge(row)?,
            Rows::Other => {}
        }
        for (value, column) in row.iter_mut().zip(&self.columns) {
            match *column {
                Column::Number => {}
                Column::Text(how) => *value = roles.note(*value, how)?,
                Column::Unknown => *value = 0,
            }
        }
        if self.rows_written {
            self.out.extend_from_slice(if width > 1 { b"\n," } else { b"," });
        }
        self.rows_written = true;
        let mut digits = itoa::Buffer::new();
        for (at, value) in row.iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            self.out.extend_from_slice(digits.format(*value).as_bytes());
        }
        Ok(())
    }

    /// Passes nested numbers on.
    fn nested(&mut self, mut depth: u32, bytes: &[u8]) -> Result<usize, String> {
        for (at, &byte) in bytes.iter().enumerate() {
            match byte {
                b'[' => depth += 1,
                b']' => depth -= 1,
                b',' => {}
                // The columns nest, so an unknown one can't be found and blanked.
                b'0'..=b'9' if self.columns.is_empty() || self.columns.contains(&Column::Unknown) => {
                    return Err("\"trace_tree\" has fields that are not known".to_owned());
                }
                b'0'..=b'9' => {}
                _ if byte.is_ascii_whitespace() => {}
                _ => {
                    return Err(format!(
                        "expected a number in \"{}\", found byte 0x{byte:02x}",
                        self.section
                    ));
                }
            }
            self.out.push(byte);
            if depth == 0 {
                self.state = ParserState::AfterValue;
                return Ok(at + 1);
            }
        }
        self.state = ParserState::Nested { depth };
        Ok(bytes.len())
    }

    fn skip(&mut self, byte: u8, depth: u32, in_string: bool, escaped: bool, started: bool) -> usize {
        let ends = depth == 0 && !in_string;
        if ends && started && matches!(byte, b',' | b'}') {
            self.state = ParserState::AfterValue;
            return 0;
        }
        let (depth, in_string, escaped) = nesting(byte, depth, in_string, escaped);
        self.state = ParserState::Skipped { depth, in_string, escaped, started: true };
        1
    }

    /// Reads a string as far as it goes.
    fn string(&mut self, mut escaped: bool, bytes: &[u8]) -> Result<usize, String> {
        for (at, &byte) in bytes.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    self.text.extend_from_slice(&bytes[..at]);
                    let uses = self.roles.as_ref().map_or(0, |roles| roles.uses(self.table.len()));
                    self.table.push(&self.text, uses).ok_or("a broken escape in a string")?;
                    self.state = ParserState::Strings { in_string: false, escaped: false, expect: false };
                    return Ok(at + 1);
                }
                _ => {}
            }
        }
        self.text.extend_from_slice(bytes);
        self.state = ParserState::Strings { in_string: true, escaped, expect: false };
        Ok(bytes.len())
    }

    /// Writes the new table: each string as a name, and as a value.
    fn write_strings(&mut self, out: &mut impl Write) -> Result<(), Error> {
        let Some(roles) = &self.roles else { return Ok(()) };
        let mut made_up = Placeholders::new(self.options.key.clone());
        let written = self.table.written(roles);
        let fields = self.table.fields(roles, self.options.source);
        let tail = std::mem::take(&mut self.table);
        for index in 0..tail.len() {
            if index > 0 {
                self.out.extend_from_slice(b",\n");
            }
            let uses = roles.uses(index);
            if uses & used::NAME == 0 {
                self.out.extend_from_slice(b"\"\"");
            } else {
                let text = tail.text(index);
                let new =
                    crate::names::name(&text, uses, written.contains(index), &mut made_up, &self.options.key);
                if *new == *text {
                    self.summary.names_kept += 1;
                    tail.quote(index, &mut self.out);
                } else {
                    self.summary.names_replaced += 1;
                    quote(&new, &mut self.out);
                }
            }
            self.out.extend_from_slice(b",\n");
            if uses & used::VALUE == 0 {
                self.out.extend_from_slice(b"\"\"");
            } else if fields.keeps(index) || tail.is_known_value(index) {
                tail.quote(index, &mut self.out);
            } else {
                self.summary.values_replaced += u64::from(tail.units(index) > 0);
                let (tag, units) = (tail.tag(index), tail.units(index));
                let value = if fields.is_number(index) { digits(tag, units) } else { made_up.of(tag, units) };
                quote(&value, &mut self.out);
            }
            if self.out.len() >= PIECE {
                out.write_all(&self.out)?;
                self.out.clear();
            }
        }
        self.out.push(b']');
        self.table = Strings::done(tail.len());
        Ok(())
    }
}

/// How deep one is behind a byte of JSON.
fn nesting(byte: u8, depth: u32, in_string: bool, escaped: bool) -> (u32, bool, bool) {
    if in_string {
        return (depth, escaped || byte != b'"', !escaped && byte == b'\\');
    }
    match byte {
        b'"' => (depth, true, false),
        b'{' | b'[' => (depth + 1, false, false),
        b'}' | b']' => (depth.saturating_sub(1), false, false),
        _ => (depth, false, false),
    }
}
