//! Whether this user may look into a process, and what to type if not. The kernel decides; this finds the words.

use nix::unistd::geteuid;

use crate::linux::proc;

pub(crate) const CAP_SYS_PTRACE: u32 = 19;
pub(crate) const CAP_SYS_ADMIN: u32 = 21;

/// What the kernel's decision depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    /// `kernel.yama.ptrace_scope`; 0 where there is none.
    pub(crate) yama: u32,
    /// Whether this command has CAP_SYS_PTRACE.
    pub(crate) may_trace: bool,
    /// This command's user, and the process's, if that is known.
    pub(crate) own: u32,
    pub(crate) owner: Option<u32>,
}

/// In a container a capability is given to it, not asked for.
const IN_A_CONTAINER: &str =
    "in a container, --cap-add SYS_PTRACE or securityContext.capabilities.add: [SYS_PTRACE]";
/// sudo has a path of its own, on which Node is often missing.
const SUDO: &str = "sudo env \"PATH=$PATH\" stillheap …";

impl Rights {
    pub(crate) fn over(pid: i32) -> Rights {
        let scope = stillheap_limits::read_text("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
        Rights {
            yama: scope.trim().parse().unwrap_or(0),
            may_trace: has(CAP_SYS_PTRACE),
            own: geteuid().as_raw(),
            owner: proc::status(pid, "Uid").and_then(|ids| ids.split_ascii_whitespace().nth(1)?.parse().ok()),
        }
    }

    /// Whether Yama refuses this user every process. Then nothing is tried.
    pub(crate) fn none(&self) -> bool {
        self.yama == 3 || self.yama == 2 && !self.may_trace
    }

    /// Why the kernel says no, and what helps. `called` is the process.
    pub(crate) fn why_not(&self, called: &str) -> String {
        let owner = self.owner.unwrap_or(0);
        let other_user = self.owner.is_some_and(|owner| owner != self.own);
        match self {
            Rights { yama: 3, .. } => format!(
                "no process of this machine may be looked into (kernel.yama.ptrace_scope is 3, until the next boot): take a core \
                 file of {called} (docs/core-dumps.md), or start it with -r stillheap"
            ),
            Rights { yama: 2, may_trace: false, .. } => format!(
                "{called} may be looked into only with the capability SYS_PTRACE (kernel.yama.ptrace_scope is 2): {SUDO}; \
                 {IN_A_CONTAINER}"
            ),
            Rights { own: 1.., .. } if other_user => {
                format!("{called} belongs to another user (uid {owner}): run this as that user, or: {SUDO}")
            }
            Rights { own, may_trace: false, .. } if other_user || *own == 0 => format!(
                "{called} belongs to uid {owner}, and this command, although run as root, lacks the capability SYS_PTRACE: \
                 {IN_A_CONTAINER}; or run it as that user"
            ),
            Rights { yama: 1, may_trace: false, .. } => format!(
                "{called} may be looked into only by its parents (kernel.yama.ptrace_scope is 1, as on Ubuntu): {SUDO}; or, for \
                 every process of the same user until the next boot, sudo sysctl kernel.yama.ptrace_scope=0; {IN_A_CONTAINER}"
            ),
            Rights { may_trace: false, .. } => format!(
                "{called} doesn't let itself be looked into (its program may have been started with more rights than its user \
                 has): {SUDO}"
            ),
            _ => format!(
                "the kernel doesn't allow {called} to be looked into: a security module (SELinux, AppArmor), a seccomp filter of \
                 this command's container, or another user namespace"
            ),
        }
    }
}

/// Whether this command has a capability.
pub(crate) fn has(capability: u32) -> bool {
    let effective = proc::status(std::process::id() as i32, "CapEff");
    let effective = effective.and_then(|mask| u64::from_str_radix(&mask, 16).ok()).unwrap_or(0);
    effective >> capability & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_says_what_to_type() {
        let user = Rights { yama: 0, may_trace: false, own: 1000, owner: Some(1000) };
        let root = Rights { own: 0, ..user };
        let able = Rights { may_trace: true, ..root };
        for (rights, said) in [
            (Rights { yama: 3, ..able }, "take a core file"),
            (Rights { yama: 2, ..user }, "ptrace_scope is 2): sudo env \"PATH=$PATH\" stillheap"),
            (Rights { yama: 1, ..user }, "sudo sysctl kernel.yama.ptrace_scope=0"),
            (Rights { yama: 1, ..user }, "ptrace_scope is 1, as on Ubuntu): sudo env"),
            (Rights { owner: Some(7), ..user }, "belongs to another user (uid 7)"),
            (Rights { owner: Some(7), yama: 1, ..user }, "belongs to another user (uid 7)"),
            (root, "although run as root, lacks the capability SYS_PTRACE"),
            (Rights { owner: Some(0), ..root }, "--cap-add SYS_PTRACE"),
            (user, "started with more rights than its user"),
            (able, "a security module"),
        ] {
            let text = rights.why_not("process 5 (node)");
            assert!(text.contains(said) && text.contains("process 5 (node)"), "{rights:?}: {text}");
        }
        let none = [Rights { yama: 3, ..able }, Rights { yama: 2, ..user }];
        assert!(none.iter().all(Rights::none));
        let some = [Rights { yama: 2, ..able }, Rights { yama: 1, ..user }, user];
        assert!(!some.iter().any(Rights::none));
    }
}
