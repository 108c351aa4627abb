//! Opens files, with progress on a terminal where it takes long.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use stillheap_analysis::{Error, Snapshot};
use stillheap_corefile::CoreOptions;
use stillheap_index::{IndexOptions, IndexPlace, Indexed};
use stillheap_questions::{Failure, Opened};
use stillheap_snapshot::{ReadLimits, ReadOptions};

use crate::args::{Common, read_limit};
use crate::console::{RetryWriter, say};

/// Nothing is shown for what ends sooner.
const PATIENCE: Duration = Duration::from_millis(300);

/// Whether and where index files are kept. Only where somebody asks: the caller, or the environment with
/// `STILLHEAP_INDEX=1`, or with `STILLHEAP_INDEX_DIR`, a folder for all of them (otherwise each is beside its
/// snapshot). `STILLHEAP_NO_INDEX=1` refuses.
pub fn index_options(asked: bool) -> Option<IndexOptions> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let yes = |name| set(name).is_some_and(|value| value != "0");
    let folder = set("STILLHEAP_INDEX_DIR");
    if yes("STILLHEAP_NO_INDEX") || !(asked || folder.is_some() || yes("STILLHEAP_INDEX")) {
        return None;
    }
    let place = folder.map_or(IndexPlace::Beside, |folder| IndexPlace::Directory(folder.into()));
    Some(IndexOptions { place, ..IndexOptions::default() })
}

/// How much may be read: what was asked for, else `STILLHEAP_READ_LIMIT`; None if neither says anything.
///
/// # Errors
/// The variable is no size.
pub fn read_limits(asked: Option<u64>) -> Result<Option<ReadLimits>, Failure> {
    let bytes = match (asked, std::env::var_os("STILLHEAP_READ_LIMIT")) {
        (Some(bytes), _) => bytes,
        (None, Some(text)) if !text.is_empty() => read_limit(&text.to_string_lossy())
            .map_err(|why| Failure::argument(format!("STILLHEAP_READ_LIMIT is {text:?}, but {why}")))?,
        _ => return Ok(None),
    };
    Ok(Some(if bytes == 0 { ReadLimits::NONE } else { ReadLimits::of(bytes) }))
}

/// Reads a file; `-` is standard input.
pub fn read(path: &Path, index: Option<IndexOptions>, limits: ReadLimits) -> Result<Indexed, Error> {
    let stdin = is_stdin(path);
    let length = if stdin { None } else { std::fs::metadata(path).ok().map(|meta| meta.len()) };
    let mut progress = ReadingBar::new(length);
    let mut report = |bytes: u64| progress.reading(bytes);
    let options = ReadOptions { progress: Some(&mut report), limits, ..ReadOptions::default() };
    if stdin {
        let data = stillheap_snapshot::read(RetryWriter(std::io::stdin()), options)?;
        Ok(Indexed::from(Snapshot::new(data)))
    } else {
        stillheap_index::open(path, options, index.as_ref())
    }
}

/// Whether a path stands for standard input.
pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The id of a running process, where a file is expected: digits that no file has as its name.
pub fn process(path: &Path) -> Option<u32> {
    let text = path.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok().filter(|&pid| pid > 0 && !path.exists())
}

/// Opens a file for questions.
pub fn open(path: &Path, common: &Common) -> Result<Opened, Failure> {
    let file = path.to_string_lossy().into_owned();
    let index = if common.no_index { None } else { index_options(common.index) };
    let limits = read_limits(common.read_limit)?.unwrap_or_default();
    if let Some(pid) = process(path) {
        let snapshot = crate::live::read(pid, &common.core, limits)?;
        return Ok(Opened::new(snapshot, common.model.model(), file));
    }
    let core = common.core.options();
    let snapshot = match core == CoreOptions::default() {
        true => read(path, index, limits),
        // A binary or an isolate is named for a core only; any other file is refused.
        false => working("reading the core", || stillheap_index::open_core(path, &core)),
    };
    let snapshot = snapshot.map_err(|error| {
        let shown = if is_stdin(path) { "standard input" } else { &file };
        Failure::of_file(&error, shown)
    })?;
    Ok(Opened::new(snapshot, common.model.model(), file))
}

/// Opens several files, oldest first; standard input can be one of them.
pub fn open_all(paths: &[PathBuf], common: &Common) -> Result<Vec<Opened>, Failure> {
    if paths.iter().filter(|path| is_stdin(path)).count() > 1 {
        return Err(Failure::argument("only one of the snapshots can be standard input"));
    }
    paths.iter().map(|path| open(path, common).inspect(warn_of_salvage)).collect()
}

/// Says on standard error that only a part of the file is there.
pub fn warn_of_salvage(opened: &Opened) {
    let Some(salvage) = opened.salvage() else { return };
    let nodes = salvage.nodes_expected.map_or_else(String::new, |n| format!(" of {n}"));
    say(&format!(
        "warning: {} is truncated after {} bytes, inside \"{}\": {}{nodes} nodes and {} of {} edges were read; \
         all numbers cover this part only",
        opened.file,
        salvage.position,
        salvage.section,
        salvage.nodes_read,
        salvage.edges_read,
        salvage.edges_expected
    ));
}

/// Runs what takes long, with a sign of life on a terminal.
pub fn working<T>(what: &'static str, work: impl FnOnce() -> T) -> T {
    if !std::io::stderr().is_terminal() {
        return work();
    }
    std::thread::scope(|scope| {
        // Dropped when the work has ended, however it ends.
        let (_working, ended) = mpsc::channel::<()>();
        scope.spawn(move || {
            if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
                if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                    spinner.set_style(style);
                }
                spinner.set_message(what);
                spinner.enable_steady_tick(Duration::from_millis(100));
                let _ = ended.recv();
                spinner.finish_and_clear();
            }
        });
        work()
    })
}

/// The bar while reading: shown late, gone at the end.
pub struct ReadingBar {
    since: Instant,
    length: Option<u64>,
    bar: Option<ProgressBar>,
    wanted: bool,
}

impl ReadingBar {
    pub fn new(length: Option<u64>) -> ReadingBar {
        ReadingBar { since: Instant::now(), length, bar: None, wanted: std::io::stderr().is_terminal() }
    }

    pub fn reading(&mut self, bytes: u64) {
        if !self.wanted || self.since.elapsed() < PATIENCE {
            return;
        }
        // A packed file unpacks to more than its length; then there is no telling how much is left.
        let length = self.length.filter(|&length| bytes <= length);
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
            let template = match length {
                Some(_) => "reading {bar:30} {decimal_bytes}/{decimal_total_bytes}",
                None => "{spinner} reading {decimal_bytes}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        bar.set_position(bytes);
    }
}

impl Drop for ReadingBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
