//! Where a snapshot goes: the temporary file beside its target, and the step that publishes it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::Failure;

/// How many other names are tried when a generated name is taken.
const MAX_SUFFIX: u32 = 99;

/// The file that a snapshot shall become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The absolute path.
    pub path: PathBuf,
    /// Whether a regular file that is there already may be replaced.
    pub overwrite: bool,
    /// Whether the name was made up by us: then a taken name gets a suffix instead of an error.
    pub generated: bool,
}

/// The temporary files that exist, for a process that ends without dropping anything.
static TEMPORARIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn forget(path: &Path) {
    TEMPORARIES.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| other != path);
}

/// Removes what unfinished captures have written so far. For a process that is about to end: `exit()` drops
/// no values. Whoever goes on writing will find that publishing fails.
pub fn remove_temporary_files() {
    for path in TEMPORARIES.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        // It may have been published in this moment; else there is nobody left to tell.
        let _ = fs::remove_file(path);
    }
}

/// A temporary file that vanishes when it is dropped before it is published.
pub(crate) struct Temporary {
    path: PathBuf,
    destination: Destination,
    published: bool,
}

impl Temporary {
    /// Opens the temporary file, with mode 0600, beside the destination.
    pub(crate) fn create(destination: Destination) -> Result<(Self, File), Failure> {
        let target = &destination.path;
        let (Some(directory), Some(name)) = (target.parent(), target.file_name()) else {
            let error = io::Error::from_raw_os_error(EISDIR);
            return Err(Failure::system(&error, "open", target));
        };
        if !destination.generated {
            refuse_what_must_not_be_replaced(&destination)?;
        }
        let path = directory.join(temporary_name(&name.to_string_lossy()));
        let file = open_new(&path).map_err(|error| Failure::system(&error, "open", target))?;
        TEMPORARIES.lock().unwrap_or_else(PoisonError::into_inner).push(path.clone());
        let temporary = Self { path, destination, published: false };
        Ok((temporary, file))
    }

    pub(crate) fn target(&self) -> &Path {
        &self.destination.path
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the file to whoever else has it open.
    pub(crate) fn disown(mut self) {
        self.published = true;
    }

    /// Gives the finished file its name, in one step that either happens or doesn't.
    pub(crate) fn publish(mut self) -> Result<PathBuf, Failure> {
        let wanted = self.destination.path.clone();
        let mut target = wanted.clone();
        if self.destination.overwrite {
            refuse_what_must_not_be_replaced(&self.destination)?;
            fs::rename(&self.path, &target).map_err(|error| Failure::system(&error, "rename", &target))?;
        } else {
            let mut suffix = 1;
            while let Err(error) = rename_without_replacing(&self.path, &target) {
                let taken = error.kind() == io::ErrorKind::AlreadyExists;
                if !(taken && self.destination.generated && suffix < MAX_SUFFIX) {
                    return Err(Failure::system(&error, "rename", &target));
                }
                suffix += 1;
                target = with_suffix(&wanted, suffix);
            }
        }
        self.published = true;
        sync_directory(&target);
        Ok(target)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        forget(&self.path);
        if !self.published {
            // Nothing better can be done about a failure here; the first error has been kept.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes an empty file with a random name and mode 0600 in `directory`.
///
/// # Errors
/// What the system says.
pub fn create_private_file(directory: &Path) -> Result<PathBuf, Failure> {
    let path = directory.join(temporary_name("stillheap"));
    open_new(&path).map_err(|error| Failure::system(&error, "open", directory))?;
    Ok(path)
}

/// An unlinked file in `directory` for data that is read back once.
pub(crate) fn spool_file(directory: &Path) -> Result<File, Failure> {
    let path = directory.join(temporary_name("stillheap-spool"));
    let mut options = OpenOptions::new();
    options.read(true);
    let file =
        open_new_with(&mut options, &path).map_err(|error| Failure::system(&error, "open", directory))?;
    fs::remove_file(&path).map_err(|error| Failure::system(&error, "unlink", directory))?;
    Ok(file)
}

#[cfg(unix)]
const EISDIR: i32 = nix::errno::Errno::EISDIR as i32;
#[cfg(not(unix))]
const EISDIR: i32 = 21;

fn temporary_name(name: &str) -> String {
    // Random, so that nobody who may write to the directory can guess it and lie in wait.
    let random = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
    // Long names must not become too long by it: file systems stop at 255 bytes.
    let kept: String = name.chars().take(60).collect();
    format!(".{kept}.{random:016x}.tmp")
}

fn open_new(path: &Path) -> io::Result<File> {
    open_new_with(&mut OpenOptions::new(), path)
}

fn open_new_with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_CLOEXEC);
    }
    options.open(path)
}

/// An existing file needs `overwrite`; a link, a directory or a device is never replaced.
fn refuse_what_must_not_be_replaced(destination: &Destination) -> Result<(), Failure> {
    let path = &destination.path;
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure::system(&error, "lstat", path)),
    };
    if metadata.is_file() && destination.overwrite {
        return Ok(());
    }
    let mut failure = Failure::system(&io::Error::from(io::ErrorKind::AlreadyExists), "open", path);
    let kind = if metadata.is_file() {
        "is there already: give another name, or ask for overwrite"
    } else if metadata.is_symlink() {
        "is a symbolic link, and links are not followed: give the name of a file"
    } else {
        "is not a regular file: give the name of a file"
    };
    "EEXIST".clone_into(&mut failure.code);
    failure.message = format!("EEXIST: '{}' {kind}", path.display());
    #[cfg(unix)]
    {
        failure.errno = Some(nix::errno::Errno::EEXIST as i32);
    }
    Err(failure)
}

#[cfg(target_os = "linux")]
fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    use nix::errno::Errno;
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        // File systems that don't know the flag (some network and FUSE ones) say EINVAL.
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::ENOTSUP) => link_then_unlink(from, to),
        other => other.map_err(io::Error::from),
    }
}

#[cfg(not(target_os = "linux"))]
fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    link_then_unlink(from, to)
}

fn link_then_unlink(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // No hard links here either: claim the name with an empty file, then replace that.
        Err(_) => {
            open_new(to)?;
            fs::rename(from, to)
        }
    }
}

fn with_suffix(path: &Path, suffix: u32) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (stem, extension) = match name.find(".heapsnapshot").or_else(|| name.find(".json")) {
        Some(at) => name.split_at(at),
        None => (&*name, ""),
    };
    path.with_file_name(format!("{stem}-{suffix}{extension}"))
}

#[cfg(unix)]
fn sync_directory(path: &Path) {
    // The data is safe by now; a directory that can't be synced (some network file systems) only
    // makes the name less sure to survive a power cut.
    if let Some(directory) = path.parent().and_then(|parent| File::open(parent).ok()) {
        let _ = directory.sync_all();
    }
}

#[cfg(not(unix))]
fn sync_directory(_path: &Path) {}

/// Bytes that this process may still write on the file system of `directory`; `None` when the system
/// doesn't say.
#[cfg(unix)]
pub fn available_space(directory: &Path) -> Option<u64> {
    let answer = nix::sys::statvfs::statvfs(directory).ok()?;
    // The types differ between platforms, and some pseudo file systems report no size at all.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    let (total, free, unit) =
        (answer.blocks() as u64, answer.blocks_available() as u64, answer.fragment_size() as u64);
    (total > 0).then(|| free.saturating_mul(unit))
}

/// Bytes that this process may still write; not known on this platform.
#[cfg(not(unix))]
pub fn available_space(_directory: &Path) -> Option<u64> {
    None
}
