//! What `/proc` says of a process and its threads.

use std::fs;

/// The ids of its threads.
pub(crate) fn threads(pid: i32) -> Vec<i32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
}

/// The number of the system call that a thread sleeps in, its arguments, stack and instruction pointer, as the
/// kernel prints them. None if it runs, or has ended.
pub(crate) fn call(pid: i32, thread: i32) -> Option<String> {
    let line = stillheap_limits::read_text(format!("/proc/{pid}/task/{thread}/syscall")).ok()?;
    let line = line.trim_end();
    (line != "running").then(|| line.to_owned())
}

/// The instruction pointer in such a line.
pub(crate) fn instruction(call: &str) -> Option<u64> {
    u64::from_str_radix(call.rsplit(' ').next()?.strip_prefix("0x")?, 16).ok()
}

/// Whether a thread sleeps in a futex call that waits without a timeout.
pub(crate) fn waits_in_futex(call: &str) -> bool {
    let words: Vec<&str> = call.split(' ').collect();
    let [number, _, operation, _, timeout, _, _, _, _] = words[..] else { return false };
    let operation = u32::from_str_radix(operation.trim_start_matches("0x"), 16).unwrap_or(u32::MAX);
    // FUTEX_WAIT and FUTEX_WAIT_BITSET, without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME.
    let waits = matches!(operation & 0x7f, 0 | 9);
    number.parse() == Ok(libc::SYS_futex) && waits && timeout == "0x0"
}

/// Who traces a thread; 0 if nobody does.
pub(crate) fn tracer(pid: i32, thread: i32) -> Option<i32> {
    let text = stillheap_limits::read_text(format!("/proc/{pid}/task/{thread}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("TracerPid:"))?.trim().parse().ok()
}

/// Whether a thread has ended, though its tracer or its parent may still have to take note of it.
pub(crate) fn thread_has_ended(pid: i32, thread: i32) -> bool {
    let text = stillheap_limits::read_text(format!("/proc/{pid}/task/{thread}/stat"));
    text.map_or(true, |text| matches!(stillheap_limits::stat_field(&text, 3), None | Some("Z" | "X")))
}

pub(crate) fn name(pid: i32, thread: i32) -> String {
    let name = stillheap_limits::read_text(format!("/proc/{pid}/task/{thread}/comm")).unwrap_or_default();
    name.trim_end().to_owned()
}

/// The value of a line of `/proc/PID/status`.
pub(crate) fn status(pid: i32, field: &str) -> Option<String> {
    let text = stillheap_limits::read_text(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// Whether a thread has a filter of system calls. One that can't be asked may have.
pub(crate) fn is_filtered(pid: i32, thread: i32) -> bool {
    let status = stillheap_limits::read_text(format!("/proc/{pid}/task/{thread}/status")).unwrap_or_default();
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
    // A kernel without filters has no such line, but others.
    mode.map_or(status.is_empty(), |mode| mode.trim() != "0")
}

/// A field of `/proc/PID/stat` behind the name, the first (3 in proc(5)) being the state.
pub(crate) fn stat(pid: i32, number: usize) -> Option<String> {
    let text = stillheap_limits::read_text(format!("/proc/{pid}/stat")).ok()?;
    stillheap_limits::stat_field(&text, number).map(str::to_owned)
}

/// What tells a process, and the program that it runs, from others that had or will have its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// In ticks since the machine was started.
    started: String,
    /// Where its stack begins: a program that it has become (execve) has it elsewhere, one that is ending nowhere.
    stack: String,
}

pub(crate) fn identity(pid: i32) -> Option<Identity> {
    let text = stillheap_limits::read_text(format!("/proc/{pid}/stat")).ok()?;
    let field = |number| stillheap_limits::stat_field(&text, number).map(str::to_owned);
    Some(Identity { started: field(22)?, stack: field(28)? })
}

/// The id of a process in its own, innermost namespace.
pub(crate) fn inner_id(pid: i32) -> Option<u64> {
    status(pid, "NSpid")?.split_ascii_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_waiting_without_end_is_known() {
        let wait = "202 0x3d4a 0x189 0x0 0x0 0x0 0xffffffff 0x7f1 0x7f2";
        assert!(waits_in_futex(wait));
        assert!(waits_in_futex(&wait.replace("0x189", "0x80")));
        assert!(!waits_in_futex(&wait.replace("0x0 0x0 0x0", "0x0 0x7ff 0x0")), "with a timeout");
        assert!(!waits_in_futex(&wait.replace("0x189", "0x81")), "waking");
        assert_eq!((instruction(wait), instruction("-1 0x1 0xff")), (Some(0x7f2), Some(0xff)));
        assert_eq!((instruction("running"), instruction("")), (None, None));
        assert!(!waits_in_futex("232 0x5 0x7f 0x400 0xffffffff 0x0 0x0 0x7f1 0x7f2"));
        assert!(!waits_in_futex("-1 0x7f1 0x7f2") && !waits_in_futex(""));
    }

    #[test]
    fn says_of_this_process() {
        let pid = std::process::id() as i32;
        assert!(threads(pid).contains(&pid));
        assert_eq!(inner_id(pid), Some(pid as u64));
        assert_eq!(status(pid, "Tgid"), Some(pid.to_string()));
        let Identity { started, stack } = identity(pid).unwrap();
        assert!(started.parse::<u64>().is_ok() && stack.parse::<u64>().is_ok_and(|stack| stack > 0));
    }
}
