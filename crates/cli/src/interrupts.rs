//! Ctrl-C (SIGINT), SIGTERM and SIGHUP; and Ctrl-Z (SIGTSTP), at the end.
//!
//! They end a command at once, as the system does by default, unless something has to be removed first: while an
//! [`Interrupts`] exists, they only set a flag.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::{flag, low_level};
use stillheap_limits::read_text;
use tempfile::TempDir;

/// Time between two looks at the flag.
const PAUSE: Duration = Duration::from_millis(50);

struct Flags {
    /// The signal that came last; 0 for none.
    seen: Arc<AtomicUsize>,
    /// Nobody looks at `seen`: the handlers do what the system does by default.
    unwatched: Arc<AtomicBool>,
    /// How many [`Interrupts`] there are.
    watchers: Mutex<usize>,
}

/// Installs the handlers. This is done in each command, since Node's own handler, which `bin/stillheap.js` replaces,
/// raises the signal again: in front of it, a handler that returns would be called without end.
pub fn install() {
    flags();
}

fn flags() -> &'static Flags {
    static FLAGS: OnceLock<Flags> = OnceLock::new();
    FLAGS.get_or_init(|| {
        let flags = Flags {
            seen: Arc::default(),
            unwatched: Arc::new(AtomicBool::new(true)),
            watchers: Mutex::new(0),
        };
        for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| !ignored(signal)) {
            // Without a handler the system's default holds.
            let _ = flag::register_conditional_default(signal, Arc::clone(&flags.unwatched));
            let _ = flag::register_usize(signal, Arc::clone(&flags.seen), signal as usize);
        }
        flags
    })
}

/// Whether the caller had the signal ignored, as `nohup` does. If the system does not say, it is not.
fn ignored(signal: i32) -> bool {
    let Ok(status) = read_text("/proc/self/status") else { return false };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// While one exists, a signal does not end the command. Its owner asks [`Interrupts::seen`].
pub struct Interrupts(&'static Flags);

impl Interrupts {
    pub fn new() -> Interrupts {
        let flags = flags();
        let mut watchers = flags.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        if *watchers == 0 {
            flags.seen.store(0, Ordering::SeqCst);
            flags.unwatched.store(false, Ordering::SeqCst);
        }
        *watchers += 1;
        Interrupts(flags)
    }

    pub fn seen(&self) -> bool {
        self.signal().is_some()
    }

    fn signal(&self) -> Option<i32> {
        i32::try_from(self.0.seen.load(Ordering::SeqCst)).ok().filter(|&signal| signal != 0)
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        let mut watchers = self.0.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        *watchers -= 1;
        if *watchers == 0 {
            self.0.unwatched.store(true, Ordering::SeqCst);
        }
    }
}

/// A temporary directory that is removed when this is dropped.
///
/// It holds an [`Interrupts`] from the start, so that no signal comes between two of them and leaves the directory.
pub struct Temporary {
    directory: Arc<Mutex<Option<TempDir>>>,
    interrupts: Arc<Interrupts>,
}

impl Temporary {
    /// # Errors
    /// The directory cannot be made.
    pub fn new() -> std::io::Result<Temporary> {
        let interrupts = Arc::new(Interrupts::new());
        let directory = tempfile::tempdir()?;
        Ok(Temporary { directory: Arc::new(Mutex::new(Some(directory))), interrupts })
    }

    /// Gives the path to `with`; None if the directory is gone already.
    pub fn path<T>(&self, with: impl FnOnce(&Path) -> T) -> Option<T> {
        let directory = self.directory.lock().unwrap_or_else(PoisonError::into_inner);
        directory.as_ref().map(|directory| with(directory.path()))
    }

    /// From now on nobody asks for signals: one removes the directory and then ends the command, as by default.
    pub fn unattended(&self) {
        let directory = Arc::clone(&self.directory);
        let interrupts = Arc::clone(&self.interrupts);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(PAUSE);
                let mut directory = directory.lock().unwrap_or_else(PoisonError::into_inner);
                if directory.is_none() {
                    return;
                }
                if let Some(signal) = interrupts.signal() {
                    drop(directory.take());
                    // It fails for no signal of these three.
                    let _ = low_level::emulate_default_handler(signal);
                }
            }
        });
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        drop(self.directory.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

struct StopFlags {
    /// Ctrl-Z came and was put off.
    seen: Arc<AtomicBool>,
    /// Nobody puts it off: the handler does what the system does by default.
    at_once: Arc<AtomicBool>,
}

/// While one exists, Ctrl-Z waits: a process that is attached to would stand still as long as this command.
pub struct Attached(&'static StopFlags);

impl Attached {
    pub fn new() -> Attached {
        static FLAGS: OnceLock<StopFlags> = OnceLock::new();
        let flags = FLAGS.get_or_init(|| {
            let flags = StopFlags { seen: Arc::default(), at_once: Arc::default() };
            if !ignored(SIGTSTP) {
                let _ = flag::register_conditional_default(SIGTSTP, Arc::clone(&flags.at_once));
                let _ = flag::register(SIGTSTP, Arc::clone(&flags.seen));
            }
            flags
        });
        flags.at_once.store(false, Ordering::SeqCst);
        Attached(flags)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.at_once.store(true, Ordering::SeqCst);
        if self.0.seen.swap(false, Ordering::SeqCst) {
            let _ = low_level::emulate_default_handler(SIGTSTP);
        }
    }
}
