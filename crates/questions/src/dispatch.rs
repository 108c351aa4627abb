//! Questions by name, as JavaScript asks them: JSON in, JSON out.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::opened::Opened;

/// Answers the question of that name, with a request in JSON (the fields of the request's struct).
pub fn answer(opened: &Opened, question: &str, request: &str) -> Result<String, Failure> {
    match question {
        "summary" => run(opened, request, Opened::summary),
        "statistics" => encode(opened, opened.statistics()),
        "instances" => run(opened, request, Opened::instances),
        "inspect" => run(opened, request, Opened::inspect),
        "retainers" => run(opened, request, Opened::retainers),
        "dominators" => run(opened, request, Opened::dominators),
        "containment" => run(opened, request, Opened::containment),
        "strings" => run(opened, request, Opened::strings),
        "closures" => run(opened, request, Opened::closures),
        "timeline" => run(opened, request, Opened::timeline),
        "query" => run(opened, request, Opened::query),
        _ => Err(Failure::argument(format!("there is no question {question:?}"))),
    }
}

fn run<R: DeserializeOwned, A: Serialize>(
    opened: &Opened,
    request: &str,
    question: impl FnOnce(&Opened, &R) -> Result<A, Failure>,
) -> Result<String, Failure> {
    let request: R = serde_json::from_str(request)
        .map_err(|error| Failure::argument(format!("the question cannot be understood: {error}")))?;
    encode(opened, question(opened, &request)?)
}

fn encode<A: Serialize>(opened: &Opened, answer: A) -> Result<String, Failure> {
    serde_json::to_string(&opened.report(answer)).map_err(|error| {
        Failure::new("ERR_STILLHEAP_INTERNAL", format!("the answer cannot be written: {error}"))
    })
}
