//! Freezes a running process that did not prepare for it: stops its threads for some milliseconds, and makes one of
//! them fork a copy that stands still while the process goes on. Or only stops it and reads ([`Stopped`]).
//!
//! # How
//!
//! 1. [`Target::examine`] refuses everything that is not known to work, before anything is touched.
//! 2. `/proc/PID/smaps` says which memory a fork leaves out (V8 marks its pages `MADV_DONTFORK`).
//! 3. Every thread is seized with ptrace and interrupted, helpers first, the main thread last: the pause begins.
//! 4. A helper thread that sleeps in `futex` without a timeout is the donor. Nothing else can be in the middle of
//!    anything there, and the main thread's registers are never touched.
//! 5. A piece of code that does not depend on its address (`blob`) is written into the zeros behind the end of the code of
//!    a shared library, and the donor's instruction pointer is set to it. It blocks all signals, marks V8's memory
//!    `MADV_DOFORK`, calls `clone`, marks the memory again, restores the signal mask with its last system call, and
//!    loads every register with the values that the donor had.
//! 6. When the donor sleeps in the same `futex` call with the same arguments, stack and instruction pointer, the main
//!    thread is let go, then the others. The donor is let go after its registers have been compared.
//! 7. The copy stands still before its first instruction. [`Frozen::end`] kills it, and the donor reaps it with the same kind of
//!    code, because a zombie belongs to its real parent.
//!
//! # Why it is safe for the process
//!
//! - **The process goes on at whatever point this tool dies.** The kernel lets go the threads of a dead tracer. Before step 5
//!   nothing has been changed; after it the code in the process needs nobody: it forks, the copy ends itself with
//!   `exit_group` because no tracer stops it, and the donor returns to its call. What stays is one zombie,
//!   which the next run reaps (`linux/leftovers.rs`).
//! - **Letting go early is always right**, for the same reason. So every wait has an end ([`Options::limit`]), none of
//!   them blocks, and what takes too long is given up instead of waited for.
//! - **The code is never taken away under somebody.** A signal's handler may run on top of it and return to it later.
//!   The place is written again only by a run that has seen all threads stopped, none of them in it, and no
//!   address of it on a donor's stack (`slack`).
//! - **No memory is mapped, no instruction of the program is changed, nothing is written to a stack in use.** The code stays in
//!   one private page of 4 KB. Its stack is 512 bytes below the donor's, clear of the red zone.
//! - **Descriptors are shared with the copy** (`CLONE_FILES`). A copy of its own would keep connections open that the service
//!   closes. So a copy would hold the ports of a service that has ended: it is ended with the process (`linux/follow.rs`).
//! - **The service doesn't see its child end**: its exit signal is 0, so there is no SIGCHLD, and `waitpid(-1)`
//!   doesn't find it.
//! - **What the kernel may answer with death is not asked.** A seccomp filter that kills would kill the process for the
//!   injected `clone`. Where the kernel shows filters, they are run before the code is written (`linux/filters.rs`). Elsewhere
//!   only container engines' (whose default answers with an error) are trusted.
//! - **The code overwrites nothing.** It is put behind the end of a library's code, as the library's own headers give it
//!   (`linux/elf.rs`), where there are only zeros.
//! - **A thread that ends while it is traced is taken note of.** Otherwise the process's parent could not learn of its end as
//!   long as this tool runs.
//! - **Memory that wasn't V8's stays out of the fork**: devices' and shared mappings that are marked `MADV_DONTFORK` are left
//!   alone. A range gets its mark back only if it is still what it was when the marks were read.
//! - **A system call that was interrupted goes on** as after any ptrace stop: the kernel restarts it, or it returns EINTR where
//!   stopping and continuing a process has always done that (epoll_wait, which libuv repeats).
//!
//! Unsafe code is in `sys` (four calls that nix has no type for) and in `blob` (the address of the code).

mod error;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod linux;

pub use error::{Kind, Refusal, Result};
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub use linux::{Ended, Frozen, Options, Pause, Registers, Stopped, Target, freeze, stop};

/// Whether this build can attach to processes: Linux on x86-64.
pub const SUPPORTED: bool = cfg!(all(target_os = "linux", target_arch = "x86_64"));
