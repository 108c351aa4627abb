//! The command line `stillheap`.
//!
//! Data flows one way: arguments → a snapshot → an answer ([`stillheap_questions`]) → JSON, or text. Only
//! this file and its neighbours print; memory is the snapshot's plus one answer, which is bounded unless `--limit 0`
//! asks for all.
#![forbid(unsafe_code)]

mod answer;
mod args;
mod commands;
mod console;
mod core;
#[cfg(target_os = "linux")]
mod dump;
mod exit;
mod find;
mod help;
#[cfg(unix)]
#[cfg_attr(
    not(all(target_os = "linux", target_arch = "x86_64")),
    allow(dead_code, reason = "only attaching makes what has to be removed")
)]
mod interrupts;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod live;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[path = "no_live.rs"]
mod live;
mod load;
mod pager;
mod redact;
mod report;
#[cfg(target_os = "linux")]
mod target;
mod terminal;
#[cfg(target_os = "linux")]
mod watch;
#[cfg(target_os = "linux")]
mod watch_outside;

use std::ffi::OsString;
use std::io::IsTerminal;

use crate::answer::TextAnswer;
use args::{Cli, Color, Command, DiffArgs, FileQuestion, LeaksArgs, ReportArgs, VerifyArgs};
use clap::{Args, FromArgMatches};
use console::{Console, fail, say};
use exit::{NO, OK, SALVAGED, USAGE};
pub use load::{index_options, read_limits};
use serde::Serialize;
use stillheap_questions::{self as questions, Failure, Opened, Scripts, View};
use stillheap_render::{self as render, TextStyle, next};

/// Runs a command, given without the program's name, and prints what comes of it; returns the exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> i32 {
    #[cfg(unix)]
    interrupts::install();
    terminal::choose_colours(Color::Auto);
    let all: Vec<OsString> = std::iter::once(OsString::from("stillheap")).chain(args).collect();
    if let Some((theirs, ours)) = all.get(1).and_then(|word| Some((word, commands::of_llnode(word)?))) {
        say(&format!("`{}` of llnode is `stillheap {ours}`.", theirs.display()));
    }
    match commands::command().try_get_matches_from(all).and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => {
            terminal::choose_colours(cli.terminal.color);
            pager::configure(!cli.terminal.no_pager);
            dispatch(cli.command)
        }
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { OK };
            // Nobody reads it: then nobody is to be told.
            let _ = error.print();
            code
        }
    }
}

fn dispatch(command: Command) -> i32 {
    match command {
        Command::Dump(args) => dump(&args),
        Command::Watch(args) => watch(&args),
        Command::Verify(args) => verify(&args),
        Command::Redact(args) => redact(&args),
        Command::Diff(args) => diff(&args),
        Command::Report(args) => report(&args),
        Command::Mcp => serve(),
        Command::Leaks(args) => leaks(&args),
        Command::Info(args) => match load::process(&args.file) {
            Some(pid) => answer(live::info(pid, &args.core), args.json),
            None => answer(core::info(&args), args.json),
        },
        Command::Stack(args) => match load::process(&args.source.file) {
            Some(pid) => answer(live::stack(pid, &args), args.source.json),
            None => answer(core::stack(&args.source), args.source.json),
        },
        Command::Convert(args) => answer(core::convert(&args), args.source.json),
        Command::Completions { shell } => completions(shell),
        Command::Summary(ask) => ask_for(
            &ask,
            |view, request| view.summary(request),
            |file, request, answer, look| {
                render::summary(file, answer, &request.filter, look)
                    + &next::summary(&file.file, answer, look)
            },
        ),
        Command::Instances(ask) => ask_for(
            &ask,
            |view, request| view.instances(request),
            |file, request, answer, look| {
                render::instances(answer, &request.filter, look) + &next::instances(&file.file, answer, look)
            },
        ),
        Command::Inspect(ask) => ask_for(
            &ask,
            |view, request| view.inspect(request),
            |file, request, answer, look| {
                render::inspection(answer, &request.filter, look)
                    + &next::inspection(&file.file, &answer.node.info, look)
            },
        ),
        Command::Retainers(ask) => ask_for(
            &ask,
            |view, request| view.retainers(request),
            |file, request, answer, look| {
                render::retainers(answer, &request.filter, look) + &next::retainers(&file.file, answer, look)
            },
        ),
        Command::Dominators(ask) => ask_for(
            &ask,
            |view, request| view.dominators(request),
            |file, request, answer, look| {
                render::dominators(answer, &request.filter, look)
                    + &next::dominators(&file.file, answer, look)
            },
        ),
        Command::Containment(ask) => ask_for(
            &ask,
            |view, request| view.containment(request),
            |file, request, answer, look| {
                render::containment(answer, &request.filter, look)
                    + &next::containment(&file.file, answer, look)
            },
        ),
        Command::Strings(ask) => ask_for(
            &ask,
            |view, request| view.strings(request),
            |file, request, answer, look| {
                render::strings(answer, &request.filter, look) + &next::strings(&file.file, answer, look)
            },
        ),
        Command::Closures(ask) => ask_for(
            &ask,
            |view, request| view.closures(request),
            |file, request, answer, look| {
                render::closures(answer, &request.filter, look) + &next::closures(&file.file, answer, look)
            },
        ),
        Command::Timeline(ask) => timeline(&ask),
        Command::Query(ask) => ask_for(
            &ask,
            |view, request| view.query(request),
            |file, _, answer, look| render::query(answer, look) + &next::query(&file.file, answer, look),
        ),
    }
}

fn completions(shell: clap_complete::Shell) -> i32 {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut commands::command(), "stillheap", &mut script);
    let mut console = Console::new();
    console.text(&String::from_utf8_lossy(&script));
    end(console, OK)
}

/// A file without a timeline is an answer, but not the one that was asked for.
fn timeline(ask: &FileQuestion<questions::TimelineRequest>) -> i32 {
    let missing = std::cell::Cell::new(false);
    let code = ask_for(
        ask,
        |view, request| {
            let answer = view.timeline(request)?;
            missing.set(answer.samples.is_empty() && answer.page.total == 0 && request.filter.is_empty());
            Ok(answer)
        },
        |file, request, answer, look| {
            if missing.get() {
                let text = format!(
                    "{} has no allocation timeline. Record one in Chrome DevTools (Memory, \"Allocations on \
                     timeline\") or with HeapProfiler.startTrackingHeapObjects of the inspector.\n",
                    render::visible(&file.file)
                );
                return look.wrap(&text, 0, 0) + "\n";
            }
            render::timeline(answer, &request.filter, look)
        },
    );
    if code == OK && missing.get() { NO } else { code }
}

/// Opens the file, asks, prints.
fn ask_for<R: Args, A: Serialize>(
    ask: &FileQuestion<R>,
    question: impl FnOnce(&View<'_>, &R) -> Result<A, Failure>,
    draw: impl FnOnce(&Opened, &R, &A, TextStyle) -> String,
) -> i32 {
    let json = ask.common.json;
    let opened = match load::open(&ask.source.file, &ask.common) {
        Ok(opened) => opened,
        Err(failure) => return refuse(&failure, json),
    };
    load::warn_of_salvage(&opened);
    let asked = || opened.ask(|view| question(&view, &ask.request));
    let answer = match load::working("analysing", asked) {
        Ok(answer) => answer,
        Err(failure) => return refuse(&failure, json),
    };
    let code = if opened.salvage().is_some() { SALVAGED } else { OK };
    let mut console = Console::new();
    if json {
        console.json(&opened.report(answer));
    } else {
        let text = draw(&opened, &ask.request, &answer, console.look());
        console.text(&text);
    }
    let code = end(console, code);
    // The next question is answered from it. Whether it could be written changes nothing about this one.
    opened.write_index();
    // The process is about to end: giving back the snapshot's memory piece by piece would only take time.
    std::mem::forget(opened);
    code
}

/// Prints an answer that draws itself.
fn answer<A: Serialize + TextAnswer>(answer: Result<A, Failure>, json: bool) -> i32 {
    match answer {
        Ok(answer) => {
            let mut console = Console::new();
            if json {
                console.json(&answer);
            } else {
                console.text(&answer.text(console.look()));
            }
            end(console, OK)
        }
        Err(failure) => refuse(&failure, json),
    }
}

fn refuse(failure: &Failure, json: bool) -> i32 {
    fail(failure, json);
    USAGE
}

fn end(console: Console, code: i32) -> i32 {
    match console.finish() {
        Ok(()) => code,
        Err(failure) => refuse(&failure, false),
    }
}

fn verify(args: &VerifyArgs) -> i32 {
    let file = args.source.file.to_string_lossy();
    let limits = match load::read_limits(None) {
        Ok(limits) => limits.unwrap_or_default(),
        Err(failure) => return refuse(&failure, args.json),
    };
    let read = load::read(&args.source.file, None, limits);
    let answer = match questions::verify(&read, &file) {
        Ok(answer) => answer,
        Err(failure) => return refuse(&failure, args.json),
    };
    let mut console = Console::new();
    if args.json {
        console.json(&answer);
    } else {
        let text = render::verification(&answer);
        let look = console.look();
        let line = |line: &str| answer::fitted(look, line, 0, 2) + "\n";
        console.text(&text.lines().map(line).collect::<String>());
    }
    end(console, if answer.whole { OK } else { NO })
}

fn redact(args: &args::RedactArgs) -> i32 {
    match redact::redact(args) {
        Ok(answer) => {
            let mut console = Console::new();
            if args.json {
                console.json(&answer);
            } else {
                console.text(&answer.text(console.look()));
            }
            end(console, OK)
        }
        Err(failure) => refuse(&failure, args.json),
    }
}

/// Asks about several files and prints; `code` says how it ends if all are whole.
fn ask_about_all<A: Serialize>(
    files: Vec<Opened>,
    json: bool,
    what: &'static str,
    question: impl FnOnce(&[&Opened]) -> Result<A, Failure>,
    code: impl FnOnce(&A) -> i32,
    draw: impl FnOnce(&A, TextStyle) -> String,
) -> i32 {
    let all: Vec<&Opened> = files.iter().collect();
    let answer = match load::working(what, || question(&all)) {
        Ok(answer) => answer,
        Err(failure) => return refuse(&failure, json),
    };
    let code = match code(&answer) {
        OK if files.iter().any(|file| file.salvage().is_some()) => SALVAGED,
        code => code,
    };
    let mut console = Console::new();
    if json {
        console.json(&answer);
    } else {
        let text = draw(&answer, console.look());
        console.text(&text);
    }
    let code = end(console, code);
    std::mem::forget(files);
    code
}

fn diff(args: &DiffArgs) -> i32 {
    let json = args.common.json;
    let files = match load::open_all(&args.files, &args.common) {
        Ok(files) => files,
        Err(failure) => return refuse(&failure, json),
    };
    let question = |all: &[&Opened]| questions::diff(all, &args.request);
    let code = |answer: &questions::Diff| if answer.failed() { NO } else { OK };
    let draw = |answer: &questions::Diff, look: TextStyle| {
        render::diff(answer, &args.request.filter, look) + &next::diff(answer, look)
    };
    ask_about_all(files, json, "comparing", question, code, draw)
}

fn leaks(args: &LeaksArgs) -> i32 {
    let json = args.common.json;
    // Its files are removed when the answer has been printed.
    let series = match &args.files[..] {
        [file] => load::process(file).map(|pid| live::series(pid, args)).transpose(),
        _ => Ok(None),
    };
    let files = series.and_then(|series| {
        let given = series.as_ref().map_or(&args.files, |series| &series.files);
        Ok((find::given(given).and_then(|files| load::open_all(&files, &args.common))?, series))
    });
    let (files, series) = match files {
        Ok(files) => files,
        Err(failure) => return refuse(&failure, json),
    };
    let scripts = Scripts::new(args.source_maps.as_deref());
    let question = |all: &[&Opened]| questions::leaks(all, &args.request, &scripts);
    let least = args.fail_on.map(args::LeastConfidence::confidence);
    let code = |answer: &questions::LeaksAnswer| if answer.fails(least) { NO } else { OK };
    let every = format!("{}s", args.every.as_secs_f64());
    let draw = |answer: &questions::LeaksAnswer, look: TextStyle| {
        let next = match (&series, &args.files[..]) {
            // The snapshots are about to be removed: nothing can be asked of them.
            (Some(_), [pid]) if args.keep.is_none() => {
                next::command(look, &["leaks", &pid.to_string_lossy(), "--every", &every, "--keep", "."])
            }
            _ => next::leaks(answer, args.files.is_empty(), look),
        };
        render::leaks(answer, look) + &next
    };
    ask_about_all(files, json, "looking for leaks", question, code, draw)
}

fn report(args: &ReportArgs) -> i32 {
    match report::report(args) {
        Ok((console, salvaged)) => end(console, if salvaged { SALVAGED } else { OK }),
        Err(failure) => refuse(&failure, args.common.json),
    }
}

#[cfg(not(feature = "mcp"))]
fn serve() -> i32 {
    refuse(&Failure::new("ERR_STILLHEAP_UNSUPPORTED", "this binary was built without the MCP server"), false)
}

#[cfg(feature = "mcp")]
fn serve() -> i32 {
    if std::io::stdin().is_terminal() {
        say(
            "this is a server for AI assistants: it speaks the Model Context Protocol on standard input and output",
        );
    }
    let served = read_limits(None).and_then(|limits| stillheap_mcp::serve(index_options(false), limits));
    match served {
        Ok(()) => OK,
        Err(failure) => refuse(&failure, false),
    }
}

#[cfg(target_os = "linux")]
fn dump(args: &args::DumpArgs) -> i32 {
    match dump::choose(args) {
        Ok(answer) => {
            let mut console = Console::new();
            if args.json {
                console.json(&answer);
            } else {
                console.text(&answer.text(console.look()));
            }
            end(console, if answer.ok() { OK } else { NO })
        }
        Err(failure) => {
            fail(&failure.why, args.json);
            failure.code
        }
    }
}

#[cfg(target_os = "linux")]
fn watch(args: &args::WatchArgs) -> i32 {
    match watch::watch(args) {
        Ok(code) => code,
        Err(failure) => {
            fail(&failure.why, args.json);
            failure.code
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn watch(args: &args::WatchArgs) -> i32 {
    refuse(
        &Failure::new(
            "ERR_STILLHEAP_UNSUPPORTED",
            "'watch' finds the process through /proc, which only Linux has: call watch() in the process instead",
        ),
        args.json,
    )
}

#[cfg(not(target_os = "linux"))]
fn dump(args: &args::DumpArgs) -> i32 {
    refuse(
        &Failure::new(
            "ERR_STILLHEAP_UNSUPPORTED",
            "'dump' finds the process through /proc, which only Linux has: send it SIGUSR2 instead",
        ),
        args.json,
    )
}
