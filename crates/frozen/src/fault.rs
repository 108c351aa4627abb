//! Breaks a forked capture on purpose, for the tests that show that the service survives it and that nothing is lost
//! or left over. Nothing is armed unless a test asks for it.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where it breaks; all but `Spawn` are in the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FaultPoint {
    /// The service can't start a thread.
    Spawn = 1,
    /// Right after the fork.
    Forked,
    /// Between giving up what was inherited and the confinement.
    Guest,
    /// The kernel refuses the confinement.
    Confine,
    /// Before the engine begins.
    Start,
    /// At a write to the file.
    Write,
    /// The engine has ended.
    Read,
    /// The file is complete under its temporary name.
    Complete,
    /// A child that outlives its service has given the file its name, and has told nobody yet.
    Published,
    /// Before the exit.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// A panic.
    Panic = 1,
    /// SIGKILL.
    Kill,
    /// The system says `EIO`.
    Eio,
    /// The system says `ENOSPC`.
    Enospc,
    /// The child stands still.
    Hang,
}

const POINTS: [(&str, FaultPoint); 10] = [
    ("spawn", FaultPoint::Spawn),
    ("forked", FaultPoint::Forked),
    ("guest", FaultPoint::Guest),
    ("confine", FaultPoint::Confine),
    ("start", FaultPoint::Start),
    ("write", FaultPoint::Write),
    ("read", FaultPoint::Read),
    ("complete", FaultPoint::Complete),
    ("published", FaultPoint::Published),
    ("end", FaultPoint::End),
];
const FAULTS: [(&str, Fault); 5] = [
    ("panic", Fault::Panic),
    ("kill", Fault::Kill),
    ("eio", Fault::Eio),
    ("enospc", Fault::Enospc),
    ("hang", Fault::Hang),
];

/// Point, fault and the number of children that have it; 0 for none.
static PLAN: AtomicU32 = AtomicU32::new(0);
/// Which of a capture's children this is, from 1.
static ATTEMPT: AtomicU32 = AtomicU32::new(1);

/// Has `fault` happen at `point` in the first `times` children of each capture from now on; 0 for nevermore. False if
/// there are no such names.
pub fn arm(point: &str, fault: &str, times: u8) -> bool {
    let point = POINTS.iter().find(|(name, _)| *name == point);
    let fault = FAULTS.iter().find(|(name, _)| *name == fault);
    let (Some(&(_, point)), Some(&(_, fault))) = (point, fault) else { return false };
    PLAN.store(point as u32 | (fault as u32) << 8 | u32::from(times) << 16, Ordering::Relaxed);
    true
}

#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(crate) fn in_attempt(attempt: u32) {
    ATTEMPT.store(attempt, Ordering::Relaxed);
}

/// Where something breaks if that was asked for.
///
/// # Errors
/// The error that was asked for.
pub fn hit(point: FaultPoint) -> io::Result<()> {
    let plan = PLAN.load(Ordering::Relaxed);
    if plan & 0xff != point as u32 || ATTEMPT.load(Ordering::Relaxed) > plan >> 16 {
        return Ok(());
    }
    match plan >> 8 & 0xff {
        fault if fault == Fault::Panic as u32 => panic!("a panic on purpose"),
        fault if fault == Fault::Eio as u32 => Err(io::Error::from_raw_os_error(5)),
        fault if fault == Fault::Enospc as u32 => Err(io::Error::from_raw_os_error(28)),
        fault if fault == Fault::Hang as u32 => loop {
            std::thread::sleep(std::time::Duration::from_secs(1));
        },
        _ => {
            #[cfg(unix)]
            let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
            Ok(())
        }
    }
}
