//! Parses the blocks of one section on all cores, in order.
//!
//! The calling thread reads, cuts and merges; helpers parse. When the helpers have enough to do, the calling
//! thread parses a block itself, so that two cores share the work evenly. At most `2 + helpers` blocks of 1 MB
//! are in flight.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::scan::{Block, Scanner};
use stillheap_graph::Result;

struct Job<T> {
    index: u64,
    block: Block,
    out: T,
}

struct Done<T> {
    index: u64,
    block: Block,
    out: T,
    result: Result<()>,
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
    let (jobs, queue) = channel::<Job<T>>();
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
    queue: &Mutex<Receiver<Job<T>>>,
    parse: &(impl Fn(&Block, &mut T) -> Result<()> + Sync),
    results: Sender<Done<T>>,
) {
    loop {
        let job = match queue.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok(Job { index, block, mut out }) = job else { return };
        let result = parse(&block, &mut out);
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
    jobs: &Sender<Job<T>>,
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
            ready.result?;
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
            if jobs.send(Job { index, block, out }).is_err() {
                return Ok(());
            }
        } else {
            let mut out = out;
            let result = parse(&block, &mut out);
            waiting.push_back(Some(Done { index, block, out, result }));
        }
        if !last {
            next = Some(cut(scanner)?);
        }
    }
}
