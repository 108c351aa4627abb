//! Buffers that one pass is done with and the next one takes over.
//!
//! Memory that a process touches for the first time costs more than what most passes do with it: the kernel has to
//! find and clear every page. So while all passes run one after the other ([`crate::Analysis::prepare`]) buffers go
//! from hand to hand; at any other time a buffer given back is simply freed.

use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub(crate) struct BufferPool {
    /// None: nothing is kept.
    spare: Mutex<Option<FreeBuffers>>,
}

#[derive(Default)]
struct FreeBuffers {
    numbers: Vec<Vec<u32>>,
    wide: Vec<Vec<u64>>,
}

impl BufferPool {
    fn lock(&self) -> MutexGuard<'_, Option<FreeBuffers>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what is given back until the guard is dropped.
    pub(crate) fn keep(&self) -> ScratchGuard<'_> {
        self.lock().get_or_insert_default();
        ScratchGuard(self)
    }

    /// An empty vector with room for `len` values.
    pub(crate) fn numbers(&self, len: usize) -> Vec<u32> {
        take(self.lock().as_mut().map(|spare| &mut spare.numbers), len)
    }

    /// The same of wider ones.
    pub(crate) fn wide(&self, len: usize) -> Vec<u64> {
        take(self.lock().as_mut().map(|spare| &mut spare.wide), len)
    }

    /// `len` times `value`.
    pub(crate) fn filled(&self, len: usize, value: u32) -> Vec<u32> {
        let mut numbers = self.numbers(len);
        numbers.resize(len, value);
        numbers
    }

    pub(crate) fn give(&self, buffers: impl IntoIterator<Item = Vec<u32>>) {
        if let Some(spare) = self.lock().as_mut() {
            spare.numbers.extend(buffers);
        }
    }

    pub(crate) fn give_wide(&self, buffer: Vec<u64>) {
        if let Some(spare) = self.lock().as_mut() {
            spare.wide.push(buffer);
        }
    }
}

/// The smallest one that is large enough, and no larger than it has to be; a fresh one if there is none.
fn take<T>(spare: Option<&mut Vec<Vec<T>>>, len: usize) -> Vec<T> {
    let fitting = |spare: &mut Vec<Vec<T>>| {
        let large = spare.iter().enumerate().filter(|(_, buffer)| buffer.capacity() >= len);
        large.min_by_key(|(_, buffer)| buffer.capacity()).map(|(at, _)| at).map(|at| spare.swap_remove(at))
    };
    match spare.and_then(fitting) {
        Some(mut buffer) => {
            buffer.clear();
            buffer.shrink_to(len);
            buffer
        }
        None => Vec::with_capacity(len),
    }
}

pub(crate) struct ScratchGuard<'s>(&'s BufferPool);

impl Drop for ScratchGuard<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_handed_on_only_while_somebody_keeps_them() {
        let scratch = BufferPool::default();
        scratch.give([Vec::with_capacity(100)]);
        assert_eq!(scratch.numbers(10).capacity(), 10);
        {
            let _keep = scratch.keep();
            let (small, large) = (vec![1u32; 20], vec![2u32; 5000]);
            let place = large.as_ptr();
            scratch.give([small, large]);
            let again = scratch.filled(4000, 7);
            assert_eq!((again.len(), again[3999]), (4000, 7));
            assert!(again.capacity() < 5000, "what is not needed goes back to the system");
            assert_eq!(again.as_ptr(), place);
            assert_eq!(scratch.numbers(30).capacity(), 30, "the small one does not fit");
        }
        assert!(scratch.lock().is_none());
    }
}
