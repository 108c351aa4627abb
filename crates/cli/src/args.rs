//! What the command line accepts. The requests describe their own options; here are the commands around them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use stillheap_analysis::Model;
use stillheap_corefile::CoreOptions;

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
    about = "Takes heap snapshots of running Node.js services and answers what is in them",
    after_help = "Examples:
  stillheap dump 12345                           a snapshot of a running service
  stillheap summary app.heapsnapshot             what takes the memory
  stillheap diff before.heapsnapshot after.heapsnapshot
  stillheap leaks 1.heapsnapshot 2.heapsnapshot 3.heapsnapshot
  stillheap retainers app.heapsnapshot EmailTemplate

Files may be plain, gzip or zstd; - is standard input. 'stillheap COMMAND --help' shows
more of each.

Exit codes: 0 done; 1 the answer is no (verify, --fail-on, dump) or something leaks; 2 wrong usage or an
input that cannot be read; 3 done, but the input was truncated and only its first part
was looked at.",
    disable_help_subcommand = true,
    max_term_width = 110
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command that opens a file.
#[derive(Args, Clone)]
pub struct Common {
    /// Print JSON, described in docs/json-schema.md
    #[arg(long)]
    pub json: bool,
    /// Whose numbers: Chrome DevTools', or what the garbage collector sees
    #[arg(long, value_enum, default_value_t, value_name = "MODEL")]
    pub model: ModelName,
    /// Keep an index file beside the snapshot, about 70 % of its size, so that the next question is answered at once
    #[arg(long)]
    pub index: bool,
    /// Read no more than this much text (unpacked), such as 500MB; 0 for no limit, 64GiB by default
    #[arg(long, value_name = "SIZE", value_parser = read_limit)]
    pub read_limit: Option<u64>,
    /// Keep none, whatever the environment says
    #[arg(long, hide = true, conflicts_with = "index")]
    pub no_index: bool,
    #[command(flatten)]
    pub core: CoreArgs,
}

/// How to read core files.
#[derive(Args, Clone)]
pub struct CoreArgs {
    /// Of a core file: the Node binary that the process ran, if it isn't where it was
    #[arg(long, value_name = "PATH")]
    pub node: Option<PathBuf>,
    /// Of a core file: the isolate (the main thread's or a worker's), as 'stillheap info' numbers them
    #[arg(long, value_name = "N")]
    pub isolate: Option<usize>,
}

impl CoreArgs {
    pub fn options(&self) -> CoreOptions {
        CoreOptions { node: self.node.clone(), isolate: self.isolate }
    }
}

/// A core file and how to look at it.
#[derive(Args)]
pub struct CoreSource {
    /// The core file; it may be packed with zstd or lz4
    #[arg(value_name = "CORE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub core: CoreArgs,
    /// Print JSON, described in docs/json-schema.md
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct ConvertArgs {
    #[command(flatten)]
    pub source: CoreSource,
    /// The snapshot to write; .gz or .zst at its end compresses
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// How to compress, whatever the name of FILE says
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub compress: Option<CompressionName>,
    /// Write placeholders instead of texts, numbers and source code, as 'stillheap redact' does
    #[arg(long)]
    pub redact: bool,
}

/// A number of bytes, with a unit if need be.
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
    /// The snapshot; - is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Args)]
pub struct DumpArgs {
    /// The process
    #[arg(value_name = "PID", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    pub pid: u32,
    /// How long to wait, such as 30s or 10m; the capture may still complete afterwards
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    pub timeout: Duration,
    /// Print JSON, described in docs/json-schema.md
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct WatchArgs {
    /// The process; it must be watching itself
    #[arg(value_name = "PID", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    #[arg(required_unless_present = "command", conflicts_with = "command")]
    pub pid: Option<u32>,
    /// Start this command, with the watch loaded into its Node
    #[arg(value_name = "COMMAND", last = true)]
    pub command: Vec<std::ffi::OsString>,
    /// End after this time, such as 30s or 10m; a command that was started goes on
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub time: Option<Duration>,
    /// Print a line of JSON for each sample and event, described in docs/json-schema.md
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
    /// One or more snapshots, oldest first
    #[arg(value_name = "FILE", num_args = 1.., required = true)]
    pub files: Vec<PathBuf>,
    /// The page to write; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "stillheap-report.html")]
    pub output: PathBuf,
    /// Replace a page that is there already
    #[arg(long)]
    pub overwrite: bool,
    /// Look for source maps and original sources in this directory, too
    #[arg(long, value_name = "DIR")]
    pub source_maps: Option<PathBuf>,
    /// Take the files as one process's in the order given, oldest first, whatever they say of themselves
    #[arg(long)]
    pub as_given: bool,
    #[command(flatten)]
    pub common: Common,
}

/// How much something of one snapshot is to be believed.
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
    /// Snapshots of one process in any order; three tell most
    #[arg(value_name = "FILE", num_args = 1.., required = true)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub request: LeaksRequest,
    /// Look for source maps and original sources in this directory, too
    #[arg(long, value_name = "DIR")]
    pub source_maps: Option<PathBuf>,
    /// Of one snapshot: exit with 1 if something stands out with this confidence at least
    #[arg(long, value_enum, value_name = "CONFIDENCE")]
    pub fail_on: Option<LeastConfidence>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    pub source: Source,
    /// Print JSON, described in docs/json-schema.md
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct RedactArgs {
    /// The snapshot; - is standard input
    #[arg(value_name = "IN")]
    pub file: PathBuf,
    /// The file to write; .gz or .zst at its end compresses
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    /// Redact the source text of functions, too, or keep it
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
    /// A file with the key of the placeholders, made if it isn't there; with the same key, redacted
    /// snapshots can be compared
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// How to compress, whatever the name of OUT says
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub compress: Option<CompressionName>,
    /// Print JSON, described in docs/json-schema.md
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
    /// Take a snapshot of a running process that has stillheap loaded
    #[command(after_help = "Examples:
  node -r stillheap app.js &     start a service with stillheap loaded
  stillheap dump $!              take a snapshot; prints its path, size and the service's pause
  stillheap dump 12345 --json

It sends the signal that the process waits for (SIGUSR2 by default) and waits until the
file is whole. For a process in a container, give the id that it has outside.")]
    Dump(DumpArgs),

    /// Watch the heap of a running process, or of one that is started
    #[command(after_help = "Examples:
  stillheap watch -- node app.js     start a service and watch its heap
  stillheap watch 12345              one that runs with STILLHEAP_WATCH=1, or calls watch()
  stillheap watch 12345 --json --for 10m

There is a sample after each full collection: what lives in the heap, the process's
memory, how fast the heap grows, and how long collections stopped the thread. Events are
leaks, their end, and limits that are near. On a terminal the samples of a PID are drawn;
a started command's own output stays where it is, and the samples go to standard error.")]
    Watch(WatchArgs),

    /// Say whether a snapshot is whole
    #[command(after_help = "Examples:
  stillheap verify app.heapsnapshot.gz
  stillheap verify app.heapsnapshot && aws s3 cp app.heapsnapshot s3://…

Exit code 0: whole. 1: truncated or malformed, with what is missing and where. 2: it
cannot be read.")]
    Verify(VerifyArgs),

    /// Write a copy of a snapshot without the secrets in it, for others to analyse
    #[command(after_help = "Examples:
  stillheap redact app.heapsnapshot shareable.heapsnapshot.gz
  stillheap redact app.heapsnapshot out.heapsnapshot --source=keep
  stillheap redact monday.heapsnapshot 1.heapsnapshot --key team.key
  stillheap redact tuesday.heapsnapshot 2.heapsnapshot --key team.key

Strings, numbers, regular expressions, source text, directories of scripts, and the
names of properties that no code mentions become placeholders of the same length, the
same for the same text. Classes, functions, variables, names in the source, sizes and the
graph stay: every command answers with the same numbers. Whoever has the key can check a
guess, so keep it to yourself. What it can't hide: docs/redact.md.")]
    Redact(RedactArgs),

    /// Write a core file as a snapshot that Chrome DevTools opens
    #[command(after_help = "Examples:
  stillheap convert core.1234 -o app.heapsnapshot
  stillheap convert core.1234 -o app.heapsnapshot.zst --node /opt/node-22.11.0/bin/node

Every command takes a core file itself, so this is for other tools, and for keeping: a
snapshot is a small part of its core. It holds the process's secrets like the core; see
'stillheap redact'. How to get a core, and what can be read: docs/core-dumps.md.")]
    Convert(ConvertArgs),

    /// Say what a core file is of: process, Node, isolates, memory
    #[command(after_help = "Examples:
  stillheap info core.1234
  stillheap info core.1234 --isolate 1 --json")]
    Info(CoreSource),

    /// Show the JavaScript stacks of a core file
    #[command(after_help = "Examples:
  stillheap stack core.1234
  stillheap stack core.1234 --json

The place is where the function stood, for functions that ran in the interpreter; for
compiled ones it is where the function begins, and functions that were inlined into
another are not shown. C++ frames are left out.")]
    Stack(CoreSource),

    /// Show the classes: how many objects, how large, and what they keep alive
    #[command(after_help = "Examples:
  stillheap summary app.heapsnapshot
  stillheap summary app.heapsnapshot --sort count --limit 0
  stillheap summary app.heapsnapshot --filter 'Email*'
  stillheap summary app.heapsnapshot --filter objectsRetainedByContexts
  stillheap summary app.heapsnapshot --json | jq '.classes[0]'

DevTools' filters: objectsRetainedByContexts, objectsRetainedByDetachedDomNodes,
objectsRetainedByConsole, objectsRetainedByEventHandlers, duplicatedStrings,
sharedNativeContext, noNativeContext. Shallow is the objects' own size, retained what
would be freed with them. Distance is the number of steps from a global object; - means
that only the system holds it.")]
    Summary(FileQuestion<SummaryRequest>),

    /// List the objects of a class
    #[command(after_help = "Examples:
  stillheap instances app.heapsnapshot EmailTemplate
  stillheap instances app.heapsnapshot '{html, user}' --sort id --limit 5
  stillheap instances app.heapsnapshot '(string)' --filter '/^https?:/'

The @numbers are ids, which inspect, retainers, dominators and containment take.")]
    Instances(FileQuestion<InstancesRequest>),

    /// Show one object: its fields, elements, text, or context and source position
    #[command(after_help = "Examples:
  stillheap inspect app.heapsnapshot @12345
  stillheap inspect app.heapsnapshot @12345 --filter 'on*' --sort retained")]
    Inspect(FileQuestion<InspectRequest>),

    /// Show who holds an object, or the objects of a class, and how a root reaches them
    #[command(after_help = "Examples:
  stillheap retainers app.heapsnapshot @12345
  stillheap retainers app.heapsnapshot @12345 --depth 4
  stillheap retainers app.heapsnapshot EmailTemplate --paths 5

Of a class, equal holders and equal paths count together: the path that most objects
share comes first. Ways of a class end at a root, or at another object of the class, as
in a linked list.")]
    Retainers(FileQuestion<RetainersRequest>),

    /// Show what an object alone keeps alive, and what keeps it alive
    #[command(after_help = "Examples:
  stillheap dominators app.heapsnapshot                  from the root
  stillheap dominators app.heapsnapshot @12345 --depth 3

An object dominates another if every way from the root to that one leads through it.")]
    Dominators(FileQuestion<DominatorsRequest>),

    /// Show what an object holds, as a tree
    #[command(after_help = "Examples:
  stillheap containment app.heapsnapshot                 from the root
  stillheap containment app.heapsnapshot @12345 --depth 3 --branch 10")]
    Containment(FileQuestion<ContainmentRequest>),

    /// List the largest strings, or those that are there more than once
    #[command(after_help = "Examples:
  stillheap strings app.heapsnapshot --duplicates
  stillheap strings app.heapsnapshot --duplicates --filter '/^SELECT/'
  stillheap strings app.heapsnapshot                     the largest ones")]
    Strings(FileQuestion<StringsRequest>),

    /// Show functions whose closures keep variables alive
    #[command(after_help = "Examples:
  stillheap closures app.heapsnapshot
  stillheap closures app.heapsnapshot --filter handlers.js --sort contexts

All closures made in a scope share one context: a variable that one of them uses lives
as long as any of them. 'shares' lines name the other functions on the same contexts.")]
    Closures(FileQuestion<ClosuresRequest>),

    /// Show when and where live objects were allocated (.heaptimeline)
    #[command(after_help = "Examples:
  stillheap timeline app.heaptimeline
  stillheap timeline app.heaptimeline --sort live-count --filter handlers.js")]
    Timeline(FileQuestion<TimelineRequest>),

    /// Compare two or more snapshots
    #[command(after_help = "Examples:
  stillheap diff before.heapsnapshot after.heapsnapshot
  stillheap diff 1.heapsnapshot 2.heapsnapshot 3.heapsnapshot     which classes grow in every step
  stillheap diff base.heapsnapshot new.heapsnapshot --fail-on 'EmailTemplate:count>100'
  stillheap diff base.heapsnapshot new.heapsnapshot --fail-on '*:size>10MB' --fail-on 'total:size>50MB'

Objects are matched by id within one process, otherwise classes by their counts; the
output says which. A condition is CLASS:METRIC OPERATOR NUMBER. CLASS: a name or key, a
gl*b, a /regex/, or total. METRIC: count, size (the change), added, removed, addedSize,
removedSize, newCount, newSize. OPERATOR: > >= < <= = !=. NUMBER: with kB, MB, GB, KiB,
MiB, GiB if need be. CLASS:grows holds if it grows in every step.")]
    Diff(DiffArgs),

    /// Write one page that shows what leaks, what grows and what the heap is made of
    #[command(after_help = "Examples:
  stillheap report app.heapsnapshot
  stillheap report 1.heapsnapshot 2.heapsnapshot 3.heapsnapshot -o leak.html

The page is one file for any browser: it needs no network and loads nothing. It holds names
and texts out of the heap; treat it like the snapshot. It is written with mode 0600, and a
file that is there already is left alone unless --overwrite is given.")]
    Report(ReportArgs),

    /// Answer an assistant's questions, as a server of the Model Context Protocol
    #[command(
        after_help = "It speaks on standard input and output, so the assistant's program starts it. For one that
reads such a file:
  { \"mcpServers\": { \"stillheap\": { \"command\": \"npx\", \"args\": [\"stillheap\", \"mcp\"] } } }

Its tools are the questions of this command line: leaks, open, summary, instances, inspect,
retainers, dominators, containment, strings, closures, timeline, query, diff, report. Only
files that a call names are read, and the scripts and source maps that belong to them;
nothing leaves this machine but the answers."
    )]
    Mcp,

    /// Say what leaks, who holds it, and at which line
    #[command(after_help = "Examples:
  stillheap leaks 1.heapsnapshot 2.heapsnapshot 3.heapsnapshot
  stillheap leaks before.heapsnapshot after.heapsnapshot --json
  stillheap leaks only.heapsnapshot              one alone: what is large, unbounded or dead
  stillheap leaks *.heapsnapshot --source-maps dist

Take the snapshots under load, some minutes apart and after the service has warmed up.
Files are put in order by the time in their headers (else by Node's names, object ids, or
times of change), and those of several processes are judged apart. Objects are matched by
what holds them, so it does not matter whether the files keep object ids. Lines of code
come from the snapshot, and from the scripts themselves where they lie where the process
had them and begin as the snapshot says.

One snapshot can't show growth: of one, what stands out is told, with a confidence.

Exit codes: 0 nothing leaks, or there was one snapshot and no --fail-on; 1 something does;
2 wrong usage, or an input that cannot be read.")]
    Leaks(LeaksArgs),

    /// Find objects with an expression
    #[command(after_help = "Examples:
  stillheap query app.heapsnapshot 'class = Email* and retained > 1MB'
  stillheap query app.heapsnapshot 'type = closure and via = onClick'
  stillheap query app.heapsnapshot 'retainedBy(class = Map) and not name ~ cache'
  stillheap query app.heapsnapshot 'dominatedBy(id = @12345) and class = \"(string)\"' --sort self

Texts: class, name, type, edge (it has such a field), via (held through such a field),
with = != for equal or gl*b, ~ !~ for contains, or /regex/. Numbers: id, self, retained,
distance, edges, retainers. Also: detached, retainedBy(…), holds(…), dominatedBy(…),
and, or, not, brackets. All of it: docs/query.md.")]
    Query(FileQuestion<QueryRequest>),
}
