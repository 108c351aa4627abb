//! Commands on a running process that has not loaded stillheap: it is frozen for some milliseconds, and its copy is read
//! (crates/live). Wherever a command takes a snapshot file, it takes the id of such a process, too.

use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::Utc;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};
use stillheap_corefile::{FrameInfo, StackInfo};
use stillheap_index::Indexed;
use stillheap_live::{Captured, Error, Kind, Options, Process, Progress, Step};
use stillheap_questions::{Failure, SCHEMA_VERSION};
use stillheap_redact::Key;
use stillheap_render::{TextStyle, count, next, plural, size, visible};
use stillheap_sink::{Compression, Destination, Direct, NameContext, NameTemplate, OpenedFile};
use stillheap_snapshot::{ReadLimits, ReadOptions};

use crate::answer::{TextAnswer, facts, fitted, stack_text, told};
use crate::args::{CoreArgs, DumpArgs, LeaksArgs, StackArgs, compression_of};
use crate::console::say;
use crate::interrupts::{Attached, Interrupts, Temporary};

/// How the process is read.
fn options(args: &CoreArgs) -> Options {
    let options = Options { force: args.live.force, isolate: args.isolate, ..Options::default() };
    match args.live.max_pause {
        Some(max_pause) => Options { max_pause, ..options },
        None => options,
    }
}

fn failure(error: &Error) -> Failure {
    let code = match error {
        Error::Attach(refusal) => match refusal.kind {
            Kind::Gone => "ESRCH",
            Kind::NotAllowed => "EACCES",
            Kind::Unfit => "ERR_STILLHEAP_UNFIT",
            Kind::Seccomp => "ERR_STILLHEAP_SECCOMP",
            Kind::Busy => "ERR_STILLHEAP_BUSY",
            Kind::NoRoom => "ERR_STILLHEAP_NO_ROOM",
        },
        Error::Heap(_) => "ERR_STILLHEAP_REFUSED",
        Error::Io(_) => "EIO",
        Error::Stopped => "ERR_STILLHEAP_INTERRUPTED",
    };
    let message = match error {
        Error::Stopped => "interrupted; the process continues, and no file was written".to_owned(),
        error => error.to_string(),
    };
    Failure::new(code, message)
}

/// How far the reader is, on a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Bar {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.enable_steady_tick(Duration::from_millis(100));
        Bar(bar)
    }

    fn show(&self, progress: Progress) {
        let (what, template) = match progress.step {
            Step::Mark => ("finding live objects", "{spinner} {msg} {decimal_bytes}"),
            Step::Count => ("counting references", "{spinner} {msg} {bar:30} {percent}%"),
            Step::Nodes => ("writing nodes", "{spinner} {msg} {bar:30} {percent}%"),
            Step::Edges => ("writing edges", "{spinner} {msg} {bar:30} {percent}%"),
            Step::Locations => ("writing locations", "{spinner} {msg}"),
            Step::Strings => ("writing strings", "{spinner} {msg} {bar:30} {percent}%"),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.set_message(what);
        self.0.set_length(progress.total.max(1));
        self.0.set_position(progress.done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn capture(pid: u32, args: &CoreArgs, out: impl Write) -> Result<Captured, Error> {
    // Ctrl-C ends the copy before it ends this command: otherwise a zombie is left until the next run.
    let interrupts = Interrupts::new();
    let process = Process::examine(pid, &options(args))?;
    let bar = Bar::new();
    let mut told = Instant::now();
    let mut watcher = |progress: Progress| {
        if told.elapsed() >= Duration::from_millis(50) {
            told = Instant::now();
            bar.show(progress);
        }
        !interrupts.seen()
    };
    let _attached = Attached::new();
    process.capture(out, &mut watcher)
}

/// A process as a snapshot, for one question. The file in between has no name and is gone with this command.
pub fn read(pid: u32, args: &CoreArgs, limits: ReadLimits) -> Result<Indexed, Failure> {
    let of_io = |error: io::Error| Failure::of_io(&error, "write", Path::new("a temporary file"));
    let mut file = tempfile::tempfile().map_err(of_io)?;
    let captured = capture(pid, args, BufWriter::new(&file)).map_err(|error| failure(&error))?;
    say(&format!("read process {pid}, paused {:.0} ms", captured.pause_ms));
    file.seek(SeekFrom::Start(0)).map_err(of_io)?;
    let options = ReadOptions { limits, ..ReadOptions::default() };
    let data = stillheap_snapshot::read(file, options)
        .map_err(|error| Failure::of_file(&error, &format!("process {pid}")))?;
    Ok(Indexed::from(stillheap_analysis::Snapshot::new(data)))
}

/// Hands bytes to the file; its failure is kept, since it says more than an `io::Error` can.
struct Output {
    direct: Direct,
    failure: Option<stillheap_sink::Failure>,
}

impl Write for &mut Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.direct.write(bytes).map(|()| bytes.len()).map_err(|failure| {
            let error = io::Error::other(failure.message.clone());
            self.failure = Some(failure);
            error
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where a snapshot goes.
fn destination(args: &DumpArgs, compression: Compression) -> Result<Destination, Failure> {
    let absolute =
        |path: &Path| std::path::absolute(path).map_err(|error| Failure::of_io(&error, "getcwd", path));
    if let Some(output) = &args.output {
        return Ok(Destination { path: absolute(output)?, overwrite: false, generated: false });
    }
    let template = match &args.name {
        Some(name) => NameTemplate::parse(name).map_err(|error| Failure::argument(error.to_string()))?,
        None => NameTemplate::default(),
    };
    let context = NameContext { time: Utc::now(), pid: args.pid, thread: 0, sequence: 1 };
    let variable = std::env::var_os("STILLHEAP_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let directory = args.dir.clone().or(variable).unwrap_or_else(|| PathBuf::from("."));
    let path = absolute(&directory)?.join(template.render(&context) + compression.extension());
    Ok(Destination { path, overwrite: false, generated: true })
}

/// A snapshot of a process that has not loaded stillheap: the file, and what is told of it.
pub fn dump(args: &DumpArgs) -> Result<(PathBuf, Value), Failure> {
    let begun = Instant::now();
    let compression = match &args.output {
        Some(output) => compression_of(args.compress, output),
        None => compression_of(args.compress, Path::new("")),
    };
    // What is refused is refused before a file is made, and a directory that can't be written to before the pause.
    Process::examine(args.pid, &options(&args.core)).map_err(|error| failure(&error))?;
    let opened =
        OpenedFile::create(destination(args, compression)?, compression).map_err(Failure::of_sink)?;
    let redact = match args.redact {
        true => {
            let key = Key::random()
                .map_err(|error| Failure::of_io(&error, "getrandom", Path::new("/dev/urandom")))?;
            Some(stillheap_redact::Options { source: true, key })
        }
        false => None,
    };
    let direct = opened.redacting(redact).start().map_err(Failure::of_sink)?;
    let mut output = Output { direct, failure: None };
    let captured = capture(args.pid, &args.core, &mut output);
    if let Some(failure) = output.failure {
        return Err(Failure::of_sink(failure));
    }
    let captured = captured.map_err(|error| failure(&error))?;
    let written = output.direct.finish().map_err(Failure::of_sink)?;
    let mut result = json!({
        "file": written.path,
        "bytes": written.bytes,
        "rawBytes": written.raw_bytes,
        "compress": compression,
        "redacted": args.redact,
        "durationMs": (begun.elapsed().as_secs_f64() * 1e6).round() / 1e3,
        "mode": "attach",
        "engine": "reader",
        "objectIds": "addresses",
        "pid": args.pid,
        "isMainThread": captured.isolate == 0,
    });
    if let (Some(result), Ok(Value::Object(more))) = (result.as_object_mut(), serde_json::to_value(&captured))
    {
        result.extend(more);
    }
    Ok((written.path, result))
}

/// Snapshots of a process, some time apart, and where they are.
pub struct Series {
    pub files: Vec<PathBuf>,
    /// Removes them at the end, unless they are kept.
    _temporary: Option<Temporary>,
}

/// Takes the snapshots for `leaks PID`.
pub fn series(pid: u32, args: &LeaksArgs) -> Result<Series, Failure> {
    let of_io = |error: io::Error| Failure::of_io(&error, "mkdir", Path::new("a temporary directory"));
    let (directory, temporary) = match &args.keep {
        Some(directory) => (directory.clone(), None),
        None => {
            let temporary = Temporary::new().map_err(of_io)?;
            (temporary.path(Path::to_owned).unwrap_or_default(), Some(temporary))
        }
    };
    let mut files = Vec::new();
    for number in 1..=args.captures {
        if number > 1 {
            rest(args.every, &format!("snapshot {number} of {}", args.captures))?;
        }
        let name = format!("{pid}-{}-{number}.heapsnapshot", Utc::now().format("%Y%m%dT%H%M%SZ"));
        let path = std::path::absolute(directory.join(name))
            .map_err(|error| Failure::of_io(&error, "getcwd", &directory))?;
        let opened = OpenedFile::create(
            Destination { path: path.clone(), overwrite: false, generated: false },
            Compression::None,
        )
        .map_err(Failure::of_sink)?;
        let mut output = Output { direct: opened.start().map_err(Failure::of_sink)?, failure: None };
        let captured = capture(pid, &args.common.core, &mut output);
        if let Some(failure) = output.failure {
            return Err(Failure::of_sink(failure));
        }
        let captured = captured.map_err(|error| failure(&error))?;
        output.direct.finish().map_err(Failure::of_sink)?;
        say(&format!(
            "snapshot {number} of {}: {} live, paused {:.0} ms",
            args.captures,
            size(captured.live_bytes),
            captured.pause_ms
        ));
        files.push(path);
    }
    if let Some(temporary) = &temporary {
        temporary.unattended();
    }
    Ok(Series { files, _temporary: temporary })
}

/// Waits, with a sign of life on a terminal; Ctrl-C ends it.
fn rest(time: Duration, what: &str) -> Result<(), Failure> {
    let interrupts = Interrupts::new();
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let until = Instant::now() + time;
    while Instant::now() < until {
        if interrupts.seen() {
            bar.finish_and_clear();
            return Err(failure(&Error::Stopped));
        }
        let left = until.saturating_duration_since(Instant::now());
        bar.set_message(format!("{what} in {} s", left.as_secs()));
        bar.tick();
        std::thread::sleep(left.min(Duration::from_millis(200)));
    }
    bar.finish_and_clear();
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InfoAnswer {
    schema_version: u32,
    #[serde(flatten)]
    info: stillheap_live::Info,
}

/// What a running process is.
pub fn info(pid: u32, args: &CoreArgs) -> Result<InfoAnswer, Failure> {
    let _interrupts = Interrupts::new();
    let attached = Attached::new();
    let info = Process::examine(pid, &options(args)).and_then(|process| process.info());
    drop(attached);
    Ok(InfoAnswer { schema_version: SCHEMA_VERSION, info: info.map_err(|error| failure(&error))? })
}

impl TextAnswer for InfoAnswer {
    fn text(&self, look: TextStyle) -> String {
        let info = &self.info;
        let mut lines = vec![
            ("process", info.pid.to_string()),
            ("command", info.command.join(" ")),
            ("node", format!("{}, V8 {}", info.node, info.v8)),
            ("running", format!("{} s", info.uptime_s.round())),
            ("threads", count(info.threads as u64)),
        ];
        if let (Some(all), Some(sockets)) = (info.descriptors, info.sockets) {
            let all = count(all as u64);
            lines.push(("descriptors", format!("{all}, {} of them sockets", count(sockets as u64))));
        }
        lines.push((
            "memory",
            format!(
                "{} resident: {} written by the process (V8 pages {}), {} of files",
                size(info.memory.resident_bytes),
                size(info.memory.anonymous_bytes),
                size(info.memory.v8_pages),
                size(info.memory.file_bytes)
            ),
        ));
        if info.memory.swap_bytes > 0 {
            lines.push(("swap", size(info.memory.swap_bytes)));
        }
        let live = plural(info.live_objects, "object");
        lines.push(("live", format!("{live} in {} of isolate {}", size(info.live_bytes), info.isolate)));
        let isolates = info.isolates.iter().map(|isolate| {
            let whose = if isolate.main { ", the main thread's" } else { ", a worker's" };
            ("isolate", format!("{} {}{whose}", isolate.number, size(isolate.page_bytes)))
        });
        lines.extend(isolates);
        lines.extend(told(&info.collections, &info.handles, &info.timers));
        lines.push(("paused", format!("{:.0} ms", info.pause_ms)));
        facts(lines, look) + &next::command(look, &["leaks", &info.pid.to_string()])
    }
}

/// Instead of stacks.
const NO_JAVASCRIPT: &str =
    "No thread was running JavaScript: the event loop was waiting, or native code was running.";

/// One look at the stacks.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Look {
    time: String,
    pause_ms: f64,
    stacks: Vec<StackInfo>,
    /// What the main thread seems to be busy with, where its innermost frames say so plainly.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StackAnswer {
    schema_version: u32,
    pid: u32,
    looks: Vec<Look>,
    /// The main thread's outermost frames that were the same in all looks, the innermost first.
    common: Vec<String>,
}

/// The JavaScript stacks of a running process, in one look or several.
pub fn stack(pid: u32, args: &StackArgs) -> Result<StackAnswer, Failure> {
    // Ctrl-C ends the looks; what was seen is shown.
    let _interrupts = Interrupts::new();
    let process = Process::examine(pid, &options(&args.source.core)).map_err(|error| failure(&error))?;
    let looks = if args.watch.is_some() { args.count } else { 1 };
    let mut answer =
        StackAnswer { schema_version: SCHEMA_VERSION, pid, looks: Vec::new(), common: Vec::new() };
    for number in 0..looks {
        if number > 0 {
            let time = args.watch.unwrap_or_default();
            if rest(time, &format!("look {} of {looks}", number + 1)).is_err() {
                break;
            }
        }
        let attached = Attached::new();
        let found = process.stacks().map_err(|error| failure(&error))?;
        drop(attached);
        let main = found.stacks.iter().find(|stack| stack.main);
        answer.looks.push(Look {
            time: Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            pause_ms: found.pause_ms,
            hint: main.and_then(|stack| hint(stack, |script, line| line_of(pid, script, line))),
            stacks: found.stacks,
        });
    }
    answer.common = common(&answer.looks);
    Ok(answer)
}

fn frame_text(frame: &FrameInfo) -> String {
    let function = if frame.function.is_empty() { "(anonymous)" } else { &frame.function };
    match (&frame.script, frame.line.filter(|_| frame.exact)) {
        (Some(script), Some(line)) => format!("{function} {script}:{line}"),
        (Some(script), None) => format!("{function} {script}"),
        _ => function.to_owned(),
    }
}

/// What all looks have in common from the outermost frame on; of one look nothing.
fn common(looks: &[Look]) -> Vec<String> {
    if looks.len() < 2 {
        return Vec::new();
    }
    let outermost_first = |look: &Look| -> Vec<String> {
        let main = look.stacks.iter().find(|stack| stack.main);
        main.map(|stack| stack.frames.iter().rev().map(frame_text).collect()).unwrap_or_default()
    };
    let mut common = looks.first().map(outermost_first).unwrap_or_default();
    for look in &looks[1..] {
        let other = outermost_first(look);
        let same = common.iter().zip(&other).take_while(|(a, b)| a == b).count();
        common.truncate(same);
    }
    common.reverse();
    common
}

/// Frames that are looked at for a hint.
const INNERMOST: usize = 4;

/// What the innermost frames plainly show. V8's functions that are written in C++ have no frame of JavaScript, so the line
/// that calls them is looked at, too.
fn hint(stack: &StackInfo, line_of: impl Fn(&str, u32) -> Option<String>) -> Option<&'static str> {
    let innermost = || stack.frames.iter().take(INNERMOST);
    let builtin = |name: &str| innermost().any(|frame| frame.kind == "builtin" && frame.function == name);
    let of_regular_expressions =
        ["exec", "test", "[Symbol.replace]", "[Symbol.match]", "[Symbol.split]", "[Symbol.matchAll]"];
    let of_node = |frame: &FrameInfo| frame.script.as_ref().is_some_and(|script| script.starts_with("node:"));
    if let Some(called) = stack.frames.first().and_then(|frame| called_at(frame, line_of)) {
        return Some(called);
    }
    if of_regular_expressions.iter().any(|name| builtin(name)) {
        Some("a regular expression")
    } else if innermost().any(|frame| frame.function.ends_with("Sync") && of_node(frame)) {
        Some("a synchronous call of Node, which blocks the event loop")
    } else {
        None
    }
}

/// Functions of V8 that may take long, as they are called.
const CALLS: [(&str, &str); 3] = [
    ("JSON.parse", "JSON.parse"),
    ("JSON.stringify", "JSON.stringify"),
    ("Atomics.wait", "Atomics.wait, which blocks the thread"),
];

/// What the innermost function calls, if it stands at one of these calls.
fn called_at(frame: &FrameInfo, line_of: impl Fn(&str, u32) -> Option<String>) -> Option<&'static str> {
    let ((Some(script), Some(line)), Some(column), true) =
        ((&frame.script, frame.line), frame.column, frame.exact)
    else {
        return None;
    };
    let text = line_of(script, line)?;
    let at = usize::try_from(column).ok()?.checked_sub(1)?;
    CALLS.iter().find_map(|&(call, said)| {
        // The position of a call is the object's or the property's.
        let property = call.find('.')? + 1;
        let starts = [Some(at), at.checked_sub(property)];
        let stands = |start: usize| text.get(start..).is_some_and(|rest| rest.starts_with(call));
        starts.into_iter().flatten().any(stands).then_some(said)
    })
}

/// A line of a script, if its file is where the process has it.
fn line_of(pid: u32, script: &str, line: u32) -> Option<String> {
    let path = script.strip_prefix("file://").unwrap_or(script);
    let file =
        path.starts_with('/').then(|| stillheap_limits::read_text(format!("/proc/{pid}/root{path}")).ok());
    file??.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?).map(str::to_owned)
}

impl TextAnswer for StackAnswer {
    fn text(&self, style: TextStyle) -> String {
        let mut out = String::new();
        for look in &self.looks {
            if self.looks.len() > 1 {
                out += &format!("{} (paused {:.0} ms)\n", look.time, look.pause_ms);
            }
            match look.stacks.is_empty() {
                true => out += &(fitted(style, NO_JAVASCRIPT, 0, 0) + "\n"),
                false => out += &stack_text(&look.stacks, style),
            }
            if let Some(hint) = look.hint {
                out += &format!("  {}\n", fitted(style, &format!("the main thread is in {hint}"), 2, 2));
            }
            match self.looks.len() {
                1 => out += &format!("\npaused {:.0} ms\n", look.pause_ms),
                _ => out.push('\n'),
            }
        }
        if self.looks.len() > 1 {
            match self.common.is_empty() {
                true => out += "The stacks have no frame in common.\n",
                false => {
                    out += &format!("In all {} stacks, the main thread was in:\n", self.looks.len());
                    for frame in &self.common {
                        out += &format!("  {}\n", fitted(style, &visible(frame), 2, 6));
                    }
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, kind: &'static str, script: Option<&str>) -> FrameInfo {
        FrameInfo {
            kind,
            function: function.to_owned(),
            script: script.map(str::to_owned),
            line: Some(7),
            column: Some(1),
            exact: true,
            receiver: None,
        }
    }

    fn look(frames: Vec<FrameInfo>) -> Look {
        let stack = StackInfo { thread: 1, main: true, isolate: 0, frames };
        Look {
            time: String::new(),
            pause_ms: 1.0,
            hint: hint(&stack, |_, _| Some("  x = JSON.parse(y);".to_owned())),
            stacks: vec![stack],
        }
    }

    #[test]
    fn what_is_plain_is_told() {
        let spin = || frame("spin", "interpreted", Some("/app.js"));
        for (innermost, said) in [
            (
                FrameInfo { column: Some(7), ..frame("load", "interpreted", Some("/app.js")) },
                Some("JSON.parse"),
            ),
            (
                FrameInfo { column: Some(12), ..frame("load", "interpreted", Some("/app.js")) },
                Some("JSON.parse"),
            ),
            (FrameInfo { column: Some(3), ..frame("load", "interpreted", Some("/app.js")) }, None),
            (frame("exec", "builtin", None), Some("a regular expression")),
            (
                frame("readFileSync", "interpreted", Some("node:fs")),
                Some("a synchronous call of Node, which blocks the event loop"),
            ),
            (frame("parse", "interpreted", Some("/app.js")), None),
            (frame("saveSync", "interpreted", Some("/app.js")), None),
        ] {
            assert_eq!(look(vec![innermost, spin()]).hint, said);
        }
    }

    #[test]
    fn looks_have_their_outermost_frames_in_common() {
        let outer =
            || vec![frame("handle", "optimised", Some("/app.js")), frame("main", "interpreted", None)];
        let with = |name: &str| {
            let mut frames = vec![frame(name, "interpreted", Some("/app.js"))];
            frames.extend(outer());
            look(frames)
        };
        assert_eq!(common(&[with("a"), with("b")]), ["handle /app.js:7", "main"]);
        assert_eq!(common(&[with("a"), with("a")]), ["a /app.js:7", "handle /app.js:7", "main"]);
        assert!(common(&[with("a")]).is_empty() && common(&[with("a"), look(Vec::new())]).is_empty());
    }
}
