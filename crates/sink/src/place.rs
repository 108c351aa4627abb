//! Where a snapshot goes: the temporary file beside its target, and the step that publishes it.

#[cfg(unix)]
use std::ffi::{CStr, CString};
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
/// no values. A writer that goes on finds that publishing fails.
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
    #[cfg(unix)]
    names: PathPair,
}

/// The two paths as the system takes them. They stay at their addresses, also when the target gets a suffix: a
/// forked child that may do nothing else by path may use these.
#[cfg(unix)]
struct PathPair {
    temporary: CString,
    /// NUL-terminated, with room for the longest suffix.
    target: Vec<u8>,
}

#[cfg(unix)]
impl PathPair {
    fn new(temporary: &Path, target: &Path) -> io::Result<Self> {
        use std::os::unix::ffi::OsStrExt;
        let longest = with_suffix(target, MAX_SUFFIX);
        let room = target.as_os_str().len().max(longest.as_os_str().len()) + 1;
        let mut names = Self {
            temporary: CString::new(temporary.as_os_str().as_bytes())?,
            target: Vec::with_capacity(room),
        };
        names.set_target(target)?;
        Ok(names)
    }

    fn set_target(&mut self, target: &Path) -> io::Result<()> {
        use std::os::unix::ffi::OsStrExt;
        let bytes = target.as_os_str().as_bytes();
        if bytes.contains(&0) || bytes.len() >= self.target.capacity() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.target.clear();
        self.target.extend_from_slice(bytes);
        self.target.push(0);
        Ok(())
    }

    fn target(&self) -> io::Result<&CStr> {
        CStr::from_bytes_with_nul(&self.target).map_err(|_| io::ErrorKind::InvalidInput.into())
    }
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
        #[cfg(unix)]
        let names = PathPair::new(&path, target).map_err(|error| Failure::system(&error, "open", target))?;
        let temporary = Self {
            path,
            #[cfg(unix)]
            names,
            destination,
            published: false,
        };
        Ok((temporary, file))
    }

    /// Another file of the same temporary name, if the first one has been removed.
    pub(crate) fn recreate(&self) -> Result<Option<File>, Failure> {
        match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => open_new(&self.path)
                .map(Some)
                .map_err(|error| Failure::system(&error, "open", &self.destination.path)),
            _ => Ok(None),
        }
    }

    pub(crate) fn target(&self) -> &Path {
        &self.destination.path
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where `file` stands if somebody else has given it one of the names that [`Temporary::publish`] tries.
    #[cfg(unix)]
    pub(crate) fn published_elsewhere(&mut self, file: &File) -> Option<PathBuf> {
        use std::os::unix::fs::MetadataExt;
        let ours = file.metadata().ok()?;
        let is_ours = |path: &Path| {
            fs::symlink_metadata(path)
                .is_ok_and(|other| (other.dev(), other.ino()) == (ours.dev(), ours.ino()))
        };
        if is_ours(&self.path) {
            return None;
        }
        let wanted = &self.destination.path;
        let suffixed = (2..=MAX_SUFFIX).map(|suffix| with_suffix(wanted, suffix));
        let path = std::iter::once(wanted.clone()).chain(suffixed).find(|path| is_ours(path))?;
        self.published = true;
        Some(path)
    }

    #[cfg(not(unix))]
    pub(crate) fn published_elsewhere(&mut self, _file: &File) -> Option<PathBuf> {
        None
    }

    pub(crate) fn leave_to_opener(&mut self) {
        self.published = true;
    }

    pub(crate) fn outlives_this_process(&self) {
        forget(&self.path);
    }

    #[cfg(unix)]
    pub(crate) fn path_addresses(&self) -> (usize, usize) {
        (self.names.temporary.as_ptr() as usize, self.names.target.as_ptr() as usize)
    }

    /// Gives the finished file its name, in one step that either happens or doesn't.
    pub(crate) fn publish(mut self) -> Result<PathBuf, Failure> {
        let wanted = self.destination.path.clone();
        let mut target = wanted.clone();
        if self.destination.overwrite {
            refuse_what_must_not_be_replaced(&self.destination)?;
            self.rename(&target).map_err(|error| Failure::system(&error, "rename", &target))?;
        } else {
            let mut suffix = 1;
            while let Err(error) = self.rename_without_replacing(&target) {
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

#[cfg(unix)]
impl Temporary {
    fn rename(&mut self, to: &Path) -> io::Result<()> {
        use nix::fcntl::{AT_FDCWD, renameat};
        self.names.set_target(to)?;
        renameat(AT_FDCWD, &*self.names.temporary, AT_FDCWD, self.names.target()?).map_err(io::Error::from)
    }

    #[cfg(target_os = "linux")]
    fn rename_without_replacing(&mut self, to: &Path) -> io::Result<()> {
        use nix::errno::Errno;
        use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
        self.names.set_target(to)?;
        let (from, target) = (&*self.names.temporary, self.names.target()?);
        match renameat2(AT_FDCWD, from, AT_FDCWD, target, RenameFlags::RENAME_NOREPLACE) {
            // File systems that don't know the flag (some network and FUSE ones) say EINVAL.
            Err(Errno::EINVAL | Errno::ENOSYS | Errno::ENOTSUP) => self.link_then_unlink(to),
            other => other.map_err(io::Error::from),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn rename_without_replacing(&mut self, to: &Path) -> io::Result<()> {
        self.link_then_unlink(to)
    }

    fn link_then_unlink(&mut self, to: &Path) -> io::Result<()> {
        use nix::fcntl::{AT_FDCWD, AtFlags};
        use nix::unistd::{UnlinkatFlags, linkat, unlinkat};
        self.names.set_target(to)?;
        let (from, target) = (&*self.names.temporary, self.names.target()?);
        match linkat(AT_FDCWD, from, AT_FDCWD, target, AtFlags::empty()) {
            Ok(()) => unlinkat(AT_FDCWD, from, UnlinkatFlags::NoRemoveDir).map_err(io::Error::from),
            Err(nix::errno::Errno::EEXIST) => Err(io::ErrorKind::AlreadyExists.into()),
            // No hard links here either: claim the name with an empty file, then replace that.
            Err(_) => {
                open_new(to)?;
                self.rename(to)
            }
        }
    }
}

#[cfg(not(unix))]
impl Temporary {
    fn rename(&mut self, to: &Path) -> io::Result<()> {
        fs::rename(&self.path, to)
    }

    fn rename_without_replacing(&mut self, to: &Path) -> io::Result<()> {
        match fs::hard_link(&self.path, to) {
            Ok(()) => fs::remove_file(&self.path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            Err(_) => {
                open_new(to)?;
                fs::rename(&self.path, to)
            }
        }
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
        "already exists: choose another name, or set overwrite"
    } else if metadata.is_symlink() {
        "is a symbolic link, and links are not followed: choose the name of a file"
    } else {
        "is not a regular file: choose the name of a file"
    };
    "EEXIST".clone_into(&mut failure.code);
    failure.message = format!("EEXIST: '{}' {kind}", path.display());
    #[cfg(unix)]
    {
        failure.errno = Some(nix::errno::Errno::EEXIST as i32);
    }
    Err(failure)
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
