//! Reads and sets what the process does on a signal.

use std::io;

/// What `sigaction(2)` says of one signal.
#[cfg(unix)]
#[derive(Clone, Copy)]
pub struct Disposition(libc::sigaction);

#[cfg(unix)]
impl Disposition {
    /// What holds now.
    pub fn current(signal: i32) -> io::Result<Self> {
        // SAFETY: a zeroed sigaction is a valid one to be overwritten; no new action is passed.
        unsafe {
            let mut action: libc::sigaction = core::mem::zeroed();
            match libc::sigaction(signal, core::ptr::null(), &raw mut action) {
                0 => Ok(Self(action)),
                _ => Err(io::Error::last_os_error()),
            }
        }
    }

    /// Makes this hold for `signal`, for which it was read before.
    pub fn restore(&self, signal: i32) -> io::Result<()> {
        // SAFETY: the action was in force for a signal of this process before; its handler belongs to
        // libuv or to this pinned library, neither of which is ever unmapped.
        match unsafe { libc::sigaction(signal, &raw const self.0, core::ptr::null_mut()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Whether both call the same handler.
    pub fn same_handler(&self, other: &Self) -> bool {
        self.0.sa_sigaction == other.0.sa_sigaction
    }
}

/// There are no dispositions here.
#[cfg(not(unix))]
#[derive(Clone, Copy)]
pub struct Disposition;

#[cfg(not(unix))]
impl Disposition {
    pub fn current(_signal: i32) -> io::Result<Self> {
        Ok(Self)
    }

    pub fn restore(&self, _signal: i32) -> io::Result<()> {
        Ok(())
    }

    pub fn same_handler(&self, _other: &Self) -> bool {
        true
    }
}
