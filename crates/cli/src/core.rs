//! The commands about core files: `info`, `stack`, `convert`.

use std::io;

use serde::Serialize;
use stillheap_corefile::{Info, StackInfo, Why};
use stillheap_protocol::LossyPath;
use stillheap_questions::{Failure, SCHEMA_VERSION};
use stillheap_redact::{Key, Options};
use stillheap_render::{TextStyle, count, next, plural, size, visible};
use stillheap_sink::{Destination, Direct, OpenedFile};

use crate::answer::{TextAnswer, facts, fitted, stack_text, told};
use crate::args::{ConvertArgs, CoreSource, compression_of};
use crate::console::of_output;
use crate::load::working;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InfoAnswer {
    schema_version: u32,
    file: String,
    #[serde(flatten)]
    info: Info,
}

pub fn info(args: &CoreSource) -> Result<InfoAnswer, Failure> {
    let file = args.file.to_string_lossy().into_owned();
    let info = working("reading the core", || stillheap_corefile::info(&args.file, &args.core.options()))
        .map_err(|error| Failure::of_file(&error, &file))?;
    Ok(InfoAnswer { schema_version: SCHEMA_VERSION, file, info })
}

/// Signals that end a process, by their number on Linux.
const SIGNALS: [(i32, &str); 9] = [
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (11, "SIGSEGV"),
    (15, "SIGTERM"),
];

fn why_text(why: &Why) -> String {
    let what = match why.kind {
        "outOfMemory" => "JavaScript heap out of memory",
        "fatal" => "a check in V8 failed",
        "fatalError" => "V8 refused a call",
        "exception" => "an exception that nothing caught",
        "assertion" => "an assertion in Node failed",
        _ => "process.abort() or an abort in Node",
    };
    match &why.message {
        Some(message) => format!("{what}: {message}"),
        None => what.to_owned(),
    }
}

/// A time in milliseconds since 1970.
fn started_text(milliseconds: f64) -> Option<String> {
    let time = chrono::DateTime::from_timestamp_millis(milliseconds as i64)?;
    Some(stillheap_protocol::timestamp(time))
}

impl TextAnswer for InfoAnswer {
    fn text(&self, look: TextStyle) -> String {
        let info = &self.info;
        let program = match (&info.program, &info.build_id) {
            (Some(path), _) => path.clone(),
            (None, Some(build)) => format!("not found; identified by its build id {build}"),
            (None, None) => "not found".to_owned(),
        };
        let mut lines =
            vec![("process", info.pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string()))];
        match &info.command_line {
            Some(command) => lines.push(("command", command.join(" "))),
            None => lines.push(("arguments", info.arguments.join(" "))),
        }
        if let Some(options) = &info.node_options {
            lines.push(("options", format!("NODE_OPTIONS={options}")));
        }
        lines.push(("node", format!("{}, V8 {}", info.node, info.v8)));
        lines.push(("program", program));
        if let Some(signal) = info.signal {
            let name = SIGNALS.iter().find(|(number, _)| *number == signal);
            let name = name.map_or_else(|| format!("signal {signal}"), |(_, name)| (*name).to_owned());
            lines.push(("ended by", name));
        }
        if let Some(why) = &info.why {
            lines.push(("why", why_text(why)));
        }
        if let Some(started) = info.started_ms.and_then(started_text) {
            lines.push(("started", started));
        }
        lines.push(("threads", count(info.threads as u64)));
        let live = plural(info.live_objects, "object");
        lines.push(("live", format!("{live} in {} of isolate {}", size(info.live_bytes), info.isolate)));
        let memory = &info.memory;
        lines.push((
            "memory",
            format!(
                "{} V8 pages, {} other anonymous, {} files",
                size(memory.v8_pages),
                size(memory.anonymous),
                size(memory.files)
            ),
        ));
        for isolate in &info.isolates {
            let whose = if isolate.main { ", the main thread's" } else { ", a worker's" };
            lines.push(("isolate", format!("{} {}{whose}", isolate.number, size(isolate.page_bytes))));
        }
        lines.extend(told(&info.collections, &info.handles, &info.timers));
        if info.missing_bytes > 0 {
            let missing = format!("{} of memory are missing from the file", size(info.missing_bytes));
            lines.push(("truncated", missing));
        }
        facts(lines, look) + &next::command(look, &["summary", &self.file])
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StackAnswer {
    schema_version: u32,
    file: String,
    stacks: Vec<StackInfo>,
}

pub fn stack(args: &CoreSource) -> Result<StackAnswer, Failure> {
    let file = args.file.to_string_lossy().into_owned();
    let stacks = working("reading the core", || stillheap_corefile::stacks(&args.file, &args.core.options()))
        .map_err(|error| Failure::of_file(&error, &file))?;
    Ok(StackAnswer { schema_version: SCHEMA_VERSION, file, stacks })
}

impl TextAnswer for StackAnswer {
    fn text(&self, look: TextStyle) -> String {
        stack_text(&self.stacks, look) + &next::command(look, &["info", &self.file])
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConvertAnswer {
    schema_version: u32,
    file: String,
    output: LossyPath,
    nodes: u64,
    edges: u64,
    bytes: u64,
    raw_bytes: u64,
    redacted: bool,
}

impl TextAnswer for ConvertAnswer {
    fn text(&self, look: TextStyle) -> String {
        let output = self.output.to_string_lossy();
        let line = format!(
            "Wrote {} ({}): {}, {}{}",
            visible(&output),
            size(self.bytes),
            plural(self.nodes, "node"),
            plural(self.edges, "edge"),
            if self.redacted { ", redacted" } else { "" }
        );
        fitted(look, &line, 0, 2) + "\n" + &next::command(look, &["summary", &output])
    }
}

/// Hands bytes to the file; its failure is kept, since it says more than an `io::Error` can.
struct Output {
    direct: Direct,
    failure: Option<stillheap_sink::Failure>,
}

impl io::Write for &mut Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.direct.write(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(failure) => {
                let error = io::Error::other(failure.message.clone());
                self.failure = Some(failure);
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub fn convert(args: &ConvertArgs) -> Result<ConvertAnswer, Failure> {
    let core = &args.source.file;
    let file = core.to_string_lossy().into_owned();
    let path =
        std::path::absolute(&args.output).map_err(|error| Failure::of_io(&error, "getcwd", &args.output))?;
    let destination = Destination { path, overwrite: false, generated: false };
    let compression = compression_of(args.compress, &args.output);
    let refused =
        |failure| of_output(Failure::of_sink(failure), &args.output, "Choose another name with -o.");
    let opened = OpenedFile::create(destination, compression).map_err(refused)?;
    let redact = match args.redact {
        true => {
            let key = Key::random()
                .map_err(|error| Failure::of_io(&error, "getrandom", std::path::Path::new("/dev/urandom")))?;
            Some(Options { source: true, key })
        }
        false => None,
    };
    let direct = opened.redacting(redact).start().map_err(Failure::of_sink)?;
    let mut output = Output { direct, failure: None };
    let converted =
        working("converting", || stillheap_corefile::convert(core, &args.source.core.options(), &mut output));
    if let Some(failure) = output.failure {
        return Err(Failure::of_sink(failure).about(&file));
    }
    let converted = converted.map_err(|error| Failure::of_file(&error, &file))?;
    let written = output.direct.finish().map_err(|failure| Failure::of_sink(failure).about(&file))?;
    Ok(ConvertAnswer {
        schema_version: SCHEMA_VERSION,
        file,
        output: if args.output.is_absolute() { written.path } else { args.output.clone() }.into(),
        nodes: converted.nodes,
        edges: converted.edges,
        bytes: written.bytes,
        raw_bytes: written.raw_bytes,
        redacted: args.redact,
    })
}
