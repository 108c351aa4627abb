//! Control groups, version 1 and 2: where this process's are, and what each level allows.
//!
//! Every level counts: a container's own group may be unlimited and sit in a pod's that isn't.

use std::path::{Path, PathBuf};

use crate::text::read_text;

/// Which interface a group has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `memory.limit_in_bytes`, `memory.usage_in_bytes`
    One,
    /// `memory.max`, `memory.current`
    Two,
}

/// A group, one level of the path from ours to the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    pub directory: PathBuf,
    /// Which files are in it.
    pub version: Version,
}

/// All levels at which this process's memory is counted, the innermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cgroups(pub Vec<Cgroup>);

/// A limit above this is none: version 1 says 2^63 less a page.
const UNLIMITED: u64 = 1 << 60;

impl Cgroups {
    /// Finds the groups from `/proc/self/cgroup` and `/proc/self/mountinfo`.
    pub fn find(cgroup: &str, mountinfo: &str) -> Self {
        let mut groups = Vec::new();
        for line in cgroup.lines() {
            // `4:memory:/path` for version 1, `0::/path` for version 2
            let mut parts = line.splitn(3, ':');
            let (Some(id), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            let version = match (id, controllers) {
                ("0", "") => Version::Two,
                (_, list) if list.split(',').any(|name| name == "memory") => Version::One,
                _ => continue,
            };
            if let Some(mount) = mountinfo.lines().find_map(|line| mount_point(line, version, path)) {
                groups.extend(levels(mount, version));
            }
        }
        Self(groups)
    }
}

struct Mount {
    point: PathBuf,
    /// The group's directory below the mount point.
    group: PathBuf,
}

/// A line of `mountinfo`, if it is the version's memory hierarchy:
/// `36 25 0:31 /root /mount/point options … - type source super,options`
fn mount_point(line: &str, version: Version, path: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut right = right.split(' ');
    let kind = right.next()?;
    let options = right.nth(1)?;
    let matches = match version {
        Version::Two => kind == "cgroup2",
        Version::One => kind == "cgroup" && options.split(',').any(|option| option == "memory"),
    };
    if !matches {
        return None;
    }
    let mut left = left.split(' ').skip(3);
    let (root, point) = (unescape(left.next()?), PathBuf::from(unescape(left.next()?)));
    // In a container the mount shows only a part of the hierarchy; what lies above is out of sight, and a
    // path that isn't below the mount's root is that root itself.
    let below = Path::new(path).strip_prefix(&root).unwrap_or(Path::new(""));
    let below = below.strip_prefix("/").unwrap_or(below);
    let inside = below.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let empty = below.as_os_str().is_empty();
    let group = if inside && !empty { point.join(below) } else { point.clone() };
    Some(Mount { point, group })
}

/// mountinfo writes spaces and the like as `\040`.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..3).filter(|_| first == b'\\');
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn levels(mount: Mount, version: Version) -> Vec<Cgroup> {
    let mut levels = Vec::new();
    let mut directory = Some(mount.group.as_path());
    while let Some(current) = directory.filter(|current| current.starts_with(&mount.point)) {
        levels.push(Cgroup { directory: current.to_owned(), version });
        directory = current.parent();
    }
    levels
}

impl Cgroup {
    /// The limit in bytes; `None` if there is none.
    pub fn limit(&self) -> Option<u64> {
        match self.version {
            Version::One => self.number("memory.limit_in_bytes"),
            // Above `high` the group is throttled until it stands still, so that counts as well.
            Version::Two => match (self.number("memory.max"), self.number("memory.high")) {
                (Some(max), Some(high)) => Some(max.min(high)),
                (max, high) => max.or(high),
            },
        }
        .filter(|&limit| limit < UNLIMITED)
    }

    /// Bytes in use that the kernel can't simply drop: without the file cache.
    pub fn used(&self) -> Option<u64> {
        let (usage, prefix) = match self.version {
            Version::One => (self.number("memory.usage_in_bytes")?, "total_"),
            Version::Two => (self.number("memory.current")?, ""),
        };
        let stat = read_text(self.directory.join("memory.stat")).unwrap_or_default();
        let cache: u64 = ["inactive_file", "active_file"]
            .iter()
            .filter_map(|name| {
                stat.lines().find_map(|line| {
                    line.strip_prefix(prefix)?.strip_prefix(name)?.strip_prefix(' ')?.parse::<u64>().ok()
                })
            })
            .sum();
        Some(usage.saturating_sub(cache))
    }

    /// Bytes left before the limit; `None` if there is no limit.
    pub fn left(&self) -> Option<u64> {
        Some(self.limit()?.saturating_sub(self.used()?))
    }

    /// Whether running out ends every process of the group.
    pub fn ends_together(&self) -> bool {
        self.version == Version::Two && self.number("memory.oom.group") == Some(1)
    }

    /// How many processes the system has killed so far because this group, or one in it, ran out of memory.
    pub fn out_of_memory_kills(&self) -> Option<u64> {
        let file = match self.version {
            Version::Two => "memory.events",
            Version::One => "memory.oom_control",
        };
        kills(&read_text(self.directory.join(file)).ok()?)
    }

    fn number(&self, file: &str) -> Option<u64> {
        read_text(self.directory.join(file)).ok()?.trim().parse().ok()
    }
}

/// The line `oom_kill 3`, in a group's file as in `/proc/vmstat`.
pub(crate) fn kills(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn directories(groups: &Cgroups) -> Vec<String> {
        groups.0.iter().map(|group| group.directory.display().to_string()).collect()
    }

    #[test]
    fn version_1_in_the_root_namespace() {
        let cgroup = "9:name=systemd:/\n4:memory:/process_api/a64e\n1:cpu:/\n0::/\n";
        let mountinfo = "41 34 0:35 / /sys/fs/cgroup/cpu rw,relatime - cgroup cpu rw,cpu\n\
            44 34 0:38 / /sys/fs/cgroup/memory rw,relatime - cgroup memory rw,memory\n\
            50 34 0:44 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        let groups = Cgroups::find(cgroup, mountinfo);
        assert_eq!(
            directories(&groups),
            [
                "/sys/fs/cgroup/memory/process_api/a64e",
                "/sys/fs/cgroup/memory/process_api",
                "/sys/fs/cgroup/memory",
                "/sys/fs/cgroup/unified"
            ]
        );
        assert_eq!(groups.0[0].version, Version::One);
        assert_eq!(groups.0[3].version, Version::Two);
    }

    #[test]
    fn version_2_with_and_without_a_namespace() {
        let mountinfo = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let groups = Cgroups::find("0::/system.slice/api.service\n", mountinfo);
        assert_eq!(
            directories(&groups),
            ["/sys/fs/cgroup/system.slice/api.service", "/sys/fs/cgroup/system.slice", "/sys/fs/cgroup"]
        );
        assert_eq!(directories(&Cgroups::find("0::/\n", mountinfo)), ["/sys/fs/cgroup"]);
    }

    #[test]
    fn version_1_in_a_container_that_sees_only_its_own_part() {
        let mountinfo = "700 690 0:38 /docker/0123 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let groups = Cgroups::find("4:memory:/docker/0123\n", mountinfo);
        assert_eq!(directories(&groups), ["/sys/fs/cgroup/memory"]);
        // A namespace made after the mount gives paths that lead upwards; nothing is read out there.
        let outside = Cgroups::find("4:memory:/../other\n", mountinfo);
        assert_eq!(directories(&outside), ["/sys/fs/cgroup/memory"]);
    }

    #[test]
    fn no_groups_no_levels() {
        assert_eq!(Cgroups::find("", ""), Cgroups::default());
        assert_eq!(Cgroups::find("4:memory:/a\n", "garbage\n"), Cgroups::default());
    }

    #[test]
    fn mount_points_may_contain_spaces() {
        assert_eq!(unescape(r"/a\040b\134c\9"), r"/a b\c\9");
    }

    fn group(version: Version, files: &[(&str, &str)]) -> (tempfile::TempDir, Cgroup) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let group = Cgroup { directory: directory.path().to_owned(), version };
        (directory, group)
    }

    #[test]
    fn what_is_left_in_version_1() {
        let (_keep, limited) = group(
            Version::One,
            &[
                ("memory.limit_in_bytes", "1000\n"),
                ("memory.usage_in_bytes", "900\n"),
                ("memory.stat", "inactive_file 1\ntotal_inactive_file 300\ntotal_active_file 50\n"),
            ],
        );
        assert_eq!((limited.limit(), limited.used(), limited.left()), (Some(1000), Some(550), Some(450)));
        let (_keep, free) = group(Version::One, &[("memory.limit_in_bytes", "9223372036854771712\n")]);
        assert_eq!(free.left(), None);
    }

    #[test]
    fn what_is_left_in_version_2() {
        let stat = ("memory.stat", "anon 7\ninactive_file 300\nactive_file 50\n");
        let (_keep, limited) = group(
            Version::Two,
            &[("memory.max", "2000\n"), ("memory.high", "1000\n"), ("memory.current", "900\n"), stat],
        );
        assert_eq!(limited.left(), Some(450));
        assert!(!limited.ends_together());
        let (_keep, free) = group(
            Version::Two,
            &[("memory.max", "max\n"), ("memory.high", "max\n"), ("memory.current", "9")],
        );
        assert_eq!(free.left(), None);
        let (_keep, together) =
            group(Version::Two, &[("memory.max", "5"), ("memory.current", "9"), ("memory.oom.group", "1\n")]);
        assert!(together.ends_together());
        assert_eq!(together.left(), Some(0));
        assert_eq!(together.out_of_memory_kills(), None);
        let (_root, killed) =
            group(Version::Two, &[("memory.events", "oom 2\noom_kill 3\noom_group_kill 0\n")]);
        assert_eq!(killed.out_of_memory_kills(), Some(3));
        let (_root, killed) =
            group(Version::One, &[("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")]);
        assert_eq!(killed.out_of_memory_kills(), Some(1));
    }
}
