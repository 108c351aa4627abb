//! A forked capture that must begin at once, on the isolate's thread: at the heap limit, where nobody knows
//! whether there will be another moment. None of this may wait for that thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use stillheap_frozen::{Ending, thaw, watch};
use stillheap_protocol::{CaptureRequest, CaptureResult, Failure};

use super::capture::ForkedCapture;
use super::flow::{ChildSlot, try_again};
use crate::isolates::Target;
use crate::sync::lock;
use crate::sys::spawn_quiet;

/// A child that has shown so many signs of life is through with the collection, in which it might have met
/// with a lock or with another thread's work; it needs nothing of its parent any more.
const UNDER_WAY: u64 = 4;
/// So many children are tried, the last after seconds: V8's other threads sweep what the collections before have left
/// and hold its locks meanwhile, and there is no later moment to wait for.
const ATTEMPTS: u32 = 10;
/// How long a child before ours may take.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// A capture that has ended, and what was to be called then.
pub type Ended<F> = (F, Result<CaptureResult, Failure>);

/// Captures. With `hold` it returns when the file is there, else as soon as the child is under way: then `None`,
/// and `ended` will be called on a thread of stillheap's own.
pub fn take_now<F>(target: &Arc<Target>, request: CaptureRequest, hold: bool, ended: F) -> Option<Ended<F>>
where
    F: FnOnce(&Arc<Target>, Result<CaptureResult, Failure>) + Send + 'static,
{
    let begin = || -> Result<(ChildSlot, Box<ForkedCapture>), Failure> {
        let slot = wait_for_turn(target)?;
        Ok((slot, Box::new(ForkedCapture::prepare(request, target.thread_id)?)))
    };
    match begin() {
        Err(failure) => Some((ended, Err(failure))),
        Ok((_slot, capture)) if hold => Some((ended, held(target, capture))),
        Ok((slot, capture)) => released(target, slot, capture, ended),
    }
}

/// A capture before ours may be waiting for this very thread.
fn wait_for_turn(target: &Target) -> Result<ChildSlot, Failure> {
    let begun = Instant::now();
    loop {
        if let Some(slot) = ChildSlot::try_take() {
            return Ok(slot);
        }
        while let Some(job) = target.take_job() {
            job.run(target);
        }
        if begun.elapsed() > LONGEST_WAIT {
            return Err(Failure::own(
                "ERR_STILLHEAP_BUSY",
                "another forked capture of this process did not end in time",
            ));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn held(target: &Target, mut capture: Box<ForkedCapture>) -> Result<CaptureResult, Failure> {
    capture.fork(target)?;
    watch_here(target, capture)
}

/// Watches the child on this thread, and those that come after it.
fn watch_here(target: &Target, mut capture: Box<ForkedCapture>) -> Result<CaptureResult, Failure> {
    let never = AtomicBool::new(false);
    loop {
        let ending = watch(&mut capture.forked, &never, |_| ());
        match try_again(&mut capture, ending, ATTEMPTS) {
            Ending::Done => return capture.result(target),
            Ending::Failed(failure) => return Err(failure),
            Ending::Again(_) => capture.fork(target)?,
        }
    }
}

/// What the thread that watches has to say to the one that forks.
enum Message<F> {
    UnderWay,
    Again(Box<ForkedCapture>, Ending, ChildSlot, F),
    Ended(Box<Ended<F>>),
}

fn released<F>(
    target: &Arc<Target>,
    mut slot: ChildSlot,
    mut capture: Box<ForkedCapture>,
    mut ended: F,
) -> Option<Ended<F>>
where
    F: FnOnce(&Arc<Target>, Result<CaptureResult, Failure>) + Send + 'static,
{
    loop {
        if let Err(failure) = capture.fork(target) {
            return Some((ended, Err(failure)));
        }
        let (tell, told) = channel();
        let watched = Arc::clone(target);
        // One of them takes it out: the new thread, or this one where no thread can be started.
        let parcel = Arc::new(Mutex::new(Some((slot, capture, ended))));
        let theirs = Arc::clone(&parcel);
        let spawned = spawn_quiet("stillheap-fork", move || {
            let taken = lock(&theirs).take();
            if let Some((slot, capture, ended)) = taken {
                watch_released(&watched, slot, capture, ended, &tell);
            }
        });
        if spawned.is_err() {
            let (_slot, capture, ended) = lock(&parcel).take()?;
            // Somebody has to wait for the child, which is at work: this thread, then.
            return Some((ended, watch_here(target, capture)));
        }
        match told.recv() {
            Ok(Message::Again(again, ending, its_slot, its_ended)) => {
                (capture, slot, ended) = (again, its_slot, its_ended);
                if let Ending::Failed(failure) = try_again(&mut capture, ending, ATTEMPTS) {
                    return Some((ended, Err(failure)));
                }
            }
            Ok(Message::Ended(done)) => return Some(*done),
            Ok(Message::UnderWay) | Err(_) => return None,
        }
    }
}

fn watch_released<F>(
    target: &Arc<Target>,
    slot: ChildSlot,
    mut capture: Box<ForkedCapture>,
    ended: F,
    tell: &Sender<Message<F>>,
) where
    F: FnOnce(&Arc<Target>, Result<CaptureResult, Failure>) + Send + 'static,
{
    let mut under_way = false;
    let ending = watch(&mut capture.forked, &AtomicBool::new(false), |forked| {
        if !under_way && forked.figures().beat.load(Ordering::Relaxed) >= UNDER_WAY {
            under_way = true;
            // The waiting thread is there as long as nothing has been sent.
            let _ = tell.send(Message::UnderWay);
        }
    });
    let outcome = match ending {
        ending @ (Ending::Again(_) | Ending::Failed(_)) if !under_way => {
            let _ = tell.send(Message::Again(capture, ending, slot, ended));
            return;
        }
        Ending::Done => {
            capture.forked.thaw = thaw();
            capture.result(target)
        }
        Ending::Again(failure) | Ending::Failed(failure) => Err(failure),
    };
    drop(slot);
    if under_way {
        ended(target, outcome);
    } else {
        let _ = tell.send(Message::Ended(Box::new((ended, outcome))));
    }
}
