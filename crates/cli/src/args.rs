//! What the command line accepts. The requests describe their own options; here are the commands around them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use stillheap_analysis::Model;
use stillheap_corefile::CoreOptions;
use stillheap_sink::Compression;

use crate::help;
use stillheap_questions::{
    ClosuresRequest, Confidence, ContainmentRequest, DiffRequest, DominatorsRequest, InspectRequest,
    InstancesRequest, LeaksRequest, QueryRequest, RetainersRequest, StringsRequest, SummaryRequest,
    TimelineRequest, parse_number,
};

/// The command line.
#[derive(Parser)]
#[command(
    name = "stillheap",
    version,
    about = "Heap snapshots of running Node.js services, and the leaks in them",
    after_help = help::MAIN,
    max_term_width = 100
)]
pub struct Cli {
    #[command(flatten)]
    pub terminal: Terminal,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of all commands for colours and the pager.
#[derive(Args, Clone, Copy)]
pub struct Terminal {
    /// Use colours: auto, always or never; NO_COLOR is respected
    #[arg(
        long,
        value_enum,
        global = true,
        value_name = "WHEN",
        default_value_t,
        hide_possible_values = true
    )]
    #[arg(hide_default_value = true, display_order = 900)]
    pub color: Color,
    /// Do not page long answers
    #[arg(long, global = true, display_order = 901)]
    pub no_pager: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// Options of every command that opens a file.
#[derive(Args, Clone)]
pub struct Common {
    /// Print JSON (docs/json-schema.md)
    #[arg(long)]
    pub json: bool,
    /// Sizes as Chrome DevTools counts them, or as the garbage collector does
    #[arg(long, value_enum, default_value_t, value_name = "MODEL")]
    pub model: ModelName,
    /// Write an index file beside the snapshot, about 70 % of its size, so that the next command starts at once
    #[arg(long)]
    pub index: bool,
    /// Refuse to read more than this much unpacked text, such as 500MB; 0 for no limit [default: 64GiB]
    #[arg(long, value_name = "SIZE", value_parser = read_limit)]
    pub read_limit: Option<u64>,
    /// Write no index, whatever the environment says
    #[arg(long, hide = true, conflicts_with = "index")]
    pub no_index: bool,
    #[command(flatten)]
    pub core: CoreArgs,
}

/// How to read core files.
#[derive(Args, Clone)]
pub struct CoreArgs {
    /// Core files: the Node.js binary that the process ran, if it has moved
    #[arg(long, value_name = "PATH")]
    pub node: Option<PathBuf>,
    /// Core files: the isolate (of the main thread or a worker), as numbered by 'stillheap info'
    #[arg(long, value_name = "N")]
    pub isolate: Option<usize>,
    #[command(flatten)]
    pub live: LiveArgs,
}

/// How to read running processes.
#[derive(Args, Clone)]
pub struct LiveArgs {
    /// Running processes: give up if the process would be stopped for longer, such as 200ms [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = duration, hide_short_help = true)]
    pub max_pause: Option<Duration>,
    /// Running processes: attach although an unknown filter of system calls is in place, or memory may not suffice
    #[arg(long, hide_short_help = true)]
    pub force: bool,
}

impl CoreArgs {
    pub fn options(&self) -> CoreOptions {
        CoreOptions { node: self.node.clone(), isolate: self.isolate }
    }
}

/// A core file and how to look at it.
#[derive(Args)]
pub struct CoreSource {
    /// The core file, which may be compressed with zstd or lz4, or the id of a running process
    #[arg(value_name = "CORE|PID")]
    pub file: PathBuf,
    #[command(flatten)]
    pub core: CoreArgs,
    /// Print JSON (docs/json-schema.md)
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct StackArgs {
    #[command(flatten)]
    pub source: CoreSource,
    /// Running processes: look several times, so far apart, such as 1s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub watch: Option<Duration>,
    /// How many looks --watch takes
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub count: u32,
}

#[derive(Args)]
pub struct ConvertArgs {
    #[command(flatten)]
    pub source: CoreSource,
    /// The snapshot to write; an extension .gz or .zst compresses it
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// The compression, whatever the extension of FILE
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub compress: Option<CompressionName>,
    /// Replace texts, numbers and source code by placeholders, as 'stillheap redact' does
    #[arg(long)]
    pub redact: bool,
}

/// A number of bytes, with an optional unit.
pub fn read_limit(text: &str) -> Result<u64, String> {
    let bytes = parse_number(text).and_then(|bytes| u64::try_from(bytes).ok());
    bytes.ok_or_else(|| "a size is a number of bytes, such as 500MB or 2GiB; 0 for no limit".to_owned())
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub enum ModelName {
    #[default]
    Devtools,
    Gc,
}

impl ModelName {
    pub fn model(self) -> Model {
        match self {
            ModelName::Devtools => Model::Devtools,
            ModelName::Gc => Model::Gc,
        }
    }
}

/// A file and how to look at it.
#[derive(Args)]
pub struct Source {
    /// The snapshot, or the id of a running process; - is standard input
    #[arg(value_name = "FILE|PID")]
    pub file: PathBuf,
}

#[derive(Args)]
pub struct DumpArgs {
    /// The process id
    #[arg(value_name = "PID", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    pub pid: u32,
    /// How to reach the process: attach to it, or by the signal that stillheap in it waits for; without this, by the
    /// signal where stillheap is loaded
    #[arg(long, value_enum, value_name = "HOW")]
    pub how: Option<How>,
    /// Attached: the directory of the snapshot [default: STILLHEAP_DIR, or this directory]
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    pub dir: Option<PathBuf>,
    /// Attached: the name of the snapshot, with {date}, {pid}, {thread}
    #[arg(long, value_name = "NAME", conflicts_with = "output")]
    pub name: Option<String>,
    /// Attached: the snapshot to write; an extension .gz or .zst compresses it
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Attached: the compression
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub compress: Option<CompressionName>,
    /// Attached: replace texts, numbers and source code by placeholders, as 'stillheap redact' does
    #[arg(long)]
    pub redact: bool,
    #[command(flatten)]
    pub core: CoreArgs,
    /// How long to wait after the signal, such as 30s or 10m; the capture may still finish afterwards
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    pub timeout: Duration,
    /// Print JSON (docs/json-schema.md)
    #[arg(long)]
    pub json: bool,
}

/// How a process is reached.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum How {
    Attach,
    Signal,
}

#[derive(Args)]
pub struct WatchArgs {
    /// The process id; one that has not loaded stillheap is looked at from outside
    #[arg(value_name = "PID", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    #[arg(required_unless_present = "command", conflicts_with = "command")]
    pub pid: Option<u32>,
    /// Start this command with the watch loaded
    #[arg(value_name = "COMMAND", last = true)]
    pub command: Vec<std::ffi::OsString>,
    /// Stop after this time, such as 30s or 10m; a started command keeps running
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub time: Option<Duration>,
    /// From outside: the time between samples
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub every: Duration,
    /// Print one line of JSON for each sample and event (docs/json-schema.md)
    #[arg(long)]
    pub json: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a time is a number and a unit: 500ms, 30s, 10m".to_owned();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(number * factor).map_err(|_| wrong())
}

#[derive(Args)]
pub struct DiffArgs {
    /// Two or more snapshots, oldest first
    #[arg(value_name = "FILE", num_args = 2.., required = true)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub request: DiffRequest,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct ReportArgs {
    /// Snapshots of one process, in any order; without any, those in this directory
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The page to write; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "stillheap-report.html")]
    pub output: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    pub overwrite: bool,
    /// Also look for source maps and original sources in this directory
    #[arg(long, value_name = "DIR")]
    pub source_maps: Option<PathBuf>,
    /// Take the files as snapshots of one process in the order given, oldest first
    #[arg(long)]
    pub as_given: bool,
    #[command(flatten)]
    pub common: Common,
}

/// Confidence in a finding of one snapshot.
#[derive(Clone, Copy, ValueEnum)]
pub enum LeastConfidence {
    Low,
    Medium,
    High,
}

impl LeastConfidence {
    pub fn confidence(self) -> Confidence {
        match self {
            LeastConfidence::Low => Confidence::Low,
            LeastConfidence::Medium => Confidence::Medium,
            LeastConfidence::High => Confidence::High,
        }
    }
}

#[derive(Args)]
pub struct LeaksArgs {
    /// Snapshots of one process, in any order; without any, those in this directory. Or the id of a running process
    #[arg(value_name = "FILE|PID")]
    pub files: Vec<PathBuf>,
    /// Running processes: take a snapshot at this interval
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = duration)]
    pub every: Duration,
    /// Running processes: take so many snapshots
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub captures: u32,
    /// Running processes: keep the snapshots in this directory
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    #[command(flatten)]
    pub request: LeaksRequest,
    /// Also look for source maps and original sources in this directory
    #[arg(long, value_name = "DIR")]
    pub source_maps: Option<PathBuf>,
    /// One snapshot: exit with code 1 if something stands out with at least this confidence
    #[arg(long, value_enum, value_name = "CONFIDENCE")]
    pub fail_on: Option<LeastConfidence>,
    #[command(flatten)]
    pub common: Common,
}

/// A file, which can't be a process.
#[derive(Args)]
pub struct FileSource {
    /// The snapshot; - is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    pub source: FileSource,
    /// Print JSON (docs/json-schema.md)
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct RedactArgs {
    /// The snapshot; - is standard input
    #[arg(value_name = "IN")]
    pub file: PathBuf,
    /// The file to write; an extension .gz or .zst compresses it
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    /// Redact the source text of functions, or keep it
    #[arg(
        long,
        value_enum,
        value_name = "WHAT",
        default_value = "redact",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "redact"
    )]
    pub source: SourceText,
    /// A file with the key of the placeholders, created if it does not exist; snapshots that are redacted with
    /// the same key can be compared
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The compression, whatever the extension of OUT
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub compress: Option<CompressionName>,
    /// Print JSON (docs/json-schema.md)
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SourceText {
    Redact,
    Keep,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum CompressionName {
    None,
    Gzip,
    Zstd,
}

/// How to compress: as asked for, else as the file's name says.
pub fn compression_of(asked: Option<CompressionName>, output: &Path) -> Compression {
    match asked {
        Some(CompressionName::None) => Compression::None,
        Some(CompressionName::Gzip) => Compression::Gzip,
        Some(CompressionName::Zstd) => Compression::Zstd,
        None => match output.extension().and_then(|end| end.to_str()) {
            Some("gz") => Compression::Gzip,
            Some("zst") => Compression::Zstd,
            _ => Compression::None,
        },
    }
}

/// A question about one file.
#[derive(Args)]
pub struct FileQuestion<R: Args> {
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub request: R,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Subcommand)]
pub enum Command {
    /// Take a snapshot of a running process
    #[command(after_help = help::DUMP)]
    Dump(DumpArgs),

    /// Watch the heap of a running process, or of a command
    #[command(after_help = help::WATCH)]
    Watch(WatchArgs),

    /// Check that a snapshot is complete
    #[command(after_help = help::VERIFY)]
    Verify(VerifyArgs),

    /// Write a copy of a snapshot without its secrets
    #[command(after_help = help::REDACT)]
    Redact(RedactArgs),

    /// Convert a core file to a snapshot for Chrome DevTools
    #[command(after_help = help::CONVERT)]
    Convert(ConvertArgs),

    /// Describe a running process or a core file: Node.js, isolates, memory
    #[command(after_help = help::INFO)]
    Info(CoreSource),

    /// Show the JavaScript stacks of a running process or a core file
    #[command(after_help = help::STACK)]
    Stack(StackArgs),

    /// List the classes: objects, retained and shallow sizes
    #[command(after_help = help::SUMMARY)]
    Summary(FileQuestion<SummaryRequest>),

    /// List the objects of a class
    #[command(after_help = help::INSTANCES)]
    Instances(FileQuestion<InstancesRequest>),

    /// Show one object: its fields, text, context and source position
    #[command(after_help = help::INSPECT)]
    Inspect(FileQuestion<InspectRequest>),

    /// Show what retains an object or a class, up to the roots
    #[command(after_help = help::RETAINERS)]
    Retainers(FileQuestion<RetainersRequest>),

    /// Show what would be freed with an object, and its dominators
    #[command(after_help = help::DOMINATORS)]
    Dominators(FileQuestion<DominatorsRequest>),

    /// Show what an object references, as a tree
    #[command(after_help = help::CONTAINMENT)]
    Containment(FileQuestion<ContainmentRequest>),

    /// List the largest strings, or duplicated ones
    #[command(after_help = help::STRINGS)]
    Strings(FileQuestion<StringsRequest>),

    /// List functions whose closures retain variables
    #[command(after_help = help::CLOSURES)]
    Closures(FileQuestion<ClosuresRequest>),

    /// Show where live objects were allocated (.heaptimeline)
    #[command(after_help = help::TIMELINE)]
    Timeline(FileQuestion<TimelineRequest>),

    /// Compare two or more snapshots
    #[command(after_help = help::DIFF)]
    Diff(DiffArgs),

    /// Write an HTML page with the verdict, the growth and the heap
    #[command(after_help = help::REPORT)]
    Report(ReportArgs),

    /// Serve AI assistants over the Model Context Protocol
    #[command(after_help = help::MCP)]
    Mcp,

    /// Name the leak, what retains it, and the line of code
    #[command(after_help = help::LEAKS)]
    Leaks(LeaksArgs),

    /// Find objects with an expression
    #[command(after_help = help::QUERY)]
    Query(FileQuestion<QueryRequest>),

    /// Print a completion script for a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}
