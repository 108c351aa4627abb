//! Questions by name, as JavaScript asks them: JSON in, JSON out.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::opened::{Opened, View};

/// Answers the question of that name, with a request in JSON (the fields of the request's struct).
pub fn answer(opened: &Opened, question: &str, request: &str) -> Result<String, Failure> {
    match question {
        "summary" => run(opened, request, |view, request| view.summary(request)),
        "statistics" => encode(opened, opened.ask(|view| Ok(view.statistics()))?),
        "instances" => run(opened, request, |view, request| view.instances(request)),
        "inspect" => run(opened, request, |view, request| view.inspect(request)),
        "retainers" => run(opened, request, |view, request| view.retainers(request)),
        "dominators" => run(opened, request, |view, request| view.dominators(request)),
        "containment" => run(opened, request, |view, request| view.containment(request)),
        "strings" => run(opened, request, |view, request| view.strings(request)),
        "closures" => run(opened, request, |view, request| view.closures(request)),
        "timeline" => run(opened, request, |view, request| view.timeline(request)),
        "query" => run(opened, request, |view, request| view.query(request)),
        _ => Err(Failure::argument(format!("there is no question {question:?}"))),
    }
}

fn run<R: DeserializeOwned, A: Serialize>(
    opened: &Opened,
    request: &str,
    question: impl FnOnce(&View<'_>, &R) -> Result<A, Failure>,
) -> Result<String, Failure> {
    let request: R = serde_json::from_str(request)
        .map_err(|error| Failure::argument(format!("the question cannot be understood: {error}")))?;
    encode(opened, opened.ask(|view| question(&view, &request))?)
}

fn encode<A: Serialize>(opened: &Opened, answer: A) -> Result<String, Failure> {
    serde_json::to_string(&opened.report(answer)).map_err(|error| {
        Failure::new("ERR_STILLHEAP_INTERNAL", format!("the answer cannot be written: {error}"))
    })
}
