//! The system calls: which a child may make, and what the others are answered.
//!
//! The answers are those that a caller gets in ordinary life, so that a finalizer that looks at errors goes on: a
//! file system that is read-only, a lock that somebody else has, a socket that a policy forbids. A call on neither
//! list is answered as one that this kernel doesn't know.

use libc::*;

/// What a child may always do: read, its own memory, its own time, its own descriptors.
pub(super) const ALLOWED: &[c_long] = &[
    SYS_read,
    SYS_pread64,
    SYS_readv,
    SYS_preadv,
    SYS_preadv2,
    SYS_write,
    SYS_pwrite64,
    SYS_writev,
    SYS_pwritev,
    SYS_pwritev2,
    SYS_lseek,
    SYS_close,
    SYS_close_range,
    SYS_dup,
    SYS_dup3,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_statfs,
    SYS_fstatfs,
    SYS_readlinkat,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_getdents64,
    SYS_getcwd,
    SYS_fsync,
    SYS_fdatasync,
    SYS_sync_file_range,
    SYS_fadvise64,
    SYS_readahead,
    SYS_mmap,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_msync,
    SYS_mincore,
    SYS_mlock,
    SYS_mlock2,
    SYS_munlock,
    SYS_membarrier,
    SYS_pkey_alloc,
    SYS_pkey_free,
    SYS_get_mempolicy,
    SYS_mbind,
    SYS_futex,
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_rseq,
    SYS_set_tid_address,
    SYS_rt_sigreturn,
    SYS_rt_sigprocmask,
    SYS_rt_sigpending,
    SYS_rt_sigtimedwait,
    SYS_sigaltstack,
    SYS_getpid,
    SYS_gettid,
    SYS_getppid,
    SYS_getpgid,
    SYS_getsid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getresuid,
    SYS_getresgid,
    SYS_getgroups,
    SYS_capget,
    SYS_getrandom,
    SYS_getcpu,
    SYS_getpriority,
    SYS_getrlimit,
    SYS_getrusage,
    SYS_sysinfo,
    SYS_uname,
    SYS_times,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_sched_getparam,
    SYS_sched_getscheduler,
    SYS_getitimer,
    SYS_setitimer,
    SYS_exit,
    SYS_exit_group,
    SYS_restart_syscall,
    SYS_wait4,
    SYS_waitid,
    SYS_ppoll,
    SYS_pselect6,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_epoll_pwait2,
    SYS_eventfd2,
    SYS_pipe2,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
    SYS_memfd_create,
    SYS_getsockopt,
    SYS_getsockname,
    SYS_getpeername,
];

/// The same by their older names.
#[cfg(target_arch = "x86_64")]
pub(super) const ALLOWED_HERE: &[c_long] = &[
    SYS_access,
    SYS_stat,
    SYS_lstat,
    SYS_readlink,
    SYS_poll,
    SYS_select,
    SYS_epoll_create,
    SYS_epoll_wait,
    SYS_eventfd,
    SYS_pipe,
    SYS_dup2,
    SYS_getdents,
    SYS_time,
    SYS_alarm,
    SYS_pause,
    SYS_arch_prctl,
    SYS_getpgrp,
];
#[cfg(not(target_arch = "x86_64"))]
pub(super) const ALLOWED_HERE: &[c_long] = &[];

/// What is refused, and how.
struct RefusedSyscall {
    number: c_long,
    name: &'static str,
    errno: c_int,
}

macro_rules! refusals {
    ($($errno:ident: $($number:ident $name:literal)*;)*) => {
        &[$($(RefusedSyscall { number: $number, name: $name, errno: $errno },)*)*]
    };
}

const REFUSED: &[RefusedSyscall] = refusals! {
    EROFS: SYS_openat "openat" SYS_unlinkat "unlinkat" SYS_renameat "renameat" SYS_renameat2 "renameat2" SYS_linkat "linkat"
        SYS_symlinkat "symlinkat" SYS_mkdirat "mkdirat" SYS_mknodat "mknodat" SYS_truncate "truncate"
        SYS_ftruncate "ftruncate" SYS_fallocate "fallocate" SYS_fchmod "fchmod" SYS_fchmodat "fchmodat"
        SYS_fchown "fchown" SYS_fchownat "fchownat" SYS_utimensat "utimensat"
        SYS_setxattr "setxattr" SYS_lsetxattr "lsetxattr" SYS_fsetxattr "fsetxattr"
        SYS_removexattr "removexattr" SYS_lremovexattr "lremovexattr" SYS_fremovexattr "fremovexattr";
    EAGAIN: SYS_fcntl "fcntl" SYS_flock "flock" SYS_clone "clone" SYS_clone3 "clone3";
    EACCES: SYS_mprotect "mprotect" SYS_pkey_mprotect "pkey_mprotect" SYS_socket "socket" SYS_connect "connect" SYS_bind "bind"
        SYS_execve "execve" SYS_execveat "execveat" SYS_shmget "shmget" SYS_shmat "shmat" SYS_semget "semget" SYS_semop "semop"
        SYS_semtimedop "semtimedop" SYS_msgget "msgget" SYS_msgsnd "msgsnd" SYS_msgrcv "msgrcv"
        SYS_mq_open "mq_open" SYS_mq_unlink "mq_unlink";
    EPERM: SYS_socketpair "socketpair" SYS_listen "listen" SYS_accept "accept" SYS_accept4 "accept4"
        SYS_sendto "sendto" SYS_sendmsg "sendmsg" SYS_sendmmsg "sendmmsg" SYS_recvfrom "recvfrom" SYS_recvmsg "recvmsg"
        SYS_recvmmsg "recvmmsg" SYS_shutdown "shutdown" SYS_setsockopt "setsockopt"
        SYS_kill "kill" SYS_tkill "tkill" SYS_tgkill "tgkill" SYS_rt_sigqueueinfo "rt_sigqueueinfo"
        SYS_rt_tgsigqueueinfo "rt_tgsigqueueinfo" SYS_pidfd_send_signal "pidfd_send_signal" SYS_pidfd_open "pidfd_open"
        SYS_pidfd_getfd "pidfd_getfd" SYS_ptrace "ptrace" SYS_process_vm_readv "process_vm_readv"
        SYS_process_vm_writev "process_vm_writev" SYS_process_madvise "process_madvise" SYS_shmctl "shmctl" SYS_shmdt "shmdt"
        SYS_semctl "semctl" SYS_msgctl "msgctl" SYS_io_uring_setup "io_uring_setup" SYS_io_uring_enter "io_uring_enter"
        SYS_io_uring_register "io_uring_register" SYS_io_setup "io_setup" SYS_io_submit "io_submit" SYS_io_destroy "io_destroy"
        SYS_prctl "prctl" SYS_prlimit64 "prlimit64" SYS_setrlimit "setrlimit" SYS_setpriority "setpriority"
        SYS_sched_setscheduler "sched_setscheduler" SYS_sched_setparam "sched_setparam" SYS_sched_setaffinity "sched_setaffinity"
        SYS_setuid "setuid" SYS_setgid "setgid" SYS_setresuid "setresuid" SYS_setresgid "setresgid" SYS_setgroups "setgroups"
        SYS_setsid "setsid" SYS_setpgid "setpgid" SYS_chroot "chroot" SYS_mount "mount" SYS_umount2 "umount2"
        SYS_unshare "unshare" SYS_setns "setns" SYS_bpf "bpf" SYS_perf_event_open "perf_event_open" SYS_seccomp "seccomp"
        SYS_keyctl "keyctl" SYS_add_key "add_key" SYS_syslog "syslog" SYS_reboot "reboot" SYS_sync "sync" SYS_syncfs "syncfs"
        SYS_splice "splice" SYS_tee "tee" SYS_vmsplice "vmsplice" SYS_sendfile "sendfile" SYS_copy_file_range "copy_file_range"
        SYS_chdir "chdir" SYS_fchdir "fchdir" SYS_umask "umask" SYS_rt_sigaction "rt_sigaction" SYS_munlockall "munlockall";
    ENOTTY: SYS_ioctl "ioctl";
};

#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[RefusedSyscall] = refusals! {
    EROFS: SYS_open "open" SYS_creat "creat" SYS_unlink "unlink" SYS_rmdir "rmdir" SYS_rename "rename" SYS_link "link"
        SYS_symlink "symlink" SYS_mkdir "mkdir" SYS_mknod "mknod" SYS_chmod "chmod" SYS_chown "chown" SYS_lchown "lchown"
        SYS_utime "utime" SYS_utimes "utimes" SYS_futimesat "futimesat";
    EAGAIN: SYS_fork "fork" SYS_vfork "vfork";
};
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[RefusedSyscall] = &[];

/// How many names there are for [`name`]; the last stands for all calls that have none.
pub const NAMES: usize = REFUSED.len() + REFUSED_HERE.len() + 1;

fn all() -> impl Iterator<Item = &'static RefusedSyscall> {
    REFUSED.iter().chain(REFUSED_HERE)
}

/// A refused call's place among the names, and its answer.
pub(super) fn refusal(number: c_long) -> (usize, c_int) {
    let found = all().enumerate().find(|(_, refusal)| refusal.number == number);
    found.map_or((NAMES - 1, ENOSYS), |(at, refusal)| (at, refusal.errno))
}

/// A name by its place.
pub fn name(at: usize) -> &'static str {
    all().nth(at).map_or("an unknown system call", |refusal| refusal.name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_call_is_on_two_lists() {
        let mut seen = HashSet::new();
        let numbers = ALLOWED.iter().chain(ALLOWED_HERE).copied().chain(all().map(|refusal| refusal.number));
        for number in numbers {
            assert!(seen.insert(number), "{number}");
        }
        assert_eq!(name(refusal(SYS_unlinkat).0), "unlinkat");
        assert_eq!(refusal(100_000), (NAMES - 1, ENOSYS));
    }
}
