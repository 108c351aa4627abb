//! Locks.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks also what a panic has poisoned: our critical sections leave their data whole even then.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
