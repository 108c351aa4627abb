//! The reader: from bytes to [`Graph`] columns.
//!
//! One pass over the text, driven by `meta`; the sections may come in any order as long as the header is first
//! and nodes come before edges. Two nanoseconds per number on each of the cores there are; beside the columns
//! only a few 1 MB windows are in memory, so a compressed file or a pipe costs no more than a plain file.
//!
//! A truncated input is salvaged: whole rows count, everything else is reported in [`Salvage`].

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use stillheap_graph::{
    Completeness, Error, ErrorKind, Graph, Header, Packing, Result, Salvage, SnapshotData,
};

use crate::input;
use crate::limits::ReadLimits;
use crate::pool;
use crate::rows::{self, EdgeRows, MaxName, ParsedNodes};
use crate::scan::{Block, Scanner};
use crate::text::{self, TextRows};
use crate::trace;

pub struct ReadOptions<'p> {
    /// Salvage truncated input instead of refusing it. On by default.
    pub salvage: bool,
    /// Threads to use; 0 means as many as the machine offers.
    pub threads: usize,
    /// Called with the number of (decompressed) bytes read so far, about once per megabyte.
    pub progress: Option<&'p mut dyn FnMut(u64)>,
    /// Once this is true, reading ends within about a megabyte, with [`ErrorKind::Cancelled`].
    pub cancel: Option<&'p AtomicBool>,
    /// What is too much.
    pub limits: ReadLimits,
}

impl Default for ReadOptions<'_> {
    fn default() -> Self {
        ReadOptions { salvage: true, threads: 0, progress: None, cancel: None, limits: ReadLimits::default() }
    }
}

/// Opens a file, and says how long it is if it is an ordinary one.
///
/// # Errors
/// The file can't be opened, or is a directory.
pub fn open_file(path: &Path) -> Result<(File, Option<u64>)> {
    let doing = || format!("opening {}", path.display());
    let file = File::open(path).map_err(|e| Error::io(e, &doing()))?;
    let meta = file.metadata().map_err(|e| Error::io(e, &doing()))?;
    if meta.is_dir() {
        let error = std::io::Error::new(std::io::ErrorKind::IsADirectory, "it is a directory");
        return Err(Error::io(error, &doing()));
    }
    let size = meta.is_file().then_some(meta.len());
    Ok((file, size))
}

/// Opens a file of any packing as text, and says how long the file is.
///
/// # Errors
/// The file can't be opened or read.
pub fn open_unpacked(path: &Path) -> Result<(Box<dyn Read + Send>, Option<u64>)> {
    let (file, size) = open_file(path)?;
    Ok((unpack(Box::new(file))?, size))
}

/// The text of an input of any packing.
///
/// # Errors
/// The input can't be read.
pub fn unpack(raw: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>> {
    let input = input::recognise(raw).map_err(|e| Error::io(e, "reading the snapshot"))?;
    Ok(input.reader)
}

/// Reads a file: plain, gzip or zstd, whatever its name says.
///
/// # Errors
/// The file can't be read, or is no snapshot.
pub fn open(path: impl AsRef<Path>, options: ReadOptions<'_>) -> Result<SnapshotData> {
    let (file, size) = open_file(path.as_ref())?;
    read_sized(Box::new(file), size, options)
}

/// Reads from anything: standard input, a socket, a buffer.
///
/// # Errors
/// The input can't be read, or is no snapshot.
pub fn read(reader: impl Read + Send + 'static, options: ReadOptions<'_>) -> Result<SnapshotData> {
    read_sized(Box::new(reader), None, options)
}

/// `size` is the number of bytes the input is known to have; it bounds what is reserved ahead.
///
/// # Errors
/// The input can't be read, or is no snapshot.
pub fn read_sized(
    raw: Box<dyn Read + Send>,
    size: Option<u64>,
    options: ReadOptions<'_>,
) -> Result<SnapshotData> {
    let input = input::recognise(raw).map_err(|e| Error::io(e, "reading the snapshot"))?;
    let size = size.filter(|_| input.packing == Packing::Plain).unwrap_or(0);
    options.limits.check_text(size)?;
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, |n| n.get()),
        n => n,
    };
    let mut reader = Sections {
        scanner: Scanner::new(input.reader, options.progress, options.cancel, options.limits),
        helpers: threads.saturating_sub(1).min(15),
        size,
        limits: options.limits,
        header: None,
        graph: Graph::default(),
        max_name: MaxName::default(),
        seen: Vec::new(),
        cut_in: None,
    };
    let closed = reader.run()?;
    reader.finish(input.packing, closed, options.salvage)
}

struct Sections<'p> {
    scanner: Scanner<'p>,
    helpers: usize,
    size: u64,
    limits: ReadLimits,
    header: Option<Header>,
    graph: Graph,
    max_name: MaxName,
    seen: Vec<String>,
    /// The section that the input ends in.
    cut_in: Option<String>,
}

impl Sections<'_> {
    /// Reads all sections. True if the file is closed properly.
    fn run(&mut self) -> Result<bool> {
        self.scanner.skip_bom()?;
        match self.scanner.peek()? {
            Some(b'{') => self.scanner.bump(),
            None => return Err(Error::new(ErrorKind::Truncated, Some(0), "the input is empty")),
            Some(b) => {
                let word = self.scanner.word();
                let found = if word.is_empty() { (b as char).escape_default().to_string() } else { word };
                let message = format!("not a heap snapshot (it starts with `{found}`)");
                return Err(Error::new(ErrorKind::NotASnapshot, Some(self.scanner.position()), message));
            }
        }
        if self.scanner.peek()? == Some(b'}') {
            return Err(Error::new(
                ErrorKind::NotASnapshot,
                Some(1),
                "not a heap snapshot (it is an empty object)",
            ));
        }
        loop {
            let Some(key) = self.key()? else { return Ok(false) };
            if !self.section(&key)? {
                self.cut_in.get_or_insert(key);
                return Ok(false);
            }
            self.seen.push(key);
            self.limits.check_graph(0, 0, self.graph.memory())?;
            match self.scanner.peek()? {
                Some(b',') => self.scanner.bump(),
                Some(b'}') => {
                    self.scanner.bump();
                    // Trailing bytes do no harm to what has been read, but the file is not as it was written.
                    return Ok(self.scanner.peek()?.is_none());
                }
                Some(b) => {
                    let message = format!("expected `,` or `}}`, found `{}`", (b as char).escape_default());
                    return Err(Error::malformed(self.scanner.position(), message));
                }
                None => {
                    self.cut_in = Some("end".to_owned());
                    return Ok(false);
                }
            }
        }
    }

    /// A section's name and its colon. None if the input ends.
    fn key(&mut self) -> Result<Option<String>> {
        let at = match self.scanner.peek()? {
            Some(b'"') => self.scanner.position(),
            Some(b) => {
                let message =
                    format!("expected a section name in quotes, found `{}`", (b as char).escape_default());
                return Err(Error::malformed(self.scanner.position(), message));
            }
            None => return Ok(None),
        };
        let Some(text) = self.scanner.value(1 << 20)? else { return Ok(None) };
        let key: String = serde_json::from_slice(text)
            .map_err(|e| Error::malformed(at, format!("a broken section name: {e}")))?;
        match self.scanner.peek()? {
            Some(b':') => self.scanner.bump(),
            Some(_) => {
                return Err(Error::malformed(self.scanner.position(), "expected `:` after a section name"));
            }
            None => return Ok(None),
        }
        Ok(Some(key))
    }

    /// Opens an array; false if the input ends.
    fn bracket(&mut self, section: &str) -> Result<bool> {
        match self.scanner.peek()? {
            Some(b'[') => {
                self.scanner.bump();
                Ok(true)
            }
            None => Ok(false),
            Some(b) => {
                let message =
                    format!("expected `[` after \"{section}\", found `{}`", (b as char).escape_default());
                Err(Error::malformed(self.scanner.position(), message))
            }
        }
    }

    /// Reads one section. False if the input ends inside it.
    fn section(&mut self, key: &str) -> Result<bool> {
        let known = matches!(
            key,
            "snapshot" | "nodes" | "edges" | "strings" | "locations" | "samples" | "trace_tree"
        );
        if known && self.seen.iter().any(|s| s == key) {
            return Err(Error::malformed(self.scanner.position(), format!("a second section \"{key}\"")));
        }
        if key == "snapshot" {
            self.scanner.peek()?;
            let at = self.scanner.position();
            let Some(json) = self.scanner.value(64 << 20)? else { return Ok(false) };
            self.header = Some(Header::parse(json, at)?);
            return Ok(true);
        }
        if self.header.is_none() && matches!(key, "nodes" | "edges" | "strings") {
            return Err(Error::new(
                ErrorKind::NotASnapshot,
                Some(self.scanner.position()),
                format!("expected the section \"snapshot\" before \"{key}\""),
            ));
        }
        match key {
            "nodes" => self.nodes(),
            "edges" => self.edges(),
            "strings" => self.strings(),
            "trace_tree" => match &self.header {
                Some(header) => {
                    trace::parse_tree(&mut self.scanner, &header.trace_nodes, &mut self.graph.trace_tree)
                }
                None => self.scanner.skip_value(),
            },
            "locations" => self.locations(),
            "samples" | "trace_function_infos" | "scopes" | "scope_context_vars" | "scope_uses" => {
                let mut numbers = Vec::new();
                let whole = self.plain(key, &mut numbers)?;
                match key {
                    "samples" => self.graph.raw_samples = numbers.into(),
                    "trace_function_infos" => self.graph.raw_functions = numbers.into(),
                    _ => {
                        self.graph.extra_names.push((key.to_owned(), numbers.len()));
                        self.graph.extra.edit().append(&mut numbers);
                    }
                }
                Ok(whole)
            }
            _ => self.scanner.skip_value(),
        }
    }

    fn plain(&mut self, key: &str, out: &mut Vec<i64>) -> Result<bool> {
        if !self.bracket(key)? {
            return Ok(false);
        }
        let (limits, memory) = (self.limits, self.graph.memory());
        let mut whole = true;
        pool::run(
            &mut self.scanner,
            0,
            |scanner| scanner.numbers(1),
            |block, rows: &mut Vec<i64>| {
                rows.clear();
                rows::parse_plain(block, rows)
            },
            |block, rows| {
                out.append(rows);
                whole &= !block.truncated;
                limits.check_graph(0, 0, memory + out.capacity() * size_of::<i64>())
            },
        )?;
        Ok(whole)
    }

    /// Rows go to their compact form block by block: class instances have one each, so there may be millions.
    fn locations(&mut self) -> Result<bool> {
        if !self.bracket("locations")? {
            return Ok(false);
        }
        let Some(header) = &self.header else { return Ok(false) };
        let (fields, node_width) = (&header.locations, header.nodes.width);
        let (graph, limits) = (&mut self.graph, self.limits);
        let mut whole = true;
        pool::run(
            &mut self.scanner,
            0,
            |scanner| scanner.numbers(fields.len()),
            |block, rows: &mut Vec<i64>| {
                rows.clear();
                rows::parse_plain(block, rows)
            },
            |block, rows| {
                whole &= !block.truncated;
                graph.append_locations(rows, fields, node_width);
                limits.check_graph(0, 0, graph.memory())
            },
        )?;
        Ok(whole)
    }

    /// How many rows to reserve: what the header says, as far as the file's size makes it possible.
    fn reserve(&self, promised: Option<u64>, bytes_per_row: u64) -> usize {
        // A row takes at most 32 bytes.
        promised.unwrap_or(0).min(self.size / bytes_per_row).min(self.limits.memory / 32) as usize
    }

    fn nodes(&mut self) -> Result<bool> {
        if !self.bracket("nodes")? {
            return Ok(false);
        }
        let Some(header) = &self.header else { return Ok(false) };
        let width = header.nodes.width;
        let expected = self.reserve(header.node_count(), 2 * width as u64);
        let (graph, limits) = (&mut self.graph, self.limits);
        graph.reserve_nodes(expected);
        let max_name = &mut self.max_name;
        let mut edge_sum = 0u64;
        let mut whole = true;
        pool::run(
            &mut self.scanner,
            self.helpers,
            |scanner| scanner.numbers(width),
            |block, rows: &mut ParsedNodes| rows::parse_nodes(block, &header.nodes, &header.node_types, rows),
            |block, rows| {
                whole &= !block.truncated;
                max_name.merge(rows.max_name);
                check_rows(block, rows.leftover, "node", width)?;
                graph
                    .append_nodes(&rows.rows, &mut edge_sum)
                    .map_err(|message| Error::new(ErrorKind::TooLarge, Some(block.position(0)), message))?;
                limits.check_graph(graph.node_type.len(), 0, graph.memory())
            },
        )?;
        graph.promised_edges = edge_sum;
        Ok(whole)
    }

    fn edges(&mut self) -> Result<bool> {
        if !self.bracket("edges")? {
            return Ok(false);
        }
        let Some(header) = &self.header else { return Ok(false) };
        if !self.seen.iter().any(|s| s == "nodes") {
            let message = "expected the section \"nodes\" before \"edges\"";
            return Err(Error::malformed(self.scanner.position(), message));
        }
        let layout = &header.edges;
        let expected = self.reserve(header.edge_count(), 2 * layout.width as u64);
        let (graph, limits) = (&mut self.graph, self.limits);
        graph.edge_type.edit().reserve_exact(expected);
        graph.edge_name.edit().reserve_exact(expected);
        graph.edge_to.edit().reserve_exact(expected);
        let nodes = graph.node_type.len() as u64;
        let max_name = &mut self.max_name;
        let mut whole = true;
        pool::run(
            &mut self.scanner,
            self.helpers,
            |scanner| scanner.numbers(layout.width),
            |block, rows: &mut EdgeRows| {
                rows::parse_edges(block, layout, &header.edge_types, header.nodes.width, nodes, rows)
            },
            |block, rows| {
                whole &= !block.truncated;
                max_name.merge(rows.max_name);
                check_rows(block, rows.leftover, "edge", layout.width)?;
                graph.edge_type.edit().extend_from_slice(&rows.ty);
                graph.edge_name.edit().extend_from_slice(&rows.name);
                graph.edge_to.edit().extend_from_slice(&rows.to);
                if graph.edge_to.len() >= u32::MAX as usize {
                    return Err(Error::new(
                        ErrorKind::TooLarge,
                        Some(block.position(0)),
                        "more than 2^32 edges",
                    ));
                }
                limits.check_graph(0, graph.edge_to.len(), graph.memory())
            },
        )?;
        Ok(whole)
    }

    fn strings(&mut self) -> Result<bool> {
        if !self.bracket("strings")? {
            return Ok(false);
        }
        let (limits, memory) = (self.limits, self.graph.memory());
        let table = &mut self.graph.strings;
        // The strings are nearly always last, so the rest of the file bounds them.
        let rest = self.size.saturating_sub(self.scanner.position());
        table.bytes.edit().reserve_exact(rest.min(limits.memory) as usize);
        let mut whole = true;
        pool::run(
            &mut self.scanner,
            self.helpers,
            |scanner| scanner.strings(),
            |block, rows: &mut TextRows| text::parse_strings(block, rows),
            |block, rows| {
                whole &= !block.truncated;
                let offset = table.bytes.len() as u64;
                table.bytes.edit().extend_from_slice(&rows.bytes);
                table.ends.edit().extend(rows.ends.iter().map(|end| end + offset));
                table.kinds.edit().extend_from_slice(&rows.kinds);
                if table.ends.len() >= (u32::MAX / 2) as usize {
                    return Err(Error::new(
                        ErrorKind::TooLarge,
                        Some(block.position(0)),
                        "more than 2^31 strings",
                    ));
                }
                let held = table.bytes.len() + table.ends.memory() + table.kinds.memory();
                limits.check_graph(0, 0, memory + held)
            },
        )?;
        table.bytes.edit().shrink_to_fit();
        Ok(whole)
    }

    /// Checks what can be checked only now, and fills in what a truncated file lacks.
    fn finish(mut self, packing: Packing, closed: bool, salvage: bool) -> Result<SnapshotData> {
        let truncated = !closed && (self.cut_in.is_some() || !self.seen.iter().any(|s| s == "strings"));
        let position = if truncated { self.scanner.end_position() } else { self.scanner.position() };
        let Some(header) = self.header.take() else {
            let (kind, message) = if closed {
                (ErrorKind::NotASnapshot, "not a heap snapshot (it has no section \"snapshot\")")
            } else {
                (ErrorKind::Truncated, "the input ends before its section \"snapshot\" is complete")
            };
            return Err(Error::new(kind, Some(position), message));
        };
        let has = |name: &str| self.seen.iter().any(|s| s == name);
        let sections_present = ["nodes", "edges", "strings"].into_iter().all(has);
        let section = self.cut_in.clone().unwrap_or_else(|| "end".to_owned());
        if truncated && !salvage {
            let message = format!("the input ends inside \"{section}\"");
            return Err(Error::new(ErrorKind::Truncated, Some(position), message));
        }
        if !truncated && !sections_present {
            let missing = ["nodes", "edges", "strings"].into_iter().find(|n| !has(n)).unwrap_or_default();
            return Err(Error::malformed(position, format!("the section \"{missing}\" is missing")));
        }
        let graph = &mut self.graph;
        let (nodes, edges) = (graph.node_type.len() as u64, graph.edge_to.len() as u64);
        if nodes == 0 {
            let message = "the snapshot has no nodes: nothing can be analysed";
            let kind = if truncated { ErrorKind::Truncated } else { ErrorKind::Malformed };
            return Err(Error::new(kind, Some(position), message));
        }
        if !truncated && graph.promised_edges != edges {
            let message = format!("the nodes own {} edges, but the file has {edges}", graph.promised_edges);
            return Err(Error::malformed(position, message));
        }
        let edges_expected =
            if has("nodes") { graph.promised_edges } else { header.edge_count().unwrap_or(0) };
        if truncated {
            // Owners of edges that were lost keep the ones that were read; counts beyond the read edges shrink.
            graph.clamp_edges();
        }
        let mut strings_missing = 0;
        if self.max_name.value >= graph.strings.len() as u64 {
            if !truncated {
                let message = format!(
                    "a name refers to string {}: expected an index below {}",
                    self.max_name.value,
                    graph.strings.len()
                );
                return Err(Error::malformed(self.max_name.position, message));
            }
            strings_missing = self.max_name.value + 1 - graph.strings.len() as u64;
            graph.replace_lost_names();
        }
        let width = header.nodes.width as u64;
        let root = header.root_index();
        if root % width != 0 || root / width >= nodes {
            return Err(Error::malformed(
                0,
                format!("`root_index` {root}: expected a multiple of {width} inside the nodes"),
            ));
        }
        graph.root = (root / width) as u32;
        graph.settle(&header)?;
        let fits = |promised: Option<u64>, found: u64| promised.is_none_or(|p| p == found);
        let function_width = header.trace_functions.len().max(1);
        let functions = (graph.raw_functions.len() / function_width) as u64;
        let completeness = Completeness {
            closed,
            bytes: position,
            counts_match: fits(header.node_count(), nodes) && fits(header.edge_count(), edges),
            trace_function_count_matches: fits(
                header.raw.get("trace_function_count").and_then(serde_json::Value::as_u64),
                functions,
            ),
            sections_present,
        };
        let salvage = truncated.then(|| Salvage {
            position,
            section,
            nodes_expected: header.node_count(),
            nodes_read: nodes,
            edges_expected,
            edges_read: edges,
            strings_missing,
        });
        Ok(SnapshotData { header, graph: self.graph, packing, salvage, completeness })
    }
}

/// A last row that is not whole is an error, except where the input ends.
fn check_rows(block: &Block, leftover: usize, what: &str, width: usize) -> Result<()> {
    if leftover == 0 || block.truncated {
        return Ok(());
    }
    let message = format!("the last {what} has {leftover} of {width} fields");
    Err(Error::malformed(block.position(block.bytes().len()), message))
}
