//! `dump PID`: asks a running process for a snapshot and waits for it.
//!
//! The process's status page (stillheap-control) is found under `/proc/PID/fd`, which a user who may signal the
//! process may read, from outside a container, too. Everything is checked before the signal is sent, since a
//! process without a handler would be killed by it. Between looks it sleeps; nothing is left behind whatever
//! happens to either side.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;
use serde_json::Value;
use stillheap_control::{CaptureOutcome, CaptureProgress, PROTOCOL, Phase, Status};

use crate::answer::fitted;
use crate::args::{DumpArgs, How};
use crate::exit::{NO, USAGE};
use crate::live;
use crate::target::{PAUSE, Target, TargetError, refusal};
use stillheap_limits::read_text;
use stillheap_questions::SCHEMA_VERSION;
use stillheap_render::{TextStyle, next, size, visible};

/// The result.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dumped {
    schema_version: u32,
    pid: u32,
    /// The target's own words, from the capture's result.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// The bytes of `file` in hexadecimal digits, if they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    file_bytes: Option<String>,
    /// Where the file is seen from here, if elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    host_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

impl Dumped {
    /// A snapshot was written.
    pub fn ok(&self) -> bool {
        self.error.is_none()
    }

    /// For people.
    pub fn text(&self, look: TextStyle) -> String {
        if let Some(error) = &self.error {
            let text = |key: &str| error.get(key).and_then(Value::as_str);
            let code = text("code").map_or_else(String::new, |code| format!("{}: ", visible(code)));
            let message = visible(text("message").unwrap_or("no reason was given"));
            let code = if message.starts_with(code.trim_end()) { "" } else { &code };
            return format!("Process {} could not write a snapshot: {code}{message}\n", self.pid);
        }
        let file = visible(self.file.as_deref().unwrap_or("(no file)"));
        let file = match self.file_bytes.as_deref().and_then(bytes_of) {
            Some(bytes) => quoted(&bytes),
            None => file,
        };
        let mut out = format!("{file}\n  {}", size(self.bytes.unwrap_or(0)));
        if let Some(pause) = self.pause_ms {
            out += &format!(", paused {pause:.0} ms");
        }
        out.push('\n');
        if let Some(host) = &self.host_file {
            let line =
                format!("the process has another file system; from here the file is {}", visible(host));
            out += &format!("  {}\n", fitted(look, &line, 2, 4));
        }
        let text = |key: &str| self.result.as_ref()?.get(key)?.as_str().map(visible);
        if let Some(reason) = text("engineReason") {
            let line = format!("captured through node:v8: {reason}");
            out += &format!("  {}\n", fitted(look, &line, 2, 4));
        }
        let fallback = self.result.as_ref().and_then(|r| r.get("fallbackDir"));
        if let Some(fallback) = fallback.filter(|f| f.is_object()) {
            let part = |key: &str| visible(fallback.get(key).and_then(Value::as_str).unwrap_or("?"));
            let line = format!("{} could not be used: {}", part("wanted"), part("reason"));
            out += &format!("  {}\n", fitted(look, &line, 2, 4));
        }
        match (&self.file_bytes, &self.host_file, &self.file) {
            (None, Some(file), _) | (None, None, Some(file)) => out + &next::command(look, &["leaks", file]),
            _ => out,
        }
    }
}

/// By the signal where stillheap is loaded, else by attaching; or as the user wants it.
pub fn choose(args: &DumpArgs) -> Result<Dumped, TargetError> {
    let by_signal = match args.how {
        Some(How::Signal) => true,
        Some(How::Attach) => false,
        None => match Target::find(args.pid, |status| status.signal.is_some()) {
            Ok(_) => true,
            Err(error) if error.why.code == "ERR_STILLHEAP_NOT_LOADED" => false,
            Err(error) => return Err(error),
        },
    };
    if by_signal {
        let attached = args.dir.is_some()
            || args.name.is_some()
            || args.output.is_some()
            || args.compress.is_some()
            || args.redact;
        if attached {
            let message = "the process has loaded stillheap, which has its own options for the file (STILLHEAP_DIR and so \
                           on); these are for --how attach"
                .to_owned();
            return Err(refusal(USAGE, "ERR_INVALID_ARG_VALUE", message));
        }
        return dump(args.pid, args.timeout);
    }
    let (path, result) = live::dump(args).map_err(|why| TargetError { why, code: USAGE })?;
    Ok(Dumped {
        schema_version: SCHEMA_VERSION,
        pid: args.pid,
        file: Some(path.to_string_lossy().into_owned()),
        file_bytes: stillheap_protocol::path_bytes(&path),
        host_file: None,
        bytes: result.get("bytes").and_then(Value::as_u64),
        pause_ms: result.get("pauseMs").and_then(Value::as_f64),
        result: Some(result),
        error: None,
    })
}

/// Asks for a snapshot and waits for it.
pub fn dump(pid: u32, timeout: Duration) -> Result<Dumped, TargetError> {
    // Two copies of the module may be loaded; the one that answers the signal is of use.
    let target = Target::find(pid, |status| status.signal.is_some())?;
    let before = target.status()?;
    let signal = target.check(&before)?;
    // A capture that is under way shows the heap as it was; ours is the one after it.
    let under_way = before.running.as_ref().is_some_and(|running| running.phase != Phase::Waiting);
    let wanted = before.finished + 1 + u64::from(under_way);
    target.send(signal)?;
    let bar = Bar::new();
    let since = Instant::now();
    loop {
        let gone = target.has_ended();
        if let Some(status) = target.look() {
            if status.finished >= wanted {
                let newest = status.outcomes.iter().find(|o| o.number >= wanted);
                bar.done();
                return target.dumped(newest);
            }
            bar.show(status.running.as_ref());
        }
        if gone {
            bar.done();
            return Err(refusal(
                NO,
                "ERR_STILLHEAP_TARGET_ENDED",
                format!(
                    "process {pid} ended before the snapshot was complete, and had no time to say why; only a child that \
                     outlives it (STILLHEAP_OUTLIVE) may still write the file"
                ),
            ));
        }
        if since.elapsed() >= timeout {
            bar.done();
            return Err(refusal(
                NO,
                "ERR_STILLHEAP_TIMEOUT",
                format!(
                    "no snapshot within {} s (--timeout); process {pid} may still finish it",
                    timeout.as_secs_f64()
                ),
            ));
        }
        std::thread::sleep(PAUSE);
    }
}

impl Target {
    /// The signal to send, if it is safe to.
    fn check(&self, status: &Status) -> Result<Signal, TargetError> {
        if status.protocol > PROTOCOL {
            return Err(refusal(
                USAGE,
                "ERR_STILLHEAP_PROTOCOL",
                format!(
                    "process {} has stillheap {}, which is newer than this command; use the one installed there",
                    self.pid, status.version
                ),
            ));
        }
        let none = |what: &str| {
            refusal(
                USAGE,
                "ERR_STILLHEAP_NO_HANDLER",
                format!("process {} has loaded stillheap, but {what}; nothing was sent", self.pid),
            )
        };
        let number = status.signal.ok_or_else(|| {
            none("it has no signal handler (STILLHEAP_SIGNAL=none, 'nosignal', or stop() was called)")
        })?;
        let signal = Signal::try_from(number)
            .map_err(|_| none(&format!("it names signal {number}, which does not exist")))?;
        if !catches(self.pid, number) {
            return Err(none(&format!(
                "it no longer handles {signal}, which would end the process: something else removed the handler"
            )));
        }
        Ok(signal)
    }

    fn send(&self, signal: Signal) -> Result<(), TargetError> {
        if self.has_ended() {
            let message = format!("process {} has ended", self.pid);
            return Err(refusal(USAGE, "ESRCH", message));
        }
        kill(Pid::from_raw(self.pid as i32), signal).map_err(|errno| match errno {
            Errno::EPERM => refusal(
                USAGE,
                "EPERM",
                format!("process {} belongs to another user; run this as that user or as root", self.pid),
            ),
            Errno::ESRCH => refusal(USAGE, "ESRCH", format!("process {} has just ended", self.pid)),
            errno => refusal(USAGE, "EIO", format!("process {} cannot be signalled: {errno}", self.pid)),
        })
    }

    fn dumped(&self, outcome: Option<&CaptureOutcome>) -> Result<Dumped, TargetError> {
        let Some(outcome) = outcome else {
            let message = format!(
                "process {} finished the snapshot, but other captures have replaced its result",
                self.pid
            );
            return Err(refusal(NO, "ERR_STILLHEAP_PROTOCOL", message));
        };
        let part = |key: &str| outcome.outcome.get(key).filter(|value| !value.is_null()).cloned();
        let (result, error) = (part("result"), part("error"));
        let field = |key: &str| result.as_ref().and_then(|r| r.get(key));
        let file = field("file").and_then(Value::as_str).map(str::to_owned);
        let file_bytes = field("fileBytes").and_then(Value::as_str).map(str::to_owned);
        let path = match &file_bytes {
            Some(digits) => bytes_of(digits).map(OsString::from_vec),
            None => file.clone().map(OsString::from),
        };
        let error = match (&result, error) {
            (None, None) => Some(serde_json::json!({ "message": "no result was given" })),
            (_, error) => error,
        };
        Ok(Dumped {
            schema_version: SCHEMA_VERSION,
            pid: self.pid,
            host_file: path.as_deref().and_then(|path| self.host_path(path)),
            bytes: field("bytes").and_then(Value::as_u64),
            pause_ms: field("pauseMs").and_then(Value::as_f64),
            file,
            file_bytes,
            result,
            error,
        })
    }

    /// Where a file of the target is from here, if the target sees another file system.
    fn host_path(&self, file: &OsStr) -> Option<String> {
        let mut host = OsString::from(format!("/proc/{}/root", self.pid));
        host.push(file);
        let identity = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
        let there = identity(Path::new(&host))?;
        let elsewhere = identity(Path::new(file)) != Some(there);
        elsewhere.then(|| host.into_string().unwrap_or_else(|host| quoted(host.as_bytes())))
    }
}

/// From hexadecimal digits.
fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

/// Bytes as a shell takes them: `$'caf\351'`.
fn quoted(bytes: &[u8]) -> String {
    let mut out = "$'".to_owned();
    for &byte in bytes {
        match byte {
            b'\'' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out += &format!("\\{byte:03o}"),
        }
    }
    out + "'"
}

/// Whether the process has a handler for a signal. If the system does not say, the page is believed.
fn catches(pid: u32, signal: i32) -> bool {
    let Ok(status) = read_text(format!("/proc/{pid}/status")) else { return true };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask >> (signal - 1) & 1 == 1)
}

/// The phases on a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Bar {
        // indicatif draws nothing where standard error is not a terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Bar(bar)
    }

    fn show(&self, running: Option<&CaptureProgress>) {
        let Some(progress) = running else {
            self.0.set_message("waiting for the process");
            return;
        };
        let (phase, template) = match progress.phase {
            Phase::Waiting => ("waiting for the process", "{spinner} {msg}"),
            Phase::Generating => ("walking the heap", "{spinner} {msg} {bar:30} {percent}%"),
            Phase::Serializing => ("serializing", "{spinner} {msg} {decimal_bytes}"),
            Phase::Writing => ("writing", "{spinner} {msg} {decimal_bytes}"),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.set_message(phase);
        if progress.total > 0 {
            self.0.set_length(progress.total);
        }
        self.0.set_position(progress.done);
    }

    fn done(&self) {
        self.0.finish_and_clear();
    }
}
