//! Where the time goes: opens a snapshot and runs the summary's passes one after the other on one thread, or
//! (with `--together`) as the command line does.
//!
//!     cargo run --release --example phases -- [--together] FILE
#![expect(clippy::print_stdout, reason = "an example")]

use std::time::Instant;

use stillheap_analysis::{ClassSort, Model, NodeOrdinal, Page, Snapshot};
use stillheap_snapshot::ReadOptions;

fn main() -> stillheap_analysis::Result<()> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let together = args.first().is_some_and(|a| a == "--together");
    let single = args.first().is_some_and(|a| a == "--single");
    if together || single {
        args.remove(0);
    }
    let (mut last, mut last_cpu) = (Instant::now(), cpu_ticks());
    let mut step = |what: &str| {
        let (user, system) = cpu_ticks();
        let (u, s) = ((user - last_cpu.0) as f64 / 100.0, (system - last_cpu.1) as f64 / 100.0);
        println!("{:8.3} s wall {u:5.2} s user {s:5.2} s system  {what}", last.elapsed().as_secs_f64());
        (last, last_cpu) = (Instant::now(), (user, system));
    };
    let options = ReadOptions { threads: single as usize, ..ReadOptions::default() };
    let snapshot = stillheap_snapshot::open(&args[0], options).map(Snapshot::new)?;
    step("open");
    let analysis = snapshot.analysis(Model::Devtools);
    if !together {
        let root = NodeOrdinal(0);
        analysis.distance(root);
        step("distances and page ownership");
        analysis.dominator(root);
        step("essential edges and dominators");
        analysis.self_size(root);
        step("folded sizes");
        analysis.retained_size(root);
        step("retained sizes");
        analysis.class_name(root);
        step("shapes and classes");
        analysis.statistics();
        step("statistics");
    } else {
        analysis.prepare();
        step("prepare");
    }
    let top = analysis.classes(None).sorted(ClassSort::RetainedSize, Page::first(3));
    step("class table");
    for row in top.items {
        println!("{} x {} retains {}", row.count, row.name, row.retained_size);
    }
    println!("total {}", analysis.statistics().total);
    Ok(())
}

/// User and system time of all threads in hundredths of a second (Linux; zero elsewhere).
fn cpu_ticks() -> (u64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let number = |i: usize| fields.get(i).and_then(|f| f.parse().ok()).unwrap_or(0);
    (number(11), number(12))
}
