//! Parses the blocks of one section on all cores, in order.
//!
//! The calling thread reads, cuts and merges; helpers parse. When the helpers have enough to do, the calling
//! thread parses a block itself, so that two cores share the work evenly. At most `2 + helpers` blocks of 1 MB
//! are in flight. A panic of a helper goes on in the calling thread.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::scan::{Block, Scanner};
use stillheap_graph::Result;

struct BlockJob<T> {
    index: u64,
    block: Block,
    out: T,
}

struct Done<T> {
    index: u64,
    block: Block,
    out: T,
    /// The outer error is a panic.
    result: std::thread::Result<Result<()>>,
}

/// Runs a section: `cut` takes the next block, `parse` fills a `T` from it, `merge` gets them in file order.
pub(crate) fn run<T: Default + Send>(
    scanner: &mut Scanner<'_>,
    helpers: usize,
    cut: impl Fn(&mut Scanner<'_>) -> Result<Block>,
    parse: impl Fn(&Block, &mut T) -> Result<()> + Sync,
    mut merge: impl FnMut(&Block, &mut T) -> Result<()>,
) -> Result<()> {
    let first = cut(scanner)?;
    if first.last || helpers == 0 {
        let mut out = T::default();
        let mut block = first;
        loop {
            parse(&block, &mut out)?;
            merge(&block, &mut out)?;
            let last = block.last;
            scanner.recycle(block.data);
            if last {
                return Ok(());
            }
            block = cut(scanner)?;
        }
    }
    let (jobs, queue) = channel::<BlockJob<T>>();
    let queue = Mutex::new(queue);
    let (queue, parse) = (&queue, &parse);
    std::thread::scope(|scope| {
        let (results, done) = channel::<Done<T>>();
        for _ in 0..helpers {
            let results = results.clone();
            scope.spawn(move || help(queue, parse, results));
        }
        drop(results);
        let outcome = drive(scanner, helpers, first, &cut, parse, &mut merge, &jobs, &done);
        // Closing the queue sends the helpers home, also after an error.
        drop(jobs);
        outcome
    })
}

fn help<T>(
    queue: &Mutex<Receiver<BlockJob<T>>>,
    parse: &(impl Fn(&Block, &mut T) -> Result<()> + Sync),
    results: Sender<Done<T>>,
) {
    loop {
        let job = match queue.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok(BlockJob { index, block, mut out }) = job else { return };
        // The thread that waits for this block must be told of a panic. `out` is not looked at after one.
        let result = catch_unwind(AssertUnwindSafe(|| parse(&block, &mut out)));
        if results.send(Done { index, block, out, result }).is_err() {
            return;
        }
    }
}

#[allow(clippy::too_many_arguments)]
fn drive<T: Default + Send>(
    scanner: &mut Scanner<'_>,
    helpers: usize,
    first: Block,
    cut: &impl Fn(&mut Scanner<'_>) -> Result<Block>,
    parse: &impl Fn(&Block, &mut T) -> Result<()>,
    merge: &mut impl FnMut(&Block, &mut T) -> Result<()>,
    jobs: &Sender<BlockJob<T>>,
    done: &Receiver<Done<T>>,
) -> Result<()> {
    let mut waiting: VecDeque<Option<Done<T>>> = VecDeque::new();
    let (mut merged, mut sent, mut running) = (0u64, 0u64, 0usize);
    let mut spare: Vec<T> = Vec::new();
    let mut next = Some(first);
    loop {
        // Collect what is ready; wait only if there is nothing else to do.
        loop {
            let ready = if next.is_none() && running > 0 { done.recv().ok() } else { done.try_recv().ok() };
            let Some(ready) = ready else { break };
            running -= 1;
            let slot = (ready.index - merged) as usize;
            waiting[slot] = Some(ready);
        }
        while let Some(Some(_)) = waiting.front() {
            let Some(Some(mut ready)) = waiting.pop_front() else { break };
            merged += 1;
            ready.result.unwrap_or_else(|panic| resume_unwind(panic))?;
            merge(&ready.block, &mut ready.out)?;
            scanner.recycle(ready.block.data);
            spare.push(ready.out);
        }
        let Some(block) = next.take() else {
            if waiting.is_empty() {
                return Ok(());
            }
            continue;
        };
        let last = block.last;
        let out = spare.pop().unwrap_or_default();
        let index = sent;
        sent += 1;
        if running <= helpers && waiting.len() < 4 * helpers + 4 {
            waiting.push_back(None);
            running += 1;
            if jobs.send(BlockJob { index, block, out }).is_err() {
                return Ok(());
            }
        } else {
            let mut out = out;
            let result = Ok(parse(&block, &mut out));
            waiting.push_back(Some(Done { index, block, out, result }));
        }
        if !last {
            next = Some(cut(scanner)?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ReadLimits;
    use std::io::Cursor;
    use std::time::Duration;

    /// The result of a section whose `nth` block makes its parser panic; None if it hangs.
    fn panics_at(nth: u64, helpers: usize) -> Option<bool> {
        let (say, outcome) = channel();
        std::thread::spawn(move || {
            let numbers = "1234567,".repeat(1 << 20) + "1]";
            let mut scanner = Scanner::new(Box::new(Cursor::new(numbers)), None, None, ReadLimits::NONE);
            let blocks = std::sync::atomic::AtomicU64::new(0);
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                run(
                    &mut scanner,
                    helpers,
                    |scanner| scanner.numbers(1),
                    |_, _: &mut ()| {
                        let at = blocks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        assert!(at != nth, "a parser's mistake");
                        Ok(())
                    },
                    |_, ()| Ok(()),
                )
            }));
            let panic = outcome.err().and_then(|panic| panic.downcast_ref::<&str>().copied());
            let _ = say.send(panic == Some("a parser's mistake"));
        });
        outcome.recv_timeout(Duration::from_secs(60)).ok()
    }

    #[test]
    fn a_panic_of_a_helper_ends_the_reading_with_the_same_panic() {
        for helpers in [0, 1, 3] {
            for nth in [0, 1, 4, 7] {
                assert_eq!(panics_at(nth, helpers), Some(true), "block {nth}, {helpers} helpers");
            }
        }
    }
}
