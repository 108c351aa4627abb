//! The tools: each a question of the command line, with a schema made of its request.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use rmcp::model::{Tool, ToolAnnotations};
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use stillheap_analysis::Model;

use crate::store::Store;
use stillheap_questions::Scripts;
use stillheap_questions::{
    self as questions, ClosuresRequest, ContainmentRequest, DiffRequest, DominatorsRequest, Failure,
    InspectRequest, InstancesRequest, LeaksRequest, Opened, QueryRequest, RetainersRequest, StringsRequest,
    SummaryRequest, TimelineRequest,
};
use stillheap_report as report;

/// Rows that a call may ask for at a time.
const MOST_ROWS: u64 = 200;

/// How a tool takes its snapshots, and what it does with them.
enum Work {
    /// A question about one, by the name that it has for JavaScript, too.
    Question,
    /// Opens one.
    Open,
    /// Lets go of one.
    Close,
    /// Compares several.
    Diff,
    /// Says what leaks.
    Leaks,
    /// Writes the page.
    Report,
}

struct ToolEntry {
    work: Work,
    tool: Tool,
}

/// All tools.
pub struct Tools(BTreeMap<&'static str, ToolEntry>);

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
struct NoRequest {}

/// Asks what leaks.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
struct LeaksArguments {
    #[serde(flatten)]
    request: LeaksRequest,
    /// A directory in which to look for source maps and original sources
    source_maps: Option<PathBuf>,
}

/// Asks for the page.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
struct ReportRequest {
    /// Where to write the page, such as leak.html
    output: String,
    /// Replace an existing file
    overwrite: bool,
    /// Take the files as snapshots of one process in the order given
    as_given: bool,
    /// A directory in which to look for source maps and original sources
    source_maps: Option<PathBuf>,
}

impl Default for Tools {
    fn default() -> Tools {
        let mut tools = Tools(BTreeMap::new());
        let question = |tools: &mut Tools, name, about, schema, required: &[&str]| {
            tools.add(Work::Question, name, about, schema, &[&["file"], required].concat());
        };
        let t = &mut tools;
        t.add(
            Work::Open,
            "open",
            "Open a heap snapshot and describe it: size, nodes, process, statistics. The other tools open files \
             themselves, so this is optional.",
            schema_for!(NoRequest),
            &["file"],
        );
        t.add(
            Work::Close,
            "close",
            "Free the memory of an open snapshot.",
            schema_for!(NoRequest),
            &["file"],
        );
        question(
            t,
            "summary",
            "The classes of a snapshot: objects, shallow and retained sizes. Start here to see what takes the memory.",
            schema_for!(SummaryRequest),
            &[],
        );
        question(t, "instances", "The objects of a class.", schema_for!(InstancesRequest), &["class"]);
        question(
            t,
            "inspect",
            "One object: its fields, elements, text, or a function's variables and source position.",
            schema_for!(InspectRequest),
            &["id"],
        );
        question(
            t,
            "retainers",
            "What retains an object (@id) or a class, and the retaining paths from a root.",
            schema_for!(RetainersRequest),
            &["target"],
        );
        question(
            t,
            "dominators",
            "What would be freed with an object, and its dominators; without an id, those of the root.",
            schema_for!(DominatorsRequest),
            &[],
        );
        question(
            t,
            "containment",
            "What an object references, as a tree.",
            schema_for!(ContainmentRequest),
            &[],
        );
        question(
            t,
            "strings",
            "The largest strings, or with duplicates the duplicated ones.",
            schema_for!(StringsRequest),
            &[],
        );
        question(
            t,
            "closures",
            "Functions whose closures retain variables, and the functions that share their contexts.",
            schema_for!(ClosuresRequest),
            &[],
        );
        question(
            t,
            "timeline",
            "Where live objects were allocated; for .heaptimeline files.",
            schema_for!(TimelineRequest),
            &[],
        );
        question(
            t,
            "query",
            "Objects for which an expression holds, such as: class = Email* and retained > 1MB; type = closure and \
             via = onClick; retainedBy(class = Map) and not name ~ cache; dominatedBy(id = @12345).",
            schema_for!(QueryRequest),
            &["expression"],
        );
        t.add(
            Work::Leaks,
            "leaks",
            "The leak in snapshots of one process: its class, what retains it, the variable and the line of the \
             source. Start here when memory grows. Three snapshots are best.",
            schema_for!(LeaksArguments),
            &["files"],
        );
        t.add(
            Work::Diff,
            "diff",
            "What changed between snapshots, oldest first: which classes grew, and with three or more which grow in \
             every step.",
            schema_for!(DiffRequest),
            &["files"],
        );
        t.add(
            Work::Report,
            "report",
            "Write one self-contained HTML page about the snapshots for a person to read.",
            schema_for!(ReportRequest),
            &["files", "output"],
        );
        tools
    }
}

impl Tools {
    fn add(
        &mut self,
        work: Work,
        name: &'static str,
        about: &'static str,
        schema: Schema,
        required: &[&str],
    ) {
        let writes = matches!(work, Work::Report);
        let annotations = ToolAnnotations::new().read_only(!writes).destructive(writes).open_world(false);
        let tool =
            Tool::new(name, about, Arc::new(input_schema(&schema, required))).with_annotations(annotations);
        self.0.insert(name, ToolEntry { work, tool });
    }

    /// As the protocol lists them.
    pub fn list(&self) -> Vec<Tool> {
        self.0.values().map(|entry| entry.tool.clone()).collect()
    }

    /// Calls one.
    pub fn call(
        &self,
        store: &Store,
        name: &str,
        mut arguments: Map<String, Value>,
    ) -> Result<Value, Failure> {
        let entry =
            self.0.get(name).ok_or_else(|| Failure::argument(format!("there is no tool '{name}'")))?;
        check(&arguments, &entry.tool)?;
        bound(&mut arguments);
        let model = match arguments.remove("model") {
            Some(Value::String(model)) if model == "gc" => Model::Gc,
            _ => Model::Devtools,
        };
        let files: Vec<String> = match (arguments.remove("file"), arguments.remove("files")) {
            (Some(Value::String(file)), _) => vec![file],
            (_, Some(files)) => serde_json::from_value(files)
                .map_err(|_| Failure::argument("files must be a list of paths, oldest first"))?,
            _ => return Err(Failure::argument("file must be the path of a snapshot")),
        };
        if files.is_empty() {
            return Err(Failure::argument("files must name at least one snapshot"));
        }
        if matches!(entry.work, Work::Close) {
            return Ok(json!({ "closed": store.close(&files[0]) }));
        }
        let request = Value::Object(arguments);
        let opened: Vec<Arc<Opened>> =
            files.iter().map(|file| store.open(file, model)).collect::<Result<_, _>>()?;
        let all: Vec<&Opened> = opened.iter().map(Arc::as_ref).collect();
        let answer = work(&entry.work, name, &all, request)?;
        all.iter().for_each(|opened| opened.write_index());
        Ok(answer)
    }
}

fn work(work: &Work, name: &str, files: &[&Opened], request: Value) -> Result<Value, Failure> {
    match work {
        Work::Question => {
            let answer = questions::answer(files[0], name, &request.to_string())?;
            serde_json::from_str(&answer).map_err(internal)
        }
        Work::Diff if files.len() < 2 => Err(Failure::argument("files must name at least two snapshots")),
        Work::Diff => to_value(&questions::diff(files, &parsed::<DiffRequest>(request)?)?),
        Work::Leaks => {
            let LeaksArguments { request, source_maps } = parsed(request)?;
            to_value(&questions::leaks(files, &request, &Scripts::new(source_maps.as_deref()))?)
        }
        Work::Report => {
            let ReportRequest { output, overwrite, as_given, source_maps } = parsed(request)?;
            let place = report::OutputFile { output: output.into(), overwrite };
            let inputs: Vec<&str> = files.iter().map(|opened| opened.file.as_str()).collect();
            place.refuse_early(&inputs)?;
            to_value(&report::write(files, as_given, &place, &Scripts::new(source_maps.as_deref()))?)
        }
        Work::Open | Work::Close => {
            let opened = files[0];
            let facts = json!({
                "statistics": opened.ask(|view| Ok(view.statistics()))?,
                "capture": opened.header().stillheap(),
            });
            to_value(&opened.report(facts))
        }
    }
}

fn parsed<R: for<'r> Deserialize<'r>>(request: Value) -> Result<R, Failure> {
    serde_json::from_value(request)
        .map_err(|error| Failure::argument(format!("the arguments cannot be understood: {error}")))
}

fn to_value(answer: &impl serde::Serialize) -> Result<Value, Failure> {
    serde_json::to_value(answer).map_err(internal)
}

fn internal(error: serde_json::Error) -> Failure {
    Failure::new("ERR_STILLHEAP_INTERNAL", format!("the answer cannot be written: {error}"))
}

/// The schema of a request, with the files and the model before it.
fn input_schema(request: &Schema, required: &[&str]) -> Map<String, Value> {
    let mut schema = request.as_object().cloned().unwrap_or_default();
    for key in ["$schema", "title", "description"] {
        schema.remove(key);
    }
    let mut properties = Map::new();
    if required.contains(&"files") {
        let about = "Paths of the snapshots, oldest first";
        properties.insert(
            "files".to_owned(),
            json!({ "type": "array", "items": { "type": "string" }, "minItems": 1, "description": about }),
        );
    } else {
        properties
            .insert("file".to_owned(), json!({ "type": "string", "description": "Path of the snapshot" }));
    }
    if let Some(Value::Object(own)) = schema.remove("properties") {
        properties.extend(own);
    }
    let about = "Whose sizes: Chrome DevTools' (default), or what the garbage collector sees";
    properties.insert(
        "model".to_owned(),
        json!({ "type": "string", "enum": ["devtools", "gc"], "description": about }),
    );
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("required".to_owned(), json!(required));
    schema.insert("additionalProperties".to_owned(), json!(false));
    schema
}

/// Says which argument is unknown or missing; their types are checked where they are read.
fn check(arguments: &Map<String, Value>, tool: &Tool) -> Result<(), Failure> {
    let schema = &tool.input_schema;
    let known: Vec<&String> =
        schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys).collect();
    if let Some(unknown) = arguments.keys().find(|key| !known.contains(key)) {
        let known: Vec<&str> = known.iter().map(|key| key.as_str()).collect();
        return Err(Failure::argument(format!(
            "'{}' has no argument '{unknown}'; it has {}",
            tool.name,
            known.join(", ")
        )));
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    match required.filter_map(Value::as_str).find(|key| arguments.get(*key).is_none_or(Value::is_null)) {
        Some(missing) => Err(Failure::argument(format!("'{}' needs the argument '{missing}'", tool.name))),
        None => Ok(()),
    }
}

/// Nobody may ask for everything: 0 stands for that in most lists.
fn bound(arguments: &mut Map<String, Value>) {
    for key in ["limit", "branch", "paths"] {
        if let Some(value) = arguments.get_mut(key)
            && value.as_u64().is_some_and(|rows| rows > MOST_ROWS || (rows == 0 && key != "paths"))
        {
            *value = json!(MOST_ROWS);
        }
    }
}
