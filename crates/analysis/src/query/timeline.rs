//! Allocation timelines: samples over time, and the call stacks that allocated what is still alive.

use foldhash::{HashMap, HashMapExt};
use serde::Serialize;
use stillheap_graph::sums::add;

use super::SourcePosition;
use crate::page::{Page, Paged};
use crate::passes::scripts::{self, TraceFunction};
use crate::snapshot::{Analysis, NodeOrdinal};

/// One point of the timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineSample {
    /// Microseconds since the recording started.
    pub timestamp_us: i64,
    /// Ids up to this one had been given out.
    pub last_assigned_id: u64,
    /// Bytes allocated since the previous sample that are still alive in the snapshot.
    pub live_size: u64,
    /// Objects of those.
    pub live_count: u64,
}

/// A call site of the allocation tree.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AllocationSite {
    /// Row in the tree, for [`crate::NodeFilter::TraceNode`].
    pub row: u32,
    /// The stack, innermost function first.
    pub stack: Vec<StackFrame>,
    /// Allocations there while recording.
    pub count: u64,
    /// Their bytes.
    pub size: u64,
    /// Objects allocated there that are alive in the snapshot.
    pub live_count: u64,
    /// Their bytes.
    pub live_size: u64,
}

/// One function of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StackFrame {
    /// Function name, empty for an anonymous one.
    pub name: String,
    /// Where it is; none for V8's own frames.
    pub position: Option<SourcePosition>,
}

/// Order of call sites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SiteSort {
    /// Most live bytes first.
    #[default]
    LiveSize,
    /// Most live objects first.
    LiveCount,
    /// Most bytes ever allocated first.
    Size,
    /// Most allocations first.
    Count,
}

impl<'s> Analysis<'s> {
    /// The timeline's samples; empty if the file has none.
    pub fn samples(&self) -> Vec<TimelineSample> {
        let (graph, fields) = (self.graph(), &self.snapshot.header().samples);
        let (Some(time), Some(last)) = (fields.position("timestamp_us"), fields.position("last_assigned_id"))
        else {
            return Vec::new();
        };
        let rows = graph.raw_samples.chunks_exact(fields.len());
        let mut samples: Vec<TimelineSample> = rows
            .map(|row| TimelineSample {
                timestamp_us: row[time],
                last_assigned_id: row[last].max(0) as u64,
                live_size: 0,
                live_count: 0,
            })
            .collect();
        let size = self.size_fn();
        for ordinal in 0..graph.node_count() {
            // Objects of the JavaScript heap have odd ids; natives get theirs while the snapshot is taken.
            let id = graph.id(ordinal);
            if samples.is_empty() || id.is_multiple_of(2) {
                continue;
            }
            let at = samples.partition_point(|s| s.last_assigned_id < id);
            if let Some(sample) = samples.get_mut(at) {
                add(&mut sample.live_size, size(ordinal));
                sample.live_count += 1;
            }
        }
        samples
    }

    /// Where live objects were allocated.
    pub fn allocation_sites(&self, sort: SiteSort, page: Page) -> Paged<AllocationSite> {
        let graph = self.graph();
        let tree = &graph.trace_tree;
        let size = self.size_fn();
        let mut live: HashMap<u32, (u64, u64)> = HashMap::new();
        for (ordinal, &trace) in graph.node_trace.iter().enumerate() {
            if trace != 0 {
                let sum = live.entry(trace).or_default();
                sum.0 += 1;
                add(&mut sum.1, size(ordinal as u32));
            }
        }
        let live_of = |row: u32| live.get(&tree.id[row as usize]).copied().unwrap_or_default();
        let mut rows: Vec<u32> =
            (0..tree.id.len() as u32).filter(|&r| tree.count[r as usize] > 0 || live_of(r).0 > 0).collect();
        rows.sort_by_key(|&r| {
            let key = match sort {
                SiteSort::LiveSize => live_of(r).1,
                SiteSort::LiveCount => live_of(r).0,
                SiteSort::Size => tree.size[r as usize],
                SiteSort::Count => tree.count[r as usize],
            };
            (std::cmp::Reverse(key), r)
        });
        let functions = scripts::functions(self.graph(), self.snapshot.header());
        Paged::of(&rows, page, |&row| {
            let (live_count, live_size) = live_of(row);
            AllocationSite {
                row,
                stack: self.stack_of(row, &functions),
                count: tree.count[row as usize],
                size: tree.size[row as usize],
                live_count,
                live_size,
            }
        })
    }

    /// The stack that allocated a node, innermost first; None if it is not known.
    pub fn allocation_stack(&self, node: NodeOrdinal) -> Option<Vec<StackFrame>> {
        let graph = self.graph();
        let trace = graph.node_trace.get(node.0 as usize).copied().filter(|&t| t != 0)?;
        let row = graph.trace_tree.id.iter().position(|&id| id == trace)?;
        Some(self.stack_of(row as u32, &scripts::functions(self.graph(), self.snapshot.header())))
    }

    fn stack_of(&self, row: u32, functions: &[TraceFunction]) -> Vec<StackFrame> {
        let tree = &self.graph().trace_tree;
        let mut stack = Vec::new();
        let mut at = row;
        // The tree's root is not a call; parents always stand before their children, so this ends.
        while at != u32::MAX && tree.parent[at as usize] != u32::MAX {
            let function = functions.get(tree.function[at as usize] as usize);
            stack.push(match function {
                Some(f) => StackFrame {
                    name: f.name.clone(),
                    position: (f.line >= 0).then(|| SourcePosition {
                        script: (!f.script_name.is_empty()).then(|| f.script_name.clone()),
                        script_id: f.script_id,
                        line: f.line.saturating_add(1),
                        column: f.column.saturating_add(1),
                    }),
                },
                None => StackFrame { name: "(unknown function)".to_owned(), position: None },
            });
            at = tree.parent[at as usize];
        }
        stack
    }
}
