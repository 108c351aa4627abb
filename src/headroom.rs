//! Whether a capture in the process has the memory that V8's generator takes.
//!
//! In the forked child, running out is the child's end; here it would be the service's, and the file would be
//! empty. So V8 is stopped when it can't come to an end: at its first sign of life, when it has counted the objects
//! and taken little yet, if they need more than is left; and later, if next to nothing is left. What it has
//! taken by then is given back. Both are low: what would have fitted is not refused.
//!
//! Time: one look at the limits per 10,000 objects, on Linux some 20 µs each, 50 with a limited control group; elsewhere
//! nothing is known.

use std::path::Path;

use stillheap_limits::{Machine, Need, Room};
use stillheap_protocol::Failure;

use crate::sys::address_space_limit;

/// V8 is stopped when less than this is left. Between two looks it takes 3 to 5 MB.
const RESERVE: u64 = 8 << 20;

/// One capture's view of the memory that is left.
pub struct Headroom {
    machine: Option<Machine>,
    counted: bool,
    failure: Option<Failure>,
}

impl Headroom {
    /// Never stops anything if `force` says so.
    pub fn new(force: bool) -> Self {
        let machine = (!force).then(|| Machine::new(Path::new("/proc"), address_space_limit()));
        Self { machine, counted: false, failure: None }
    }

    /// Whether V8 may go on, having dealt with `done` of `total` objects.
    pub fn suffices(&mut self, done: u32, total: u32) -> bool {
        let Some(machine) = &self.machine else { return true };
        let Some(room) = machine.room_with_swap() else { return true };
        let need = if self.counted {
            RESERVE
        } else {
            self.counted = true;
            Need::in_process_at_least(total.saturating_sub(done).into()).0.max(RESERVE)
        };
        if room.left < need {
            self.failure = Some(refusal(&room, need, done, total));
        }
        self.failure.is_none()
    }

    /// Why V8 was stopped, if it was.
    pub fn into_failure(self) -> Option<Failure> {
        self.failure
    }
}

fn refusal(room: &Room, need: u64, done: u32, total: u32) -> Failure {
    let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
    let (whose, left) = (room.whose(), room.left >> 20);
    let state = if need > RESERVE {
        format!(
            "a snapshot of this heap's {total} objects takes {} MB at least, and {whose} has {left} MB left",
            megabytes(need)
        )
    } else {
        format!("after {done} of {total} objects {whose} has only {left} MB left")
    };
    Failure::own(
        "ERR_STILLHEAP_MEMORY",
        format!(
            "{state}: the capture in the process was stopped and nothing was written, so that the service isn't ended \
             for lack of memory (the option force overrides this; scratch: 'disk' has a forked child do with less)"
        ),
    )
}
