//! What must not happen to a real Node process that is attached to, and what is said where nothing is done.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod service;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use service::{Service, eventually, nodes, state};
use stillheap_attach::{Kind, Options, Refusal, Target, freeze};
use stillheap_testing::skip;

/// A binary of each supported major; without any, the test is skipped.
macro_rules! all_nodes {
    () => {{
        let all = nodes();
        if all.is_empty() {
            skip!("there is no Node binary; scripts/node-versions.mjs fetches them");
        }
        all
    }};
}

fn attach(service: &Service) -> Result<stillheap_attach::Frozen, Refusal> {
    let options = Options::default();
    let target = Target::examine(service.pid(), &options)?;
    freeze(&target, &options, |_| Ok(()))
}

/// Attaches until it works; a process that is busy may refuse some times.
fn attach_at_last(service: &Service) -> stillheap_attach::Frozen {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match attach(service) {
            Ok(frozen) => return frozen,
            Err(refusal) if refusal.kind == Kind::Busy && Instant::now() < until => {}
            Err(refusal) => panic!("{refusal}"),
        }
    }
}

/// Why a process is left alone, for another reason than that it is busy.
fn refusal(service: &Service) -> Refusal {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match attach(service) {
            Ok(_) => panic!("the process was attached to"),
            Err(refusal) if refusal.kind == Kind::Busy && Instant::now() < until => {}
            Err(refusal) => return refusal,
        }
    }
}

fn shows_filters() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    let capabilities = u64::from_str_radix(field("CapEff:"), 16).unwrap();
    // CAP_SYS_ADMIN
    capabilities >> 21 & 1 == 1 && field("Seccomp:") == "0"
}

fn filter(call: i64, action: SeccompAction) -> BpfProgram {
    let rules = BTreeMap::from([(call, Vec::new())]);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, TargetArch::x86_64).unwrap();
    filter.try_into().unwrap()
}

/// Calls that Node itself doesn't make: it starts threads with clone3 or clone, depending on the C library, and
/// programs with either, so the filters here are of others.
const UNUSED: i64 = libc::SYS_wait4;

#[test]
fn a_filter_of_system_calls_is_asked_before_a_call_is_made() {
    if !shows_filters() {
        skip!("the kernel shows filters only to CAP_SYS_ADMIN that has none itself");
    }
    for node in all_nodes!() {
        let harmless = Service::filtered(&node, filter(libc::SYS_acct, SeccompAction::KillProcess));
        let frozen = attach_at_last(&harmless);
        assert!(frozen.check().is_ok() && frozen.end().reaped);
        harmless.answers();

        let kills = Service::filtered(&node, filter(UNUSED, SeccompAction::KillProcess));
        let refusal = self::refusal(&kills);
        assert_eq!(refusal.kind, Kind::Seccomp);
        assert!(refusal.to_string().contains("for the call of wait4()"), "{refusal}");
        let options = Options { force: true, ..Options::default() };
        let target = Target::examine(kills.pid(), &options).unwrap();
        assert!(freeze(&target, &options, |_| Ok(())).is_err());
        kills.answers();

        let forbids = Service::filtered(&node, filter(UNUSED, SeccompAction::Errno(1)));
        let refusal = self::refusal(&forbids);
        assert!(refusal.to_string().contains("forbids it wait4() (Operation not permitted)"), "{refusal}");
        forbids.answers();
    }
}

#[test]
fn the_copy_ends_with_the_process_and_holds_no_port() {
    for node in all_nodes!() {
        let mut service = Service::start(&node, &[]);
        let port = service.port();
        let frozen = attach_at_last(&service);
        service.end();
        // A service that is started anew comes later than this.
        eventually("the port is free", || TcpListener::bind(("127.0.0.1", port)).is_ok());
        let refusal = frozen.check().unwrap_err();
        assert_eq!(refusal.kind, Kind::Gone);
        frozen.end();
    }
}

#[test]
fn the_copy_ends_when_the_process_becomes_another_program() {
    // process.execve came with Node 22.15.
    let nodes = all_nodes!();
    for node in nodes.into_iter().filter(|node| !node.to_string_lossy().contains("/20.")) {
        let service = Service::start(&node, &[]);
        let port = service.port();
        let frozen = attach_at_last(&service);
        service.tell("/become");
        eventually("the port is free", || TcpListener::bind(("127.0.0.1", port)).is_ok());
        assert_eq!(frozen.check().unwrap_err().kind, Kind::Gone);
        // Nothing is written to the new program: the place for the code isn't in it.
        frozen.end();
        // The next run takes the zombie away.
        let mut again = attach_at_last(&service).end();
        for _ in 0..5 {
            if service.zombies() == 0 {
                break;
            }
            again = attach_at_last(&service).end();
        }
        assert!(again.reaped && service.zombies() == 0);
    }
}

#[test]
fn a_copy_that_was_ended_is_not_taken_for_a_whole_one() {
    for node in all_nodes!() {
        let service = Service::start(&node, &[]);
        let frozen = attach_at_last(&service);
        assert!(frozen.check().is_ok());
        kill(Pid::from_raw(frozen.copy() as i32), Signal::SIGKILL).unwrap();
        eventually("the copy has ended", || frozen.check().is_err());
        let refusal = frozen.check().unwrap_err();
        assert_eq!(refusal.kind, Kind::NoRoom);
        assert!(frozen.end().reaped);
        service.answers();
    }
}

#[test]
fn a_process_that_is_being_traced_is_left_alone() {
    let Some(node) = nodes().pop() else { skip!("there is no Node") };
    let service = Service::start(&node, &[]);
    let traced = Pid::from_raw(service.pid() as i32);
    ptrace::seize(traced, ptrace::Options::empty()).unwrap();
    let refusal = self::refusal(&service);
    assert_eq!(refusal.kind, Kind::Unfit);
    assert!(refusal.to_string().contains("is being traced by process"), "{refusal}");
    service.answers();
}

#[test]
fn a_thread_that_is_being_traced_is_left_alone() {
    let Some(node) = nodes().pop() else { skip!("there is no Node") };
    let service = Service::start(&node, &[]);
    let helper = service.threads().into_iter().find(|&id| id != service.pid()).unwrap();
    let helper = Pid::from_raw(helper as i32);
    // A tracer is a thread. It lets go what it traces when it ends.
    let (traces, traced) = mpsc::channel();
    let (over, until) = mpsc::channel::<()>();
    let tracer = std::thread::spawn(move || {
        ptrace::seize(helper, ptrace::Options::empty()).unwrap();
        traces.send(()).unwrap();
        until.recv().unwrap_err();
    });
    traced.recv().unwrap();
    let refusal = self::refusal(&service);
    assert!(refusal.to_string().contains("is being traced by process"), "{refusal}");
    assert!(!service.is_traced());
    service.answers();
    drop(over);
    tracer.join().unwrap();
    assert!(attach_at_last(&service).end().reaped);
}

#[test]
fn a_process_that_is_stopped_while_its_copy_stands_stays_stopped() {
    for node in all_nodes!() {
        let service = Service::start(&node, &[]);
        let frozen = attach_at_last(&service);
        let pid = Pid::from_raw(service.pid() as i32);
        kill(pid, Signal::SIGSTOP).unwrap();
        eventually("it is stopped", || state(service.pid()) == Some('T'));
        frozen.end();
        assert_eq!(state(service.pid()), Some('T'));
        kill(pid, Signal::SIGCONT).unwrap();
        service.answers();
        // Whatever was left is taken away by the next run.
        let frozen = attach_at_last(&service);
        assert!(frozen.end().reaped);
        assert_eq!(service.zombies(), 0);
    }
}

#[test]
fn threads_that_start_meanwhile_are_stopped_or_the_process_is_let_go() {
    for node in all_nodes!() {
        let service = Service::start(&node, &["threads"]);
        let (mut done, mut refused) = (0, 0);
        for _ in 0..30 {
            match attach(&service) {
                Ok(frozen) => {
                    frozen.end();
                    done += 1;
                }
                Err(refusal) if refusal.kind == Kind::Busy => refused += 1,
                Err(refusal) => panic!("{refusal}"),
            }
        }
        assert!(done > 0, "{refused} refused");
        assert!(!service.is_traced());
        service.answers();
    }
}

#[test]
fn calls_that_wait_go_on_where_they_were() {
    for node in all_nodes!() {
        let service = Service::start(&node, &["waits"]);
        for _ in 0..30 {
            attach_at_last(&service).end();
        }
        // Its own checks: times that were waited for, bytes that were read, locks that were taken.
        assert_eq!(service.ask("/faults"), "[]");
        assert!(service.ask("/waited").parse::<u32>().unwrap() > 20);
    }
}

#[test]
fn programs_that_are_started_meanwhile_run() {
    for node in all_nodes!() {
        let service = Service::start(&node, &["spawns"]);
        let mut done = 0;
        for _ in 0..30 {
            match attach(&service) {
                Ok(frozen) => done += usize::from(frozen.end().reaped),
                Err(refusal) => assert_eq!(refusal.kind, Kind::Busy, "{refusal}"),
            }
        }
        assert!(done > 0);
        assert_eq!(service.ask("/faults"), "[]");
        assert!(service.ask("/waited").parse::<u32>().unwrap() > 0);
    }
}

#[test]
fn a_process_that_ends_at_any_moment_is_reported_as_gone() {
    for node in all_nodes!() {
        for after in 0..12 {
            let mut service = Service::start(&node, &[]);
            let pid = Pid::from_raw(service.pid() as i32);
            let killer = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_micros(400 * after));
                kill(pid, Signal::SIGKILL).unwrap();
            });
            match attach(&service) {
                Ok(frozen) => {
                    killer.join().unwrap();
                    eventually("the copy has ended", || frozen.check().is_err());
                    frozen.end();
                }
                Err(refusal) => {
                    killer.join().unwrap();
                    assert!(matches!(refusal.kind, Kind::Gone | Kind::Busy | Kind::NotAllowed), "{refusal}");
                }
            }
            service.end();
        }
    }
}
