//! `watch PID` and `watch -- COMMAND`: what the growth watch in a process sees, as it sees it. Of a process that has none,
//! what can be seen from outside (`watch_outside`).
//!
//! The process shows its latest samples on its status page; this looks at the page and never at the process, which
//! doesn't notice. Samples that come faster than the page keeps them are missed and counted.

use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use stillheap_control::{Note, Sample, Status, Watch};

use crate::args::WatchArgs;
use crate::console::RetryWriter;
use crate::exit::{NO, OK, USAGE};
use crate::target::{PAUSE, Target, TargetError, refusal};
use crate::terminal::for_child;
use stillheap_limits::read_text;
use stillheap_questions::SCHEMA_VERSION;
use stillheap_render::{TextStyle, size, visible};

/// How long a command may take to load stillheap before it is said that it hasn't.
const PATIENCE: Duration = Duration::from_secs(20);
/// Samples that the drawing shows.
const DRAWN: usize = 40;

/// Watches until the process ends or the time is over.
pub fn watch(args: &WatchArgs) -> Result<i32, TargetError> {
    let until = args.time.map(|time| Instant::now() + time);
    match args.pid {
        Some(pid) => watch_running(pid, args, until),
        None => watch_started(&args.command, args.json, until),
    }
}

fn watch_running(pid: u32, args: &WatchArgs, until: Option<Instant>) -> Result<i32, TargetError> {
    let json = args.json;
    let target = match Target::find(pid, watches) {
        Err(error) if error.why.code == "ERR_STILLHEAP_NOT_LOADED" => {
            return crate::watch_outside::watch(pid, args.every, json, until);
        }
        found => found?,
    };
    if target.status()?.watch.is_none() {
        return Err(refusal(
            USAGE,
            "ERR_STILLHEAP_NOT_WATCHING",
            format!(
                "process {pid} has loaded stillheap but does not watch its heap; start it with STILLHEAP_WATCH=1, \
                 or call watch() in it"
            ),
        ));
    }
    let draw = !json && io::stdout().is_terminal() && !crate::terminal::dumb();
    let mut view = WatchOutput::new(Box::new(io::stdout()), json, draw);
    follow(&target, &mut view, until, || target.has_ended());
    view.end();
    Ok(if view.failed { NO } else { OK })
}

fn watch_started(command: &[OsString], json: bool, until: Option<Instant>) -> Result<i32, TargetError> {
    let mut child = start(command, json)?;
    let pid = child.id();
    let out: Box<dyn Write> = if json { Box::new(io::stdout()) } else { Box::new(io::stderr()) };
    let mut view = WatchOutput::new(out, json, false);
    let begun = Instant::now();
    let mut warned = false;
    let mut status = None;
    loop {
        if let Some(target) = find_below(pid) {
            follow(&target, &mut view, until, || {
                status = status.or_else(|| child.try_wait().ok().flatten());
                status.is_some() || target.has_ended()
            });
        }
        status = status.or_else(|| child.try_wait().ok().flatten());
        let over = until.is_some_and(|until| Instant::now() >= until);
        if status.is_some() || over {
            break;
        }
        if !warned && begun.elapsed() > PATIENCE && view.last_sample == 0 {
            warned = true;
            crate::console::say("the command has not loaded stillheap so far; is it a Node.js program?");
        }
        std::thread::sleep(PAUSE);
    }
    view.end();
    Ok(match status {
        Some(status) => exit_code(status),
        None => OK,
    })
}

/// As a shell has it.
fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Starts the command with the watch loaded.
fn start(command: &[OsString], json: bool) -> Result<Child, TargetError> {
    let package = std::env::var_os("STILLHEAP_PACKAGE").map(PathBuf::from);
    let package = package.filter(|package| package.join("index.js").exists()).ok_or_else(|| {
        refusal(
            USAGE,
            "ERR_STILLHEAP_UNSUPPORTED",
            "to start a command, run 'npx stillheap watch -- …': the package has to be there".to_owned(),
        )
    })?;
    let [program, arguments @ ..] = command else {
        return Err(refusal(USAGE, "ERR_INVALID_ARG_VALUE", "there is no command to start".to_owned()));
    };
    let mut options = std::env::var_os("NODE_OPTIONS").unwrap_or_default();
    if !options.is_empty() {
        options.push(" ");
    }
    // Node itself reads the name of a module as text.
    let path = package.to_str().ok_or_else(|| {
        let message = format!("{} is not UTF-8: Node can't load the package from there", package.display());
        refusal(USAGE, "ERR_STILLHEAP_UNSUPPORTED", message)
    })?;
    // In quotes, within which a backslash stands for the next character.
    let path = path.replace('\\', "\\\\").replace('"', "\\\"");
    options.push(format!("--require \"{path}\""));
    let mut start = Command::new(program);
    start
        .args(arguments)
        .env("NODE_OPTIONS", options)
        .env("STILLHEAP_WATCH", "1")
        .env_remove("STILLHEAP_PACKAGE");
    let ours = || {
        let output = if json { for_child(&io::stderr()) } else { for_child(&io::stdout()) };
        io::Result::Ok((for_child(&io::stdin())?, output?, for_child(&io::stderr())?))
    };
    if let Ok((stdin, stdout, stderr)) = ours() {
        start.stdin(stdin).stdout(stdout).stderr(stderr);
    }
    start.spawn().map_err(|error| {
        let code = if error.kind() == io::ErrorKind::NotFound { "ENOENT" } else { "EIO" };
        refusal(USAGE, code, format!("'{}' cannot be started: {error}", visible(&program.to_string_lossy())))
    })
}

fn watches(status: &Status) -> bool {
    status.watch.is_some()
}

/// The process or, behind a shell or npm, the farthest of its descendants that watches.
fn find_below(pid: u32) -> Option<Target> {
    let mut all = vec![pid];
    let mut at = 0;
    while at < all.len() && all.len() < 1000 {
        let tasks = fs::read_dir(format!("/proc/{}/task", all[at])).into_iter().flatten().flatten();
        for task in tasks {
            let children = read_text(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        at += 1;
    }
    all.into_iter().rev().find_map(|pid| {
        let target = Target::find(pid, watches).ok()?;
        target.look().is_some_and(|status| watches(&status)).then_some(target)
    })
}

/// Shows what comes until the end.
fn follow(target: &Target, view: &mut WatchOutput, until: Option<Instant>, mut ended: impl FnMut() -> bool) {
    view.begin(target.pid);
    loop {
        // In this order: what a process wrote before it ended is seen.
        let last = ended();
        if let Some(status) = target.look() {
            view.show(target.pid, &status);
        }
        if last || view.failed || until.is_some_and(|until| Instant::now() >= until) {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

/// A line of `--json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a, T: Serialize> {
    schema_version: u32,
    kind: &'static str,
    pid: u32,
    thread_id: u32,
    number: u64,
    #[serde(flatten)]
    what: &'a T,
}

/// Where samples and events go.
struct WatchOutput {
    out: RetryWriter<Box<dyn Write>>,
    json: bool,
    draw: bool,
    /// Columns of a line; None if nothing has to fit.
    width: Option<usize>,
    /// Lines of the drawing on the terminal, which the next one replaces.
    drawn: usize,
    last_sample: u64,
    last_note: u64,
    missed: u64,
    failed: bool,
}

impl WatchOutput {
    fn new(out: Box<dyn Write>, json: bool, draw: bool) -> Self {
        Self {
            out: RetryWriter(out),
            json,
            draw,
            width: crate::console::width(),
            drawn: 0,
            last_sample: 0,
            last_note: 0,
            missed: 0,
            failed: false,
        }
    }

    /// Another process: its numbers begin anew.
    fn begin(&mut self, _pid: u32) {
        (self.last_sample, self.last_note, self.drawn) = (0, 0, 0);
    }

    fn show(&mut self, pid: u32, status: &Status) {
        let Some(watch) = &status.watch else { return };
        if watch.seen <= self.last_sample && watch.noted <= self.last_note {
            return;
        }
        let mut text = String::new();
        if self.draw {
            text += &self.redraw(pid, status, watch);
        }
        for (number, sample) in watch.samples_after(self.last_sample) {
            if self.last_sample > 0 {
                self.missed += number - self.last_sample - 1;
            }
            self.last_sample = number;
            if self.json {
                text += &json_line("sample", pid, watch.thread_id, number, sample);
            } else if !self.draw {
                text += &sample_line(sample, self.width);
            }
        }
        for (number, note) in watch.notes_after(self.last_note) {
            self.last_note = number;
            if self.json {
                text += &json_line("event", pid, watch.thread_id, number, &Event::of(note));
            } else if !self.draw {
                text += &fitted_note(note, self.width);
            }
        }
        self.write(&text);
    }

    fn write(&mut self, text: &str) {
        self.failed |= self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).is_err();
    }

    fn end(&mut self) {
        if self.missed > 0 && !self.json && !self.draw {
            let text = format!("{} samples came too fast to be seen\n", self.missed);
            self.write(&text);
        }
    }

    /// The whole picture, over the last one.
    fn redraw(&mut self, pid: u32, status: &Status, watch: &Watch) -> String {
        let width = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
        let lines = picture(pid, status, watch, width);
        let mut text = String::new();
        if self.drawn > 0 {
            text += &format!("\x1b[{}A", self.drawn);
        }
        for line in &lines {
            text += &format!("\x1b[2K{line}\n");
        }
        // Fewer lines than before leave none of the old ones.
        text += "\x1b[J";
        self.drawn = lines.len();
        text
    }
}

/// An event, its time as text.
#[derive(Serialize)]
struct Event<'a> {
    at: u64,
    event: &'a str,
    text: &'a str,
}

impl<'a> Event<'a> {
    fn of(note: &'a Note) -> Self {
        Self { at: note.at, event: &note.kind, text: &note.text }
    }
}

fn json_line<T: Serialize>(kind: &'static str, pid: u32, thread_id: u32, number: u64, what: &T) -> String {
    let line = Line { schema_version: SCHEMA_VERSION, kind, pid, thread_id, number, what };
    // Our own types serialize; texts are the watch's own sentences, and JSON escapes control characters.
    serde_json::to_string(&line).map_or_else(|_| String::new(), |line| line + "\n")
}

fn time(at: u64) -> String {
    let time = i64::try_from(at).ok().and_then(DateTime::<Utc>::from_timestamp_millis);
    time.map_or_else(|| at.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// `+1.23 MB/h`
fn speed(velocity: f64) -> String {
    let sign = if velocity < 0.0 { '-' } else { '+' };
    format!("{sign}{}/h", size(velocity.abs() as u64))
}

/// A sample as one line. On a narrow terminal the columns of least worth are left out.
fn sample_line(sample: &Sample, width: Option<usize>) -> String {
    let columns = [
        (0, Some(format!("{}  heap {:>8}", time(sample.at), size(sample.used)))),
        (2, sample.rss.map(|rss| format!("rss {:>8}", size(rss)))),
        (4, Some(format!("full {:>4}", sample.collections))),
        (3, Some(format!("paused {:>6.0} ms", sample.paused_ms))),
        (1, sample.velocity.map(speed)),
    ];
    let line = |least_worth: u8| {
        let shown = columns.iter().filter(|(worth, _)| *worth <= least_worth);
        shown.filter_map(|(_, text)| text.clone()).collect::<Vec<_>>().join("  ")
    };
    let fits = |text: &String| width.is_none_or(|width| text.len() <= width);
    (0..=4).rev().map(line).find(fits).unwrap_or_else(|| line(0)) + "\n"
}

/// The same, wrapped below its text.
fn fitted_note(note: &Note, width: Option<usize>) -> String {
    let line = note_line(note);
    match width {
        Some(_) => TextStyle { width, ..TextStyle::default() }.wrap(line.trim_end(), 0, 4) + "\n",
        None => line,
    }
}

fn note_line(note: &Note) -> String {
    format!("{}  {}: {}\n", time(note.at), visible(&note.kind), visible(&note.text))
}

/// Heights of a bar.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One character per value, the least the lowest. Values that hardly differ are all low.
fn sparkline(values: &[u64]) -> String {
    let (Some(&least), Some(&most)) = (values.iter().min(), values.iter().max()) else {
        return String::new();
    };
    // A heap that moves by less than a twentieth is flat.
    let range = (most - least).max(most / 20).max(1);
    let bar = |value: u64| {
        let height = u128::from(value - least) * (BARS.len() as u128 - 1) / u128::from(range);
        BARS[usize::try_from(height).unwrap_or(0).min(BARS.len() - 1)]
    };
    values.iter().map(|&value| bar(value)).collect()
}

/// The lines of the drawing.
fn picture(pid: u32, status: &Status, watch: &Watch, width: usize) -> Vec<String> {
    let thread = if watch.thread_id == 0 { String::new() } else { format!(", worker {}", watch.thread_id) };
    let mut lines = vec![format!("process {pid}{thread}, Node {}", visible(&status.node))];
    let Some(last) = watch.samples.last() else {
        lines.push("no full collection so far".to_owned());
        return lines;
    };
    let drawn = DRAWN.min(width.saturating_sub(40)).max(8);
    let values: Vec<u64> = watch.samples.iter().map(|sample| sample.used).collect();
    let values = &values[values.len().saturating_sub(drawn)..];
    lines.push(format!(
        "heap after GC  {:>8} of {:>8}  {}",
        size(last.used),
        size(last.limit),
        sparkline(values)
    ));
    let velocity = last.velocity.map_or_else(|| "not known yet".to_owned(), speed);
    lines.push(format!("velocity       {velocity}"));
    let rss = last.rss.map_or_else(String::new, |rss| format!("{} resident, ", size(rss)));
    lines.push(format!("memory         {rss}{} outside the heap", size(last.external)));
    lines.push(format!(
        "collections    {} full; all together paused the thread for {:.0} ms",
        last.collections, last.paused_ms
    ));
    for note in &watch.notes {
        let line = note_line(note);
        lines.push(line.trim_end().chars().take(width.max(20)).collect());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_span_the_least_and_the_most() {
        assert_eq!(sparkline(&[]), "");
        assert_eq!(sparkline(&[10, 20, 30, 80]), "▁▂▃█");
        assert_eq!(sparkline(&[1000, 1001, 1000]), "▁▁▁");
        assert_eq!(sparkline(&[0, u64::MAX]), "▁█");
        assert_eq!(sparkline(&[0, 0]), "▁▁");
    }

    #[test]
    fn lines_are_for_people_and_for_programs() {
        let sample = Sample {
            at: 1_795_367_700_123,
            used: 34_500_000,
            limit: 4_000_000_000,
            rss: Some(120_000_000),
            external: 3_000_000,
            velocity: Some(12_300_000.0),
            collections: 12,
            paused_ms: 85.4,
        };
        assert_eq!(
            sample_line(&sample, None),
            "2026-11-22T17:15:00Z  heap  34.5 MB  rss   120 MB  full   12  paused     85 ms  +12.3 MB/h\n"
        );
        assert_eq!(
            sample_line(&sample, Some(64)),
            "2026-11-22T17:15:00Z  heap  34.5 MB  rss   120 MB  +12.3 MB/h\n"
        );
        for width in 40..100 {
            assert!(sample_line(&sample, Some(width)).trim_end().len() <= width, "{width}");
        }
        let line = json_line("sample", 7, 0, 3, &sample);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((value["kind"].as_str(), value["used"].as_u64()), (Some("sample"), Some(34_500_000)));
        assert_eq!(value["schemaVersion"], SCHEMA_VERSION);
        let note = Note { at: 0, kind: "leak".to_owned(), text: "it\u{1b}[2J grows".to_owned() };
        assert!(!note_line(&note).contains('\u{1b}'));
        assert!(!json_line("event", 7, 0, 1, &Event::of(&note)).contains('\u{1b}'));
    }

    #[test]
    fn the_picture_has_a_line_for_each_figure_and_each_event() {
        let mut watch = Watch::default();
        assert_eq!(picture(7, &Status::default(), &watch, 80).len(), 2);
        (1..=5).for_each(|n| watch.add(Sample { used: n << 20, limit: 1 << 30, ..Sample::default() }));
        watch.note(Note { at: 0, kind: "leak".to_owned(), text: "grows ".repeat(60) });
        let lines = picture(7, &Status::default(), &watch, 80);
        assert_eq!(lines.len(), 6);
        assert!(lines[1].ends_with("▁▂▄▆█"), "{}", lines[1]);
        assert_eq!(lines[5].chars().count(), 80);
    }
}
