//! Memory that lies: the memory of a real Node process with words changed at random. Whatever is in it, the reader ends
//! in bounded time and space with a file or a refusal, and never panics.
//!
//! `STILLHEAP_FUZZ_SECONDS` sets how long it goes on per Node (default 5), `STILLHEAP_FUZZ_SEED` where it begins.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use stillheap_heap::{Constants, Heap, IsolateChoice, Layout, Mapping, Memory, Registers, Thread, unwatched};
use stillheap_process::Program;
use stillheap_testing::nodes::nodes;
use stillheap_testing::skip;

/// What the process has, copied.
struct Copied {
    mappings: Vec<Mapping>,
    bytes: Vec<Vec<u8>>,
    threads: Vec<Thread>,
}

impl Memory for Copied {
    fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    fn bytes(&self, mapping: usize) -> &[u8] {
        self.bytes.get(mapping).map_or(&[], Vec::as_slice)
    }

    fn threads(&self) -> &[Thread] {
        &self.threads
    }

    fn main_thread(&self) -> Option<u32> {
        self.threads.first().map(|t| t.id)
    }
}

const PROGRAM: &str = "
    class Item { constructor(n) { this.n = n; this.text = `item ${n}`; } }
    globalThis.kept = Array.from({ length: 2000 }, (_, n) => new Item(n));
    globalThis.map = new Map(kept.map((item) => [item.n, item]));
    globalThis.weak = new WeakMap(kept.slice(0, 100).map((item) => [item, { of: item }]));
    globalThis.big = new Array(100000).fill(kept[0]);
    globalThis.closures = kept.slice(0, 300).map((item) => () => item);
    require('fs').writeSync(1, 'ready\\n');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);";

/// The memory of a process that runs the program and waits.
fn freeze(node: &Path) -> Copied {
    let mut child =
        Command::new(node).args(["-e", PROGRAM]).stdout(Stdio::piped()).spawn().expect("Node starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("the program is ready");
    assert_eq!(line, "ready\n");
    let pid = child.id();
    let waits = |words: &[&str]| words.first() == Some(&"202");
    let stack = loop {
        let text = std::fs::read_to_string(format!("/proc/{pid}/syscall")).expect("a process");
        let words: Vec<&str> = text.split_whitespace().collect();
        if waits(&words) {
            break u64::from_str_radix(words[7].trim_start_matches("0x"), 16).expect("a stack pointer");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut copied = Copied {
        mappings: Vec::new(),
        bytes: Vec::new(),
        threads: vec![Thread { id: pid, registers: Registers { stack, ..Registers::default() } }],
    };
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).expect("the memory of a child");
    for line in std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("a process").lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (start, end) = fields[0].split_once('-').expect("a range");
        let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).expect("an address"));
        let file = fields.get(5).filter(|name| name.starts_with('/')).map(|&name| name.to_owned());
        let writable = fields[1].contains('w');
        if !fields[1].starts_with('r') || file.is_some() && !writable || line.contains("[v") {
            continue;
        }
        let mut bytes = vec![0; (end - start) as usize];
        // Large reservations that were never written to read as zeros.
        if memory.read_exact_at(&mut bytes, start).is_ok() {
            copied.mappings.push(Mapping { start, end, writable, file });
            copied.bytes.push(bytes);
        }
    }
    child.kill().expect("the child is ours");
    child.wait().expect("the child ends");
    copied
}

/// Counts what is written, and fails beyond a bound.
struct Bounded {
    left: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len() as u64).expect("the output is bounded");
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// A value that may do harm in the place of `old`.
fn bad_value(random: &mut Random, old: u64, other: u64) -> u64 {
    match random.below(9) {
        0 => random.next(),
        1 => old ^ 1 << random.below(64),
        2 => other,
        3 => other | 1,
        4 => 0,
        5 => u64::MAX,
        // A length that no object has, as a small integer.
        6 => (random.next() % 0x7fff_ffff) << 32,
        7 => old.wrapping_add(8 * (random.next() % 64)).wrapping_sub(128),
        _ => (other & !0xffff_ffff) | (old & 0xffff_ffff),
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Reads it in every way that there is; whether it was read to the end.
fn read(memory: &Copied, layout: &Layout) -> bool {
    let limit = 50 * memory.bytes.iter().map(|b| b.len() as u64).sum::<u64>();
    let mut out = Bounded { left: limit };
    let main = IsolateChoice::Main;
    let entries = |_: &_, _| serde_json::Map::new();
    let written = stillheap_heapfile::write(memory, layout, main, entries, &mut out, &mut unwatched);
    if let Ok(mut opened) = Heap::open(memory, layout, main)
        && let Ok(live) = opened.heap.verify(&mut unwatched)
    {
        opened.heap.stacks(&live);
    }
    written.is_ok()
}

#[test]
fn memory_that_lies_ends_in_a_file_or_a_refusal() {
    let nodes = nodes();
    if nodes.is_empty() {
        skip!("there is no Node binary; scripts/node-versions.mjs fetches them");
    }
    let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = variable("STILLHEAP_FUZZ_SECONDS").unwrap_or(5);
    for (_, node) in nodes {
        let program = Program::open(&node).expect("a program");
        let Ok(layout) = Layout::of_constants(&Constants::new(program.v8_constants())) else { continue };
        let mut memory = freeze(&node);
        let begun = Instant::now();
        assert!(read(&memory, &layout), "{}: the memory as it is", node.display());
        let usual = begun.elapsed().max(Duration::from_millis(100));
        // V8's pages and what is beside them; the largest mappings would otherwise get nearly all changes.
        let targets: Vec<usize> =
            (0..memory.bytes.len()).filter(|&n| memory.mappings[n].file.is_none()).collect();
        let mut seed = variable("STILLHEAP_FUZZ_SEED").unwrap_or(1);
        let (mut runs, mut whole) = (0, 0);
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            let mut changed = Vec::new();
            for _ in 0..1 << random.below(12) {
                let target = targets[random.below(targets.len())];
                let words = memory.bytes[target].len() / 8;
                // Half of the changes go to the beginning, where headers are.
                let at =
                    if random.below(2) == 0 { random.below(words) } else { random.below(words.min(600)) };
                let from = targets[random.below(targets.len())];
                let other = word(&memory.bytes[from], 8 * random.below(memory.bytes[from].len() / 8));
                let old = word(&memory.bytes[target], 8 * at);
                if old == 0 {
                    continue;
                }
                let new = bad_value(&mut random, old, other);
                memory.bytes[target][8 * at..8 * at + 8].copy_from_slice(&new.to_le_bytes());
                changed.push((target, 8 * at, old));
            }
            let begun = Instant::now();
            let outcome = std::panic::catch_unwind(|| read(&memory, &layout));
            let took = begun.elapsed();
            assert!(outcome.is_ok(), "{}: seed {seed} panics", node.display());
            assert!(took < 60 * usual, "{}: seed {seed} takes {took:?}, usually {usual:?}", node.display());
            whole += u64::from(outcome.is_ok_and(|it| it));
            for (target, at, old) in changed.into_iter().rev() {
                memory.bytes[target][at..at + 8].copy_from_slice(&old.to_le_bytes());
            }
            seed += 1;
            runs += 1;
        }
        eprintln!("{}: {runs} memories, {whole} read to the end", node.display());
        assert!(runs > 0);
    }
}

#[test]
fn a_full_list_of_work_changes_nothing() {
    let nodes = nodes();
    if nodes.is_empty() {
        skip!("there is no Node binary; scripts/node-versions.mjs fetches them");
    }
    for (_, node) in nodes {
        let program = Program::open(&node).expect("a program");
        let Ok(layout) = Layout::of_constants(&Constants::new(program.v8_constants())) else { continue };
        let memory = freeze(&node);
        let figures = |most_work| {
            let mut heap = Heap::open(&memory, &layout, IsolateChoice::Main).expect("a heap").heap;
            let live = heap.verify_within(&mut unwatched, most_work).expect("it stands the probes");
            (live.objects(), live.bytes())
        };
        let usual = figures(None);
        for most_work in [1, 10, 1000] {
            assert_eq!(figures(Some(most_work)), usual, "{}: {most_work}", node.display());
        }
    }
}
