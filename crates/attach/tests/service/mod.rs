//! A real Node process that is attached to. It ends with the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use seccompiler::{BpfProgram, apply_filter};

const SCRIPT: &str = include_str!("service.js");

/// A binary of each supported major.
pub fn nodes() -> Vec<PathBuf> {
    stillheap_testing::nodes::nodes()
        .into_iter()
        .filter(|(major, _)| *major >= 20)
        .map(|(_, path)| path)
        .collect()
}

/// Waits for something that has to happen.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The letter of `/proc/PID/stat`.
pub fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

pub struct Service {
    child: Child,
    port: u16,
}

impl Service {
    pub fn start(node: &Path, arguments: &[&str]) -> Service {
        let mut command = Command::new(node);
        command.args(["-e", SCRIPT]).args(arguments);
        Service::of(command)
    }

    /// With a filter of system calls.
    #[expect(unsafe_code, reason = "the filter must be installed between fork and exec")]
    pub fn filtered(node: &Path, filter: BpfProgram) -> Service {
        let mut command = Command::new(node);
        command.args(["-e", SCRIPT]);
        let install = move || apply_filter(&filter).map_err(|_| std::io::ErrorKind::Other.into());
        // SAFETY: installing a filter is two system calls; nothing is allocated, and no lock taken, between fork and exec.
        unsafe { command.pre_exec(install) };
        Service::of(command)
    }

    fn of(mut command: Command) -> Service {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Node starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("the service says its port");
        Service { child, port }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn end(&mut self) {
        let _ = self.child.kill();
        // Its tracer, which is this process, too, may have taken note of its end already.
        let _ = self.child.wait();
    }

    pub fn ask(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the service listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("the service answers");
        text.split_once("\r\n\r\n").expect("an answer").1.to_owned()
    }

    /// Asks for what has no answer.
    pub fn tell(&self, path: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the service listens");
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        // Until it hangs up.
        let _ = stream.read_to_end(&mut Vec::new());
    }

    pub fn answers(&self) {
        assert_eq!(self.ask("/"), "alive");
    }

    pub fn threads(&self) -> Vec<u32> {
        let entries = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap().flatten();
        entries.filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
    }

    pub fn is_traced(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
    }

    /// Its children that have ended and that nobody has waited for.
    pub fn zombies(&self) -> usize {
        let children = self.threads().into_iter().flat_map(|thread| {
            let path = format!("/proc/{}/task/{thread}/children", self.pid());
            let text = std::fs::read_to_string(path).unwrap_or_default();
            text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()
        });
        children.filter(|&child| state(child) == Some('Z')).count()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}
