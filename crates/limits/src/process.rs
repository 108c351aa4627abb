//! `/proc/PID/stat` and `/proc/PID/status`.

/// What `/proc/PID/stat` says that tells a working process from a stuck one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// `R` runs or would like to, `S` sleeps, `D` waits for a disk, `Z` has ended, `T` is stopped.
    pub state: u8,
    /// CPU time used, in clock ticks.
    pub ticks: u64,
}

/// Reads `stat`. The command's name is in parentheses and may contain anything, parentheses included.
pub fn stat(text: &str) -> Option<Stat> {
    let rest = &text[text.rfind(')')? + 1..];
    let mut words = rest.split_ascii_whitespace();
    let state = *words.next()?.as_bytes().first()?;
    let user: u64 = words.nth(10)?.parse().ok()?;
    let system: u64 = words.next()?.parse().ok()?;
    Some(Stat { state, ticks: user + system })
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
        let text = "4711 (a) R 1 (b) S 1 2 3 0 -1 4194560 1 2 3 4 250 30 0 0 20 0 1 0 99";
        assert_eq!(stat(text), Some(Stat { state: b'S', ticks: 280 }));
        assert_eq!(stat("4711 (node"), None);
        assert_eq!(stat("4711 (node) R 1"), None);
    }

    #[test]
    fn reads_kilobytes() {
        let text = "VmPeak:\t 99 kB\nVmSize:\t  12 kB\nThreads:\t11\n";
        assert_eq!(status_kilobytes(text, "VmSize"), Some(12 * 1024));
        assert_eq!(status_kilobytes(text, "Threads"), None);
        assert_eq!(status_kilobytes(text, "VmRSS"), None);
    }
}
