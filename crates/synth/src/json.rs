//! The text: headers, rows and strings as V8 writes them. Constant memory; a row is a handful of digits.

use std::io::{self, Write};

use crate::meta::Meta;

/// Where the white space goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TextLayout {
    /// A row a line, as V8 up to Node 22 writes it.
    #[default]
    Rows,
    /// Arrays on one line, as V8 since Node 24 writes it.
    Packed,
    /// Spaces, tabs, carriage returns and line feeds wherever JSON allows them: what a pretty-printer makes.
    Spaced,
}

/// Numbers of the header that are not lists.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeaderCounts {
    pub nodes: u64,
    pub edges: u64,
    pub trace_functions: u64,
    pub extra_native_bytes: u64,
    pub root_index: Option<u64>,
}

/// Writes the sections one after the other and remembers whether a comma is due.
pub(crate) struct TextWriter<W: Write> {
    out: W,
    layout: TextLayout,
    first: bool,
    digits: Vec<u8>,
}

impl<W: Write> TextWriter<W> {
    pub fn new(out: W, layout: TextLayout) -> Self {
        TextWriter { out, layout, first: true, digits: Vec::with_capacity(64) }
    }

    pub fn raw(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())
    }

    fn space(&self) -> &'static str {
        if self.layout == TextLayout::Spaced { " \r\n\t" } else { "" }
    }

    /// `{"snapshot":{…}`; the closing brace of the file is [`TextWriter::finish`]'s.
    pub fn header(&mut self, meta: &Meta, counts: &HeaderCounts) -> io::Result<()> {
        let s = self.space();
        let list = |items: &[String]| {
            let quoted: Vec<String> = items.iter().map(|i| escape(i)).collect();
            format!("[{s}{}{s}]", quoted.join(&format!("{s},{s}")))
        };
        let mut text = format!("{s}{{{s}\"snapshot\"{s}:{s}{{{s}\"meta\":{s}{{\"node_fields\":{s}");
        text += &list(&meta.node_fields);
        // Entry i says what column i holds.
        let types = |fields: &[String], types: &[String]| -> String {
            let entry = |field: &String| match field.as_str() {
                "type" => list(types),
                "name" => "\"string\"".to_owned(),
                "name_or_index" => "\"string_or_number\"".to_owned(),
                "to_node" => "\"node\"".to_owned(),
                _ => "\"number\"".to_owned(),
            };
            fields.iter().map(entry).collect::<Vec<_>>().join(",")
        };
        text += &format!(",\"node_types\":[{}", types(&meta.node_fields, &meta.node_types));
        text += &",\"number\"".repeat(meta.extra_type_entries);
        text += &format!("],{s}\"edge_fields\":{}", list(&meta.edge_fields));
        text += &format!(",\"edge_types\":[{}]", types(&meta.edge_fields, &meta.edge_types));
        if meta.traces {
            text += ",\"trace_function_info_fields\":[\"function_id\",\"name\",\"script_name\",\"script_id\",\
                     \"line\",\"column\"],\"trace_node_fields\":[\"id\",\"function_info_index\",\"count\",\"size\",\
                     \"children\"],\"sample_fields\":[\"timestamp_us\",\"last_assigned_id\"]";
        }
        if !meta.location_fields.is_empty() {
            text += &format!(",\"location_fields\":{}", list(&meta.location_fields));
        }
        if meta.scopes {
            text += ",\"scope_fields\":[\"script_node_index\",\"scope_id\",\"depth\",\
                     \"scope_context_vars_count\",\"scope_uses_count\"],\"scope_context_var_fields\":[\"name\"],\
                     \"scope_use_fields\":[\"declaring_scope_id\",\"slot_index\"]";
        }
        text += &format!("}},{s}\"node_count\":{s}{},\"edge_count\":{}", counts.nodes, counts.edges);
        if meta.traces {
            text += &format!(",\"trace_function_count\":{}", counts.trace_functions);
        }
        if meta.extra_native_bytes {
            text += &format!(",\"extra_native_bytes\":{}", counts.extra_native_bytes);
        }
        if let Some(index) = counts.root_index {
            text += &format!(",\"root_index\":{index}");
        }
        text += &format!("{s}}}");
        self.raw(&text)
    }

    /// `,"name":[`
    pub fn open(&mut self, name: &str) -> io::Result<()> {
        self.first = true;
        let s = self.space();
        self.raw(&format!("{s},\n{s}\"{name}\"{s}:{s}["))
    }

    pub fn close(&mut self) -> io::Result<()> {
        self.raw(if self.layout == TextLayout::Rows && !self.first { "\n]" } else { "]" })
    }

    /// A row of numbers.
    pub fn row(&mut self, values: &[u64]) -> io::Result<()> {
        self.digits.clear();
        for (i, &value) in values.iter().enumerate() {
            if i > 0 || !self.first {
                if i == 0 && self.layout != TextLayout::Packed {
                    self.digits.push(b'\n');
                }
                self.digits.push(b',');
            }
            if self.layout == TextLayout::Spaced {
                self.digits.extend_from_slice(b" \t");
            }
            push_decimal(&mut self.digits, value);
        }
        self.first &= values.is_empty();
        self.out.write_all(&self.digits)
    }

    /// A string that is already escaped and quoted.
    pub fn string(&mut self, quoted: &str) -> io::Result<()> {
        if !self.first {
            self.raw(",\n")?;
        }
        self.first = false;
        self.raw(quoted)
    }

    pub fn finish(mut self) -> io::Result<W> {
        self.raw("}\n")?;
        self.out.flush()?;
        Ok(self.out)
    }
}

fn push_decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Quotes and escapes as V8 does: everything that is not printable ASCII becomes `\uXXXX`, in UTF-16 units.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    let mut units = [0u16; 2];
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04X}"));
                }
            }
        }
    }
    out.push('"');
    out
}
