//! The snapshots that `leaks` takes when it is given none: those of the newest process in the working directory.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use stillheap_questions::Failure;

use crate::console::say;

/// Extensions of snapshots.
const EXTENSIONS: [&str; 3] = [".heapsnapshot", ".heapsnapshot.gz", ".heapsnapshot.zst"];
/// Names that are said at most.
const NAMED: usize = 3;
/// Snapshots taken at most: the newest ones of the process.
const MOST: usize = 10;

/// A snapshot in a directory.
struct Found {
    path: PathBuf,
    modified: SystemTime,
    /// What the file names of one process's snapshots have in common.
    process: String,
}

/// The files given; without any, those found in the working directory, which is said.
///
/// # Errors
/// None is given, and there are none.
pub fn given(files: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    if !files.is_empty() {
        return Ok(files.to_vec());
    }
    let (files, said) = snapshots(Path::new("."))?;
    say(&said);
    Ok(files)
}

/// The snapshots of the process that wrote last, oldest first, and a sentence that says which.
///
/// # Errors
/// There is no snapshot, or the directory can't be read.
pub fn snapshots(directory: &Path) -> Result<(Vec<PathBuf>, String), Failure> {
    let entries = std::fs::read_dir(directory)
        .map_err(|error| Failure::of_io(&error, "open", directory))?
        .flatten()
        .filter_map(|entry| found(&entry.path()));
    let mut all: Vec<Found> = entries.collect();
    all.sort_by(|a, b| a.modified.cmp(&b.modified).then_with(|| a.path.cmp(&b.path)));
    let Some(newest) = all.last() else {
        return Err(Failure::new(
            "ENOENT",
            "there are no snapshots in this directory: give their names, or take some with 'stillheap dump PID'",
        ));
    };
    let process = newest.process.clone();
    let others = all.iter().filter(|found| found.process != process).count();
    let mut own: Vec<Found> = all.into_iter().filter(|found| found.process == process).collect();
    let older = own.len().saturating_sub(MOST);
    own.drain(..older);
    let files: Vec<PathBuf> = own.into_iter().map(|found| found.path).collect();
    let names: Vec<String> = files.iter().map(|file| file.to_string_lossy().into_owned()).collect();
    let mut said = match names.as_slice() {
        [one] => format!("reading the only snapshot of its process here, {one}"),
        names if names.len() <= NAMED => format!("reading {} snapshots: {}", names.len(), names.join(", ")),
        names => format!("reading {} snapshots, {} to {}", names.len(), names[0], names[names.len() - 1]),
    };
    if others > 0 {
        said += &format!("; {others} of other processes left out");
    }
    if older > 0 {
        said += &format!("; {older} older ones left out");
    }
    Ok((files, said))
}

fn found(path: &Path) -> Option<Found> {
    let name = path.file_name().and_then(OsStr::to_str)?;
    let stem = EXTENSIONS.iter().find_map(|extension| name.strip_suffix(extension))?;
    let meta = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let modified = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    // A bare name reads better than ./name.
    let path = path.strip_prefix(".").unwrap_or(path).to_owned();
    Some(Found { path, modified, process: process_of(stem) })
}

/// What names the process in a file's name: stillheap's and heapdump's end with `-PID-THREAD`, Node's
/// (`Heap.DATE.TIME.PID.THREAD.SEQ`) have it in the middle. Other names are told apart by nothing.
fn process_of(stem: &str) -> String {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let node: Vec<&str> = stem.split('.').collect();
    if let ["Heap", _, _, pid, thread, _] = node.as_slice() {
        return format!("Heap {pid} {thread}");
    }
    let mut parts = stem.rsplit('-');
    match (parts.next(), parts.next()) {
        (Some(thread), Some(pid)) if number(thread) && number(pid) && stem.starts_with("heapdump-") => {
            format!("heapdump {pid} {thread}")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(directory: &Path, name: &str, second: u64) {
        let file = std::fs::File::create(directory.join(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second)).unwrap();
    }

    #[test]
    fn the_newest_process_is_taken_in_the_order_of_time() {
        let directory = std::env::temp_dir().join(format!("stillheap-find-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        assert!(snapshots(&directory).is_err());
        write(&directory, "heapdump-20261128T100000.000Z-11-0.heapsnapshot", 10);
        write(&directory, "heapdump-20261128T100200.000Z-12-0.heapsnapshot.gz", 30);
        write(&directory, "heapdump-20261128T100100.000Z-12-0.heapsnapshot.zst", 20);
        write(&directory, "notes.txt", 40);
        let (files, said) = snapshots(&directory).unwrap();
        let names: Vec<_> = files.iter().map(|f| f.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "heapdump-20261128T100100.000Z-12-0.heapsnapshot.zst",
                "heapdump-20261128T100200.000Z-12-0.heapsnapshot.gz"
            ]
        );
        assert!(said.ends_with("; 1 of other processes left out"), "{said}");
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn names_tell_the_process() {
        let node = process_of("Heap.20261128.101112.4711.0.001");
        assert_eq!(node, process_of("Heap.20261128.101212.4711.0.002"));
        assert_ne!(node, process_of("Heap.20261128.101212.4712.0.001"));
        assert_eq!(process_of("1"), process_of("before"));
        assert_eq!(process_of("my-4711-0"), process_of("x"));
    }
}
