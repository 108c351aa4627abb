//! "The JavaScript heap is not what grows": the process against its heap.
//!
//! Files that stillheap wrote say how much memory the process had when they were taken: resident bytes, and what
//! malloc had given out. The latter is the better measure, since a capture itself leaves resident memory behind.
//! V8's heap is not from malloc; Buffers are, and those that are garbage already count until they are collected,
//! which may be tens of megabytes. So what V8 says of them is taken off, and so is what it needs itself.

use stillheap_analysis::types::node;
use stillheap_analysis::{Analysis, NodeOrdinal};

use crate::report::{Cause, CauseKind, HeapCourse, Suspect};
use crate::words::size;

/// Growth per step below this says nothing: allocators keep and give back.
const FLOOR: i64 = 4_000_000;
/// Where object ids are kept, V8 remembers each object of the last snapshot: 32 bytes in a vector that may be half
/// empty, 24 in a hash table that may be three fifths empty. Both come with the first capture.
const PER_KEPT_ID: u64 = 128;

/// The heap over the snapshots, and the process around it.
pub(crate) fn course(snapshots: &[Analysis<'_>]) -> HeapCourse {
    let sizes: Vec<u64> = snapshots.iter().map(|a| a.retained_size(a.snapshot().root())).collect();
    let noted = |key: &str| -> Option<Vec<u64>> {
        snapshots.iter().map(|a| a.snapshot().header().stillheap()?.get(key)?.as_u64()).collect()
    };
    let growth_per_step = per_step(&sizes);
    let allocated_sizes = noted("allocatedBytes");
    let outside_sizes = match (&allocated_sizes, noted("externalBytes"), noted("mallocedBytes")) {
        (Some(allocated), Some(external), Some(malloced)) => {
            let known = external.iter().zip(&malloced).map(|(a, b)| a.saturating_add(*b));
            let known = known.zip(id_maps(snapshots)).map(|(a, b)| a.saturating_add(b));
            let known = known.zip(snapshots.iter().map(owned)).map(|(a, b)| a.saturating_add(b));
            Some(less(allocated, known))
        }
        _ => None,
    };
    HeapCourse {
        growth_per_step: if sizes.len() > 1 { growth_per_step } else { 0 },
        sizes,
        resident_sizes: noted("residentBytes"),
        allocated_sizes,
        outside_sizes,
    }
}

/// The differences. Some of what V8 counts as external is not from malloc (a constant few MB), so they may lie below 0:
/// then all are lifted, since it is their growth that counts.
fn less(allocated: &[u64], known: impl Iterator<Item = u64>) -> Vec<u64> {
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let rest: Vec<i64> =
        allocated.iter().zip(known).map(|(&all, known)| signed(all).saturating_sub(signed(known))).collect();
    let lift = rest.iter().copied().min().unwrap_or(0).min(0);
    rest.iter().map(|bytes| bytes.saturating_sub(lift).unsigned_abs()).collect()
}

/// Native memory that the snapshot has as objects: a Blob's bytes, a stream's state. What Buffers own is counted by V8.
fn owned(analysis: &Analysis<'_>) -> u64 {
    let size = analysis.self_sizes();
    let nodes = (0..analysis.snapshot().node_count()).map(NodeOrdinal);
    let native = nodes.filter(|&n| {
        let name = analysis.text(analysis.name_index(n));
        analysis.type_code(n) == node::NATIVE && !name.ends_with(b"JSArrayBufferData")
    });
    native.map(size).fold(0, u64::saturating_add)
}

/// The most that V8's map of object ids took before each snapshot, as the snapshots before it left it.
fn id_maps(snapshots: &[Analysis<'_>]) -> Vec<u64> {
    let mut most = 0;
    let mut maps = Vec::with_capacity(snapshots.len());
    for snapshot in snapshots.iter().map(|a| a.snapshot()) {
        maps.push(most);
        let ids = snapshot.header().stillheap().and_then(|header| header.get("objectIds")?.as_str());
        if ids == Some("kept") {
            most = most.max(PER_KEPT_ID * u64::from(snapshot.node_count()));
        }
    }
    maps
}

/// Last less first, by steps.
pub(crate) fn per_step(sizes: &[u64]) -> i64 {
    crate::tree::growth(sizes) / (sizes.len() as i64 - 1).max(1)
}

/// What grows outside the heap: its bytes in each snapshot, what to call them, and how much of their growth the heap's
/// own may be.
fn measure(course: &HeapCourse, heap: i64) -> Option<(&[u64], &'static str, i64)> {
    match course {
        HeapCourse { outside_sizes: Some(sizes), .. } => {
            Some((sizes, "native memory not owned by JavaScript objects", 0))
        }
        HeapCourse { allocated_sizes: Some(sizes), .. } => {
            Some((sizes, "memory allocated with malloc", heap))
        }
        HeapCourse { resident_sizes: Some(sizes), .. } => {
            Some((sizes, "the process's resident memory", heap))
        }
        _ => None,
    }
}

/// A suspect, if the process grows in every step and the heap's own growth does not explain it.
pub(crate) fn suspect(course: &HeapCourse, known: i64) -> Option<Suspect> {
    let heap = course.growth_per_step.max(known).max(0);
    let (sizes, what, explained) = measure(course, heap)?;
    if sizes.len() < 2 || !sizes.windows(2).all(|pair| pair[1] > pair[0]) {
        return None;
    }
    let step = per_step(sizes);
    let unexplained = step.saturating_sub(explained);
    let least = sizes.windows(2).map(crate::tree::growth).min().unwrap_or(0);
    if unexplained < FLOOR || unexplained < step / 2 || least < step / 4 {
        return None;
    }
    let all = unexplained.saturating_add(heap);
    let grows = match course.growth_per_step {
        grows if grows > 0 => format!("grows by {}", size(grows.unsigned_abs())),
        _ => "does not grow".to_owned(),
    };
    let detail = format!(
        "{what} grows by {} from snapshot to snapshot, the JavaScript heap {grows}",
        size(step.unsigned_abs())
    );
    Some(Suspect {
        class_name: None,
        counts: vec![0; sizes.len()],
        retained_sizes: sizes.to_vec(),
        growth_per_step: unexplained,
        share_of_growth: unexplained as f64 / all.max(1) as f64,
        stands_out: None,
        confidence: None,
        classes: Vec::new(),
        path: Vec::new(),
        cause: Cause {
            kind: CauseKind::OutsideHeap,
            function: None,
            variable: None,
            location: None,
            detail,
            related: Vec::new(),
        },
        explanation: "The process grows by memory that no JavaScript object owns: native code has it (an addon, the \
                      environment, zlib or TLS contexts, threads, or a fragmented allocator), and no heap snapshot \
                      shows it."
            .to_owned(),
        advice: "Look for what calls native code: addons, assignments to process.env, workers that are never \
                 terminated. If nothing of that kind fits, start it with MALLOC_ARENA_MAX=2 or jemalloc to see \
                 whether the allocator keeps it, else under heaptrack, which names the native function."
            .to_owned(),
    })
}
