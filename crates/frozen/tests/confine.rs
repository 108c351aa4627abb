//! What native code tries in the child stays in the child.
#![cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]

mod common;

use std::ffi::CString;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use common::{capture, names};
use stillheap_protocol::Failure;

fn text(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn errno(result: libc::c_int) -> i32 {
    assert_eq!(result, -1, "it was not refused");
    io::Error::last_os_error().raw_os_error().unwrap()
}

/// What is wrong in the child is told as the engine's failure.
fn expect(all: &[(&str, i32, i32)]) -> Result<(), Failure> {
    match all.iter().find(|(_, is, wanted)| is != wanted) {
        Some((what, is, wanted)) => Err(Failure::own("TEST", format!("{what}: errno {is}, not {wanted}"))),
        None => Ok(()),
    }
}

#[test]
fn removing_renaming_and_writing_files_of_others() {
    for outlive in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().to_owned();
        fs::write(at.join("database"), "rows").unwrap();
        fs::write(at.join("database-wal"), "more rows").unwrap();
        let (file, wal, other) =
            (text(&at.join("database")), text(&at.join("database-wal")), text(&at.join("b")));
        let finished = capture(&at, outlive, || {
            // SAFETY: system calls with paths that are there.
            let errors = unsafe {
                [
                    ("unlink", errno(libc::unlink(wal.as_ptr())), libc::EROFS),
                    ("rename", errno(libc::rename(wal.as_ptr(), other.as_ptr())), libc::EROFS),
                    ("link", errno(libc::link(wal.as_ptr(), other.as_ptr())), libc::EROFS),
                    ("symlink", errno(libc::symlink(wal.as_ptr(), other.as_ptr())), libc::EROFS),
                    ("mkdir", errno(libc::mkdir(other.as_ptr(), 0o700)), libc::EROFS),
                    ("truncate", errno(libc::truncate(file.as_ptr(), 0)), libc::EROFS),
                    ("open", errno(libc::open(file.as_ptr(), libc::O_RDWR)), libc::EROFS),
                    ("open O_TRUNC", errno(libc::open(file.as_ptr(), libc::O_TRUNC)), libc::EROFS),
                    ("creat", errno(libc::creat(other.as_ptr(), 0o600)), libc::EROFS),
                    ("chmod", errno(libc::chmod(file.as_ptr(), 0)), libc::EROFS),
                ]
            };
            expect(&errors)?;
            // Reading is allowed.
            fs::read(at.join("database")).map(|_| ()).map_err(|error| Failure::system(&error, "read", &at))
        })
        .unwrap();
        assert_eq!(finished.fork.attempts, 1);
        let refused: Vec<_> = finished.fork.refused_calls.iter().map(|refused| refused.call).collect();
        assert!(refused.contains(&"unlink") && refused.contains(&"rename"), "{refused:?}");
        assert_eq!(names(&at), ["a", "database", "database-wal"]);
        assert_eq!(fs::read_to_string(at.join("database")).unwrap(), "rows");
        assert_eq!(fs::read(at.join("a")).unwrap().len(), 10_000);
    }
}

#[test]
fn sockets_signals_locks_processes() {
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    fs::write(directory.path().join("locked"), "").unwrap();
    let locked = text(&directory.path().join("locked"));
    let parent = std::process::id() as i32;
    let finished = capture(directory.path(), false, || {
        let connected = TcpStream::connect(address).err().and_then(|error| error.raw_os_error()).unwrap_or(0);
        let bound = UdpSocket::bind("127.0.0.1:0").err().and_then(|error| error.raw_os_error()).unwrap_or(0);
        // SAFETY: system calls with valid arguments.
        let errors = unsafe {
            let file = libc::open(locked.as_ptr(), libc::O_RDONLY);
            let mut lock: libc::flock = std::mem::zeroed();
            lock.l_type = libc::F_RDLCK as i16;
            [
                ("connect", connected, libc::EACCES),
                ("bind", bound, libc::EACCES),
                ("kill", errno(libc::kill(parent, libc::SIGKILL)), libc::EPERM),
                ("fcntl", errno(libc::fcntl(file, libc::F_SETLK, &raw mut lock)), libc::EAGAIN),
                ("flock", errno(libc::flock(file, libc::LOCK_EX)), libc::EAGAIN),
                ("fork", errno(libc::fork()), libc::EAGAIN),
                ("execve", errno(libc::execv(locked.as_ptr(), std::ptr::null())), libc::EACCES),
                ("ptrace", errno(libc::ptrace(libc::PTRACE_ATTACH, parent, 0, 0) as i32), libc::EPERM),
                ("shmget", errno(libc::shmget(1, 1, 0)), libc::EACCES),
                ("prctl", errno(libc::prctl(libc::PR_SET_DUMPABLE, 1)), libc::EPERM),
                ("unknown", errno(libc::syscall(9999) as i32), libc::ENOSYS),
            ]
        };
        expect(&errors)
    })
    .unwrap();
    assert_eq!(finished.fork.attempts, 1, "{:?}", finished.fork.failed_attempts);
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn memory_that_is_shared_keeps_its_bytes_and_reads_as_if_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shared");
    fs::write(&path, vec![b'a'; 8192]).unwrap();
    let file = fs::File::options().read(true).write(true).open(&path).unwrap();
    // SAFETY: new mappings of this test; the file has as many bytes as are touched.
    let (of_file, anonymous) = unsafe {
        use std::os::fd::AsRawFd;
        let both = libc::PROT_READ | libc::PROT_WRITE;
        let map =
            |flags, fd| libc::mmap(std::ptr::null_mut(), 1 << 20, both, libc::MAP_SHARED | flags, fd, 0);
        (map(0, file.as_raw_fd()) as usize, map(libc::MAP_ANONYMOUS, -1) as usize)
    };
    capture(directory.path(), false, || {
        for start in [of_file, anonymous] {
            for at in [0, 5000] {
                let byte = (start + at) as *mut u8;
                // SAFETY: within the mappings.
                unsafe {
                    byte.write_volatile(b'b');
                    if byte.read_volatile() != b'b' {
                        return Err(Failure::own("TEST", "a write was lost"));
                    }
                }
            }
            // SAFETY: the same.
            let again = unsafe { libc::mprotect(start as *mut _, 4096, libc::PROT_READ | libc::PROT_WRITE) };
            expect(&[("mprotect", errno(again), libc::EACCES)])?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(fs::read(&path).unwrap(), vec![b'a'; 8192]);
    // SAFETY: within the mapping.
    assert_eq!(unsafe { ((anonymous + 5000) as *const u8).read_volatile() }, 0);
}

#[test]
fn who_insists_ends_the_child_with_the_name_of_the_call() {
    let directory = tempfile::tempdir().unwrap();
    let other = text(&directory.path().join("b"));
    let failure = capture(directory.path(), false, || {
        // SAFETY: a system call with a valid path.
        while unsafe { libc::mkdir(other.as_ptr(), 0o700) } != 0 {}
        Ok(())
    })
    .err()
    .unwrap();
    assert_eq!(failure.code, "ERR_STILLHEAP_CONFINED");
    assert!(failure.message.contains("kept trying mkdir"), "{}", failure.message);
    assert_eq!(names(directory.path()), Vec::<String>::new());
}
