//! `/proc/PID/stat`, `statm` and `status`.

use crate::read_text;

/// What `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// `R` runs or would like to, `S` sleeps, `D` waits for a disk, `Z` has ended, `T` is stopped.
    pub state: u8,
    /// CPU time used, in clock ticks.
    pub ticks: u64,
    /// When the process was started, in clock ticks since the machine was.
    pub started: u64,
}

/// A field of `stat` by its number in proc(5), from 3 (the state) on. The command's name before them is in parentheses and
/// may contain anything, parentheses included.
pub fn stat_field(text: &str, number: usize) -> Option<&str> {
    text.rsplit_once(')')?.1.split_ascii_whitespace().nth(number.checked_sub(3)?)
}

/// Reads the text of `stat`.
pub fn stat(text: &str) -> Option<Stat> {
    let number = |field| stat_field(text, field)?.parse::<u64>().ok();
    let state = *stat_field(text, 3)?.as_bytes().first()?;
    Some(Stat { state, ticks: number(14)? + number(15)?, started: number(22)? })
}

/// Reads `/proc/PID/stat`. `None` if there is no such process.
pub fn stat_of(pid: u32) -> Option<Stat> {
    stat(&read_text(format!("/proc/{pid}/stat")).ok()?)
}

/// Resident pages of this process, from `statm`.
pub fn resident_pages() -> Option<u64> {
    read_text("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()
}

/// A `Name:  123 kB` line of `status` or `meminfo`, in bytes.
pub fn status_kilobytes(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(':')?;
        Some(value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stat_whatever_the_process_is_called() {
        let text = "4711 (a) R 1 (b) S 1 2 3 0 -1 4194560 1 2 3 4 250 30 0 0 20 0 1 0 99 5";
        assert_eq!(stat(text), Some(Stat { state: b'S', ticks: 280, started: 99 }));
        assert_eq!(stat("4711 (node"), None);
        assert_eq!(stat("4711 (node) R 1"), None);
        assert_eq!((stat_field(text, 3), stat_field(text, 2)), (Some("S"), None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn reads_what_the_kernel_says_of_this_process() {
        let stat = stat_of(std::process::id()).unwrap();
        // The main thread waits for the test's.
        assert!(matches!(stat.state, b'R' | b'S') && stat.started > 0, "{stat:?}");
        assert!(resident_pages() > Some(100));
    }

    #[test]
    fn reads_kilobytes() {
        let text = "VmPeak:\t 99 kB\nVmSize:\t  12 kB\nThreads:\t11\n";
        assert_eq!(status_kilobytes(text, "VmSize"), Some(12 * 1024));
        assert_eq!(status_kilobytes(text, "Threads"), None);
        assert_eq!(status_kilobytes(text, "VmRSS"), None);
    }
}
