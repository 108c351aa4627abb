//! Makes the page of opened snapshots, and puts it into a file.

use std::path::{Path, PathBuf};

use serde::Serialize;
use stillheap_questions::{
    EdgeOrder, Failure, Id, InspectRequest, InstancesRequest, LeaksRequest, Opened, Retainers,
    RetainersRequest, SCHEMA_VERSION, Scripts, View, Window, arrange_one, ask_all, suspects,
};
use stillheap_sink::{Compression, Destination, OpenedFile as Temporary};

use crate::collect::{ClassDetails, Input, InstanceRow, Report, RetainerRow, StringRow, short};
use crate::excerpts::Recorder;
use crate::page::page;

/// The page that was written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WrittenReport {
    schema_version: u32,
    model: &'static str,
    /// The page, as it was named.
    pub report: String,
    /// Its size.
    pub bytes: u64,
    /// The snapshots, oldest first.
    files: Vec<String>,
    /// Those of them whose end is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    truncated: Vec<String>,
    /// What was done to the files given: put in order, left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Where the page goes.
pub struct OutputFile {
    pub output: PathBuf,
    /// Whether a file that is there may be replaced.
    pub overwrite: bool,
}

/// Makes the page and writes it.
///
/// # Errors
/// A snapshot cannot be read any more, the files are of several processes, or the page cannot be written.
pub fn write(
    files: &[&Opened],
    as_given: bool,
    place: &OutputFile,
    scripts: &Scripts,
) -> Result<WrittenReport, Failure> {
    let (files, notes) = arrange_one(files, as_given)?;
    let html = html(&files, scripts)?;
    let written = Temporary::create(place.destination(), Compression::None)
        .and_then(Temporary::start)
        .and_then(|mut file| file.write(html.as_bytes()).map(|()| file))
        .and_then(|file| file.finish());
    let written = written.map_err(|failure| of_sink(failure, &place.output))?;
    let truncated = files.iter().filter(|f| f.salvage().is_some());
    Ok(WrittenReport {
        schema_version: SCHEMA_VERSION,
        model: files.first().map_or("devtools", |f| f.model.name()),
        report: place.output.to_string_lossy().into_owned(),
        bytes: written.bytes,
        truncated: truncated.map(|f| f.file.clone()).collect(),
        notes,
        files: files.iter().map(|f| f.file.clone()).collect(),
    })
}

/// Makes the page. `as_given` takes the files in the order given, as one process's.
///
/// # Errors
/// A snapshot cannot be read any more, or the files are of several processes.
pub fn make(files: &[&Opened], as_given: bool, scripts: &Scripts) -> Result<String, Failure> {
    html(&arrange_one(files, as_given)?.0, scripts)
}

fn html(files: &[&Opened], scripts: &Scripts) -> Result<String, Failure> {
    Ok(page(&ask_all(files, |views| collect(views, scripts))?))
}

fn collect(files: &[View<'_>], scripts: &Scripts) -> Result<Report, Failure> {
    // They are in order already.
    let request = LeaksRequest { as_given: true, ..LeaksRequest::default() };
    let recorder = Recorder::new(scripts);
    let answer = suspects(files, &request, &recorder)?;
    let leaks = serde_json::to_value(&answer.main.leaks)
        .map_err(|error| Failure::new("ERR_STILLHEAP_INTERNAL", error.to_string()))?;
    let inputs: Vec<Input<'_>> = files
        .iter()
        .map(|opened| Input {
            file: opened.file().to_owned(),
            bytes: std::fs::metadata(opened.file()).ok().filter(|m| m.is_file()).map(|m| m.len()),
            analysis: opened.analysis(),
        })
        .collect();
    let mut report = Report::collect(&inputs, leaks);
    report.sources = recorder.excerpts(&answer.main.leaks);
    if let Some(newest) = files.last() {
        for row in report.most_interesting() {
            row.details = details(newest, &row.key, row.counts.last().copied().unwrap_or(0));
        }
    }
    Ok(report)
}

/// Rows of each list of a class.
const ROWS: usize = 6;
/// Fields of an object among which strings are looked for.
const MOST_FIELDS: usize = 50;
/// Strings of an object that are shown.
const MOST_STRINGS: usize = 3;
/// Objects of a class at most whose retainers are asked for: that takes a step for each.
const MOST_OBJECTS: u64 = 300_000;

/// None for a class that the newest snapshot doesn't have.
fn details(newest: &View<'_>, key: &str, count: u64) -> Option<ClassDetails> {
    let window = Window { limit: ROWS, offset: 0 };
    let asked = InstancesRequest { class: key.to_owned(), window, ..InstancesRequest::default() };
    let instances = newest.instances(&asked).ok()?.instances.into_iter().map(|node| InstanceRow {
        id: node.id,
        name: short(&node.name),
        retained_size: node.retained_size,
        strings: strings(newest, node.id),
    });
    let asked = RetainersRequest { target: key.to_owned(), window, paths: 0, ..RetainersRequest::default() };
    let retainers = match (count <= MOST_OBJECTS).then(|| newest.retainers(&asked)) {
        Some(Ok(Retainers::Class(answer))) => answer.retainers,
        _ => Vec::new(),
    };
    let retainers = retainers.into_iter().map(|row| RetainerRow {
        edge: short(&row.holder.edge),
        class_name: short(&row.holder.class_name),
        objects: row.holder.objects,
    });
    Some(ClassDetails { instances: instances.collect(), retainers: retainers.collect() })
}

/// The largest strings that an object references directly.
fn strings(newest: &View<'_>, id: u64) -> Vec<StringRow> {
    let asked = InspectRequest {
        id: Id(id),
        sort: EdgeOrder::Retained,
        window: Window { limit: MOST_FIELDS, offset: 0 },
        ..InspectRequest::default()
    };
    let fields = newest.inspect(&asked).map(|answer| answer.fields).unwrap_or_default();
    let texts = fields.into_iter().filter(|field| field.node.node_type.ends_with("string"));
    texts
        .take(MOST_STRINGS)
        .map(|field| StringRow { edge: short(&field.name), text: short(&field.node.name) })
        .collect()
}

impl OutputFile {
    fn destination(&self) -> Destination {
        // A bare name has no folder to put the temporary file into.
        let bare = self.output.parent().is_some_and(|folder| folder.as_os_str().is_empty());
        let path = if bare { Path::new(".").join(&self.output) } else { self.output.clone() };
        Destination { path, overwrite: self.overwrite, generated: false }
    }

    /// What would fail at the end is better known before minutes are spent; and a snapshot is evidence, which no
    /// page may replace, asked for or not.
    ///
    /// # Errors
    /// The page is one of the snapshots, or its place can't be written to.
    pub fn refuse_early(&self, inputs: &[impl AsRef<Path>]) -> Result<(), Failure> {
        if let Ok(output) = self.output.canonicalize()
            && inputs.iter().any(|input| input.as_ref().canonicalize().is_ok_and(|input| input == output))
        {
            let name = self.output.display();
            return Err(Failure::argument(format!(
                "{name} is one of the snapshots. Choose another name with -o."
            )));
        }
        Temporary::create(self.destination(), Compression::None)
            .map(drop)
            .map_err(|f| of_sink(f, &self.output))
    }
}

fn of_sink(failure: stillheap_sink::Failure, output: &Path) -> Failure {
    Failure { syscall: None, path: Some(output.to_string_lossy().into_owned()), ..Failure::of_sink(failure) }
}
