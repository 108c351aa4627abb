//! The two ways to climb give the same tree. (Dominators against their definition: `tests/graphs/naive.rs`.)

use super::*;

#[test]
fn skip_pointers_climb_like_single_steps() {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut below = |n: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32 % n
    };
    for round in 0..300 {
        let nodes = 2 + below(200);
        // Long chains with some side branches; a semidominator is an ancestor of its node.
        let parent: Vec<u32> =
            (0..nodes).map(|n| if n == 0 || below(5) > 0 { n.saturating_sub(1) } else { below(n) }).collect();
        let semi: Vec<u32> = (0..nodes)
            .map(|n| {
                let mut at = parent[n as usize];
                for _ in 0..below(30) {
                    at = parent[at as usize];
                }
                at
            })
            .collect();
        let single = climb(parent.clone(), &semi);
        for start in [1, nodes as usize / 2] {
            // The part before `start` is taken as done.
            let mut half = parent.clone();
            half[..start].copy_from_slice(&single[..start]);
            assert_eq!(climb_with_skips(half, &semi, start), single, "round {round}");
        }
    }
}
