//! What a child may do to the world: read, and write its one file.
//!
//! V8's generator begins with a full collection, and a collection runs native finalizers: code of the application's
//! addons, in a process that is not theirs, whose descriptors are `/dev/null` and whose locks belong to somebody
//! else. A finalizer that closes a database would find no lock in its way and remove the log that other processes
//! still write to. So the child is confined before the engine runs, by the kernel:
//!
//! - `filter`: a seccomp filter lets through what reading the heap and writing the file need (`calls`), and nothing
//!   else; `trap` answers the rest with an error that such callers expect (`EROFS` to a removal, `EAGAIN` to a lock),
//!   notes it for the parent, and ends the child if somebody insists;
//! - Landlock, where the kernel has it (5.13): no writing by path, no connections, no signals to others;
//! - `shared`: memory that is shared with others is read-only; who writes to it gets a copy of the page.
//!
//! Without the filter nothing is forked: see [`obstacle`].

mod calls;
mod filter;
mod shared;
mod trap;

use std::io;
use std::path::Path;
use std::sync::OnceLock;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, Scope,
};

pub use calls::{NAMES, name};

/// What a child may do by path nevertheless. Addresses of NUL-terminated paths; the parent has made them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paths {
    /// Its file's temporary name, which it may remove.
    pub temporary: usize,
    /// Its file's final name, if it may give it: it outlives its service.
    pub target: Option<usize>,
}

/// Why children can't be confined here; `None` if they can. Tried once, with a filter that forbids nothing, on a
/// thread that ends.
pub fn obstacle() -> Option<&'static str> {
    static OBSTACLE: OnceLock<Option<String>> = OnceLock::new();
    let attempt = || {
        let thread = std::thread::Builder::new().name("stillheap-probe".into()).stack_size(64 * 1024);
        let probe = thread.spawn(filter::probe).map_err(|error| error.to_string())?;
        probe.join().unwrap_or_else(|_| Err("the attempt panicked".to_owned()))
    };
    let obstacle = OBSTACLE.get_or_init(|| {
        let _blocked = crate::BlockedSignals::new();
        attempt().err().map(|reason| {
            format!("a forked child must be confined by a seccomp filter, and there are none here: {reason}")
        })
    });
    obstacle.as_deref()
}

/// Confines this process, a child with one thread, until it ends. `writable` are ranges of memory that it shares with
/// its parent and writes to; `directory` is its file's.
///
/// # Errors
/// What the system says. The engine must not run then.
///
/// # Safety
/// Only in a child that has one thread and never returns to the program's own code.
pub unsafe fn confine(
    paths: Paths,
    directory: &Path,
    writable: &[(usize, usize)],
    page: trap::RefusalCounters,
) -> io::Result<()> {
    let shared = shared::protect(writable)?;
    // Not having Landlock is no obstacle: it only doubles the filter.
    let _ = restrict(paths, directory);
    // SAFETY: the caller vouches for the process.
    unsafe { trap::install(page)? };
    filter::install(paths, &shared)
}

pub use trap::RefusalCounters;

fn restrict(paths: Paths, directory: &Path) -> Result<(), RulesetError> {
    let allowed: BitFlags<AccessFs> = match paths.target {
        Some(_) => AccessFs::RemoveFile | AccessFs::MakeReg,
        None => AccessFs::RemoveFile.into(),
    };
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_write(ABI::V5))?
        .handle_access(AccessNet::from_all(ABI::V4))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?;
    let ruleset = match PathFd::new(directory) {
        Ok(directory) => ruleset.add_rule(PathBeneath::new(directory, allowed))?,
        Err(_) => ruleset,
    };
    ruleset.restrict_self()?;
    Ok(())
}
