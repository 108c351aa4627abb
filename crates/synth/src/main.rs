//! The command `synth`: writes synthetic heap snapshots, with their answers beside them.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use stillheap_synth::{Expected, Variant, Workload, WorkloadShape};

/// Writes a heap snapshot of a process that never was, and FILE.expected.json with what must be found in it.
#[derive(Parser)]
#[command(
    name = "synth",
    after_help = "Examples:
  synth --shape mixed --size 50MB --out before.heapsnapshot
  synth --shape mixed --size 50MB --out after.heapsnapshot --after
  synth --shape linked-list --units 10000000 --out list.heapsnapshot"
)]
struct Arguments {
    /// What the objects are.
    #[arg(long, value_enum, default_value = "mixed")]
    shape: ShapeName,
    /// About how large the file shall be: 500kB, 50MB, 1GB.
    #[arg(long, value_parser = parse_size, required_unless_present = "units")]
    size: Option<u64>,
    /// How many units instead: one node each in a linked list, four to thirty in the other shapes.
    #[arg(long, conflicts_with = "size")]
    units: Option<u64>,
    /// Equal seeds give equal files.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The same process later: a fiftieth of the objects gone, a tenth more come, ids kept.
    #[arg(long)]
    after: bool,
    /// Whose format.
    #[arg(long, value_enum, default_value = "node22")]
    variant: VariantName,
    /// Where to; `-` is standard output, without the answers.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum ShapeName {
    Mixed,
    LinkedList,
    Strings,
    Maps,
    Closures,
    Wide,
}

#[derive(Clone, Copy, ValueEnum)]
enum VariantName {
    Node20,
    Node22,
    Node24,
    Node26,
    Chrome,
}

fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return Err("say how much of what, like 50MB".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{digits:?} is not a whole number"))?;
    number
        .checked_mul(factor)
        .filter(|&bytes| bytes >= 100_000)
        .ok_or("at least 100kB, and below 2^64".to_owned())
}

#[expect(clippy::print_stderr, reason = "a tool for tests and benchmarks")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("synth: {}: {error}", arguments.out.display());
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let shape = match arguments.shape {
        ShapeName::Mixed => WorkloadShape::Mixed,
        ShapeName::LinkedList => WorkloadShape::LinkedList,
        ShapeName::Strings => WorkloadShape::Strings,
        ShapeName::Maps => WorkloadShape::Maps,
        ShapeName::Closures => WorkloadShape::Closures,
        ShapeName::Wide => WorkloadShape::Wide,
    };
    let mut workload = match (arguments.size, arguments.units) {
        (Some(bytes), _) => Workload::with_bytes(shape, arguments.seed, bytes),
        (None, units) => Workload::with_units(shape, arguments.seed, units.unwrap_or(0)),
    };
    workload = workload.variant(match arguments.variant {
        VariantName::Node20 => Variant::Node20,
        VariantName::Node22 => Variant::Node22,
        VariantName::Node24 => Variant::Node24,
        VariantName::Node26 => Variant::Node26,
        VariantName::Chrome => Variant::Chrome,
    });
    if arguments.after {
        workload = workload.after();
    }
    if arguments.out == Path::new("-") {
        workload.write(BufWriter::new(io::stdout().lock()))?;
        return Ok(());
    }
    workload.write(BufWriter::with_capacity(1 << 20, File::create(&arguments.out)?))?;
    let mut beside = arguments.out.clone().into_os_string();
    beside.push(".expected.json");
    let mut answers = File::create(beside)?;
    let Expected {
        nodes,
        edges,
        total_size,
        planted_class,
        planted_count,
        planted_retained,
        planted_added,
        planted_removed,
    } = workload.expected();
    writeln!(
        answers,
        "{{\"nodes\":{nodes},\"edges\":{edges},\"totalSize\":{total_size},\"planted\":{{\"class\":\
         \"{planted_class}\",\"count\":{planted_count},\"retained\":{planted_retained},\"added\":{planted_added},\
         \"removed\":{planted_removed}}}}}"
    )
}
