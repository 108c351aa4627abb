//! Opens an index: reads the metadata, and leaves the columns where they are.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use stillheap_analysis::{ClassRow, ClassTable, Results, Snapshot};
use stillheap_graph::{Graph, Header, Locations, SnapshotData, StringTable, TraceTree};

use crate::files::read_exact_at;
use crate::head::{HEAD, MAGIC, MOST_FACTS, is_intact};
use crate::metadata::Metadata;
use crate::place::IndexTarget;
use crate::sections::Section;
use crate::source::{Source, column};

/// The snapshot as its index has it, or why that cannot be.
pub(crate) fn load(wanted: &IndexTarget) -> Result<(Snapshot, Arc<Source>), String> {
    let (metadata, file) = open(&wanted.path)?;
    if metadata.identity != wanted.identity {
        return Err("the index belongs to another state of the file".to_owned());
    }
    let header = Header::parse(&metadata.header, 0).map_err(|_| "the index is damaged".to_owned())?;
    let length = file.metadata().map_err(|e| e.to_string())?.len();
    let source = Source {
        index: file,
        snapshot: wanted.snapshot.try_clone().map_err(|e| e.to_string())?,
        identity: metadata.identity,
        counts: metadata.counts,
        entries: metadata.entries.clone(),
        again: OnceLock::new(),
        lost: AtomicBool::new(false),
    };
    let extra: u64 = metadata.extra.iter().fold(0, |sum, (_, len)| len.saturating_add(sum));
    if !source.fits(length)
        || metadata.counts.nodes == 0
        || extra != source.len(Section::Extra) as u64
        || (metadata.folded && source.len(Section::Sizes) as u64 != metadata.counts.nodes)
    {
        return Err("the index is damaged".to_owned());
    }
    let source = Arc::new(source);
    Ok((assemble(&source, header, metadata), source))
}

fn open(path: &Path) -> Result<(Metadata, File), String> {
    // A pipe or a device in its place must not be opened at all: that alone can take forever.
    let meta = std::fs::symlink_metadata(path).map_err(|_| "there is no index".to_owned())?;
    if !meta.is_file() {
        return Err("the index is not a file".to_owned());
    }
    let file = File::open(path).map_err(|e| format!("opening the index: {e}"))?;
    let damaged = || "the index is damaged or of another version".to_owned();
    let mut head = [0; HEAD];
    read_exact_at(&file, &mut head, 0).map_err(|_| damaged())?;
    let number = |at: usize| head[at..].first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let (position, len, checksum) = (number(16), number(24), number(32));
    let trusted = is_intact(&head[..40], number(40));
    let inside = position.checked_add(len).is_some_and(|end| end == meta.len());
    if head[..16] != MAGIC || !trusted || !inside || len > MOST_FACTS {
        return Err(damaged());
    }
    let mut metadata = vec![0; len as usize];
    read_exact_at(&file, &mut metadata, position).map_err(|_| damaged())?;
    if !is_intact(&metadata, checksum) {
        return Err(damaged());
    }
    Ok((Metadata::decode(&metadata).ok_or_else(damaged)?, file))
}

fn assemble(from: &Arc<Source>, header: Header, metadata: Metadata) -> Snapshot {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let edges = metadata.counts.edges;
    let graph = Graph {
        node_type: column(from, Section::NodeType),
        node_name: column(from, Section::NodeName),
        node_id: column(from, Section::NodeId),
        node_size: column(from, Section::NodeSize),
        first_edge: column(from, Section::FirstEdge),
        node_trace: column(from, Section::NodeTrace),
        detached: column(from, Section::Detached),
        large_ids: metadata.large_ids,
        large_sizes: metadata.large_sizes,
        edge_type: column(from, Section::EdgeType),
        edge_name: column(from, Section::EdgeName),
        edge_to: column(from, Section::EdgeTo),
        strings: StringTable {
            bytes: column(from, Section::StringBytes),
            ends: column(from, Section::StringEnds),
            kinds: column(from, Section::StringKinds),
        },
        root: metadata.root,
        location_nodes: column(from, Section::LocationNodes),
        locations: Locations {
            scripts: column(from, Section::LocationScripts),
            lines: column(from, Section::LocationLines),
            columns: column(from, Section::LocationColumns),
        },
        raw_samples: column(from, Section::Samples),
        raw_functions: column(from, Section::Functions),
        trace_tree: TraceTree {
            id: column(from, Section::TreeId),
            function: column(from, Section::TreeFunction),
            count: column(from, Section::TreeCount),
            size: column(from, Section::TreeSize),
            parent: column(from, Section::TreeParent),
        },
        extra_names: metadata.extra.into_iter().map(|(name, len)| (text(name), len as usize)).collect(),
        extra: column(from, Section::Extra),
        promised_edges: edges,
        node_types: Some(header.node_types.clone()),
        edge_types: Some(header.edge_types.clone()),
    };
    let rows = metadata.rows.iter().map(|row| {
        let class = &metadata.classes[row.class as usize];
        ClassRow {
            key: class.key(),
            name: String::from_utf8_lossy(&class.name).into_owned(),
            count: row.count,
            distance: row.distance,
            shallow_size: row.shallow,
            retained_size: row.retained,
            location: class.location,
        }
    });
    let table =
        ClassTable { rows: rows.collect(), class: metadata.rows.iter().map(|row| row.class).collect() };
    let sizes = metadata.folded.then(|| (column(from, Section::Sizes), metadata.large_folded));
    let scripts = metadata.scripts.into_iter().map(|(id, name)| (id, text(name)));
    let results = Results {
        by_id: column(from, Section::ById),
        distance: column(from, Section::Distance),
        class_of: column(from, Section::ClassOf),
        classes: metadata.classes,
        sizes,
        order: column(from, Section::Order),
        number: column(from, Section::Number),
        dominator: column(from, Section::Dominator),
        retained: column(from, Section::Retained),
        tree_at: column(from, Section::TreeAt),
        tree_span: column(from, Section::TreeSpan),
        tree_end: column(from, Section::TreeEnd),
        first_retainer: column(from, Section::FirstRetainer),
        retainers: column(from, Section::Retainers),
        table,
        statistics: metadata.statistics,
        scripts: scripts.collect(),
    };
    let data = SnapshotData {
        header,
        graph,
        packing: metadata.packing,
        salvage: None,
        completeness: metadata.completeness,
    };
    Snapshot::with_results(data, results)
}
