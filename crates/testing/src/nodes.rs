//! The Node binaries that scripts/node-versions.mjs has put into its cache.

use std::path::{Path, PathBuf};

fn cache() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(directory) = variable("STILLHEAP_NODES_DIR") {
        return Some(PathBuf::from(directory));
    }
    let base = variable("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| Some(Path::new(&variable("HOME")?).join(".cache")))?;
    Some(base.join("stillheap/nodes"))
}

/// Each binary with its major, the oldest first. Empty where nobody has fetched them.
pub fn nodes() -> Vec<(u32, PathBuf)> {
    let entries = cache().and_then(|directory| std::fs::read_dir(directory).ok()).into_iter().flatten();
    let mut all: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let major = entry.file_name().to_str()?.split('.').next()?.parse().ok()?;
            Some((major, entry.path().join("bin/node")))
        })
        .filter(|(_, path)| path.exists())
        .collect();
    all.sort();
    all
}
