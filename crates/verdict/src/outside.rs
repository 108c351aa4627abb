//! "The JavaScript heap is not what grows": the process against its heap.
//!
//! Files that stillheap wrote say how much memory the process had when they were taken: resident bytes, and what
//! malloc had given out. The latter is the better measure, since a capture itself leaves resident memory behind.

use stillheap_core::Analysis;

use crate::report::{Cause, CauseKind, HeapCourse, Suspect};

/// Growth per step below this says nothing: allocators keep and give back.
const FLOOR: i64 = 4_000_000;

/// The heap over the snapshots, and the process around it.
pub(crate) fn course(snapshots: &[Analysis<'_>]) -> HeapCourse {
    let sizes: Vec<u64> = snapshots.iter().map(|a| a.retained_size(a.snapshot().root())).collect();
    let noted = |key: &str| -> Option<Vec<u64>> {
        snapshots.iter().map(|a| a.snapshot().header().stillheap()?.get(key)?.as_u64()).collect()
    };
    let growth_per_step = per_step(&sizes);
    HeapCourse {
        growth_per_step: if sizes.len() > 1 { growth_per_step } else { 0 },
        sizes,
        resident_sizes: noted("residentBytes"),
        allocated_sizes: noted("allocatedBytes"),
    }
}

/// Last less first, by steps.
pub(crate) fn per_step(sizes: &[u64]) -> i64 {
    crate::tree::growth(sizes) / (sizes.len() as i64 - 1).max(1)
}

/// A suspect, if the process grows in every step and the heap's own growth does not explain it.
pub(crate) fn suspect(course: &HeapCourse, known: i64) -> Option<Suspect> {
    let (sizes, what) = match (&course.allocated_sizes, &course.resident_sizes) {
        (Some(allocated), _) => (allocated, "what the process has from malloc"),
        (None, Some(resident)) => (resident, "the process's resident memory"),
        _ => return None,
    };
    if sizes.len() < 2 || !sizes.windows(2).all(|pair| pair[1] > pair[0]) {
        return None;
    }
    let step = per_step(sizes);
    // What is inside the snapshot (Buffers too) accounts for its share.
    let unexplained = step.saturating_sub(course.growth_per_step.max(known).max(0));
    let least = sizes.windows(2).map(crate::tree::growth).min().unwrap_or(0);
    if unexplained < FLOOR || unexplained < step / 2 || least < step / 4 {
        return None;
    }
    let detail =
        format!("{what} grows by {step} bytes per step, the JavaScript heap by {}", course.growth_per_step);
    Some(Suspect {
        class_name: None,
        counts: vec![0; sizes.len()],
        retained_sizes: sizes.clone(),
        growth_per_step: unexplained,
        share_of_growth: unexplained as f64 / step.max(1) as f64,
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
        explanation: "The process grows, but no JavaScript object does: the memory belongs to native code (an addon, \
                      the environment, zlib or TLS contexts, threads, or a fragmented allocator), which no heap \
                      snapshot can show."
            .to_owned(),
        advice: "Look at native code: newly added addons, growing process.env, many threads; try \
                 MALLOC_ARENA_MAX=2 or jemalloc, and heaptrack or a sampling native profiler."
            .to_owned(),
    })
}
