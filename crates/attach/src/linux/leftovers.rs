//! Copies of runs that were killed: zombies of the process that nobody waits for.

use crate::linux::proc;

/// Most that are reaped at a time.
pub(crate) const MOST: usize = 4;

/// The ids, in the process's own namespace, of dead copies among its children. Only a child made with no signal for its end
/// is one; libuv's and everybody's else have SIGCHLD.
pub(crate) fn dead_copies(pid: i32) -> Vec<u64> {
    let mut copies = Vec::new();
    for thread in proc::threads(pid) {
        let children =
            stillheap_limits::read_text(format!("/proc/{pid}/task/{thread}/children")).unwrap_or_default();
        for child in children.split_ascii_whitespace().filter_map(|id| id.parse::<i32>().ok()) {
            let is_dead = proc::stat(child, 3).as_deref() == Some("Z");
            let is_silent = proc::stat(child, 38).as_deref() == Some("0");
            if is_dead && is_silent {
                copies.extend(proc::inner_id(child));
            }
        }
    }
    copies.truncate(MOST);
    copies
}

/// The call that reaps a child if it is dead: wait4(id, 0, WNOHANG | __WALL, 0).
pub(crate) fn reap(id: u64) -> crate::linux::blob::Call {
    [libc::SYS_wait4 as u64, id, 0, (libc::WNOHANG | libc::__WALL) as u32 as u64, 0]
}
