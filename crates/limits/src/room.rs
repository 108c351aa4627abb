//! How much may still be allocated before somebody is killed for it.

use std::path::{Path, PathBuf};

use crate::cgroup::{Cgroup, Cgroups, kills};
use crate::process::status_kilobytes;
use crate::text::read_text;

/// Who would stop us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A control group's limit.
    Group {
        directory: PathBuf,
        /// Whether running out ends the whole group.
        ends_together: bool,
    },
    /// `RLIMIT_AS`, on the size of the address space.
    AddressSpace,
    /// The machine's memory.
    Machine,
}

/// Bytes left, and whose they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes.
    pub left: u64,
    /// The tightest bound.
    pub bound: Bound,
}

impl Room {
    /// The bound, as it is named in messages.
    pub fn whose(&self) -> String {
        match &self.bound {
            Bound::Group { directory, ends_together } => {
                let together = if *ends_together { ", which ends all its processes together" } else { "" };
                format!("the control group {}{together}", directory.display())
            }
            Bound::AddressSpace => "the limit on the address space (ulimit -v)".to_owned(),
            Bound::Machine => "this machine".to_owned(),
        }
    }
}

/// Where the limits of this process are found. Made once, read often.
#[derive(Clone, Debug)]
pub struct Machine {
    proc: PathBuf,
    limited: Vec<Cgroup>,
    address_space: Option<u64>,
}

impl Machine {
    /// Reads `proc` (`/proc`). `address_space` is `RLIMIT_AS`, if there is one.
    pub fn new(proc: &Path, address_space: Option<u64>) -> Self {
        let read = |name: &str| read_text(proc.join("self").join(name)).unwrap_or_default();
        let groups = Cgroups::find(&read("cgroup"), &read("mountinfo"));
        let limited = groups.0.into_iter().filter(|group| group.limit().is_some()).collect();
        Self { proc: proc.to_owned(), limited, address_space }
    }

    /// The same of another process, as far as it can be seen from here.
    pub fn of_process(proc: &Path, pid: u32) -> Self {
        let read = |name: &str| read_text(proc.join(name)).unwrap_or_default();
        let groups = Cgroups::find(&read(&format!("{pid}/cgroup")), &read("self/mountinfo"));
        let limited = groups.0.into_iter().filter(|group| group.limit().is_some()).collect();
        Self { proc: proc.to_owned(), limited, address_space: None }
    }

    /// What is left now; `None` where nothing says so.
    pub fn room(&self) -> Option<Room> {
        let groups = self.limited.iter().filter_map(|group| {
            let bound =
                Bound::Group { directory: group.directory.clone(), ends_together: group.ends_together() };
            Some(Room { left: group.left()?, bound })
        });
        let address_space = self.address_space.and_then(|limit| {
            let status = read_text(self.proc.join("self/status")).ok()?;
            let left = limit.saturating_sub(status_kilobytes(&status, "VmSize")?);
            Some(Room { left, bound: Bound::AddressSpace })
        });
        // Swap is not counted: a service that swaps is down, too.
        let machine = || Some(Room { left: self.meminfo("MemAvailable")?, bound: Bound::Machine });
        groups.chain(address_space).chain(machine()).min_by_key(|room| room.left)
    }

    /// The most that could be left if the kernel wrote to its swap what it can: beyond this, nothing fits.
    pub fn room_with_swap(&self) -> Option<Room> {
        let mut room = self.room()?;
        if room.bound != Bound::AddressSpace {
            room.left = room.left.saturating_add(self.meminfo("SwapFree").unwrap_or(0));
        }
        Some(room)
    }

    /// How many processes the system says it has killed for lack of memory so far, here and in the control groups.
    pub fn out_of_memory_kills(&self) -> u64 {
        let machine = read_text(self.proc.join("vmstat")).ok().and_then(|text| kills(&text));
        let groups = self.limited.iter().filter_map(Cgroup::out_of_memory_kills);
        groups.chain(machine).fold(0, u64::saturating_add)
    }

    fn meminfo(&self, name: &str) -> Option<u64> {
        status_kilobytes(&read_text(self.proc.join("meminfo")).ok()?, name)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_tightest_bound_counts() {
        let root = tempfile::tempdir().unwrap();
        let (proc, outer) = (root.path().join("proc"), root.path().join("cgroup"));
        let inner = outer.join("pod/container");
        fs::create_dir_all(&inner).unwrap();
        fs::create_dir_all(proc.join("self")).unwrap();
        let write = |path: PathBuf, text: &str| fs::write(path, text).unwrap();
        write(proc.join("self/cgroup"), "0::/pod/container\n");
        write(
            proc.join("self/mountinfo"),
            &format!("30 23 0:26 / {} rw - cgroup2 cgroup2 rw\n", outer.display()),
        );
        write(proc.join("self/status"), "VmSize:\t 1000 kB\n");
        write(proc.join("meminfo"), "MemTotal: 9000 kB\nMemAvailable:   8000 kB\n");
        assert_eq!(Machine::new(&proc, None).room(), Some(Room { left: 8000 << 10, bound: Bound::Machine }));
        assert_eq!(
            Machine::new(&proc, Some(3000 << 10)).room(),
            Some(Room { left: 2000 << 10, bound: Bound::AddressSpace })
        );
        assert_eq!(Machine::new(&proc, None).room_with_swap().unwrap().left, 8000 << 10);
        write(proc.join("meminfo"), "MemAvailable:   8000 kB\nSwapFree: 500 kB\n");
        assert_eq!(Machine::new(&proc, None).room_with_swap().unwrap().left, 8500 << 10);
        assert_eq!(Machine::new(&proc, Some(3000 << 10)).room_with_swap().unwrap().left, 2000 << 10);
        write(inner.join("memory.max"), "max\n");
        write(outer.join("pod/memory.max"), "500000\n");
        write(outer.join("pod/memory.current"), "100000\n");
        let room = Machine::new(&proc, None).room().unwrap();
        assert_eq!(room.left, 400_000);
        assert!(room.whose().ends_with("/cgroup/pod"), "{}", room.whose());
    }

    #[test]
    fn where_nothing_is_known_nothing_is_said() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Machine::new(root.path(), None).room(), None);
    }
}
