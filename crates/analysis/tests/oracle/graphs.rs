//! Random graphs.

use std::io::Cursor;

use stillheap_analysis::{Matching, Model, Snapshot, compare};
use stillheap_testing::devtools::{self, RawNodes};

use super::{difference, numbers, same};

#[test]
fn random_graphs_equal_devtools() {
    let graphs = devtools::graphs();
    assert!(graphs.len() >= 150, "only {} graphs", graphs.len());
    let mut checked = 0;
    let mut before: Option<(String, Snapshot)> = None;
    for graph in graphs {
        let name = graph.name;
        let text = Cursor::new(graph.text.clone().into_bytes());
        let snapshot = stillheap_snapshot::read(text, Default::default())
            .map(Snapshot::new)
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let analysis = snapshot.analysis(Model::Devtools);
        if graph.answers.get("error").is_some() {
            // DevTools itself throws on this one; we must merely survive it.
            analysis.prepare();
        } else {
            checked += 1;
            numbers(&name, &analysis, &RawNodes::read(graph.text.as_bytes()), &graph.answers);
            if let Some(answer) = graph.answers.get("difference") {
                let (base, older) = before.as_ref().unwrap();
                assert_eq!(answer["base"], **base, "{name}");
                let comparison = compare(&older.analysis(Model::Devtools), &analysis, Matching::Id);
                same(&format!("{name}: difference"), &difference(&comparison), &answer["classes"]);
            }
        }
        before = Some((name, snapshot));
    }
    assert!(checked >= 149, "only {checked} graphs checked");
}
