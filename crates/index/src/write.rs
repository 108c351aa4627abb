//! Writes an index: blocks are packed on all cores, each put to its own place in the file.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use stillheap_analysis::{ResultsRef, Snapshot};
use stillheap_graph::column::{Cell, Slice, per_block};
use xxhash_rust::xxh3::xxh3_64;

use crate::codec::{measure, pack};
use crate::files::write_all_at;
use crate::head::{HEAD, MAGIC};
use crate::identity::Identity;
use crate::metadata::{ClassNumbers, Metadata};
use crate::place::IndexTarget;
use crate::sections::{ALL, SectionCounts};
use crate::source::{Block, SectionEntry};

/// Blocks that a thread packs and writes at a time: half a megabyte.
const BATCH: usize = 16;

pub(crate) fn write(wanted: &IndexTarget, snapshot: &Snapshot) -> Result<u64, String> {
    if snapshot.salvage().is_some() {
        return Err("the snapshot is truncated".to_owned());
    }
    if wanted.identity.is_fresh() {
        return Err("the snapshot has only just been written".to_owned());
    }
    let unchanged = || Identity::of(&wanted.snapshot).is_ok_and(|now| now == wanted.identity);
    if !unchanged() {
        return Err("the snapshot has changed since it was read".to_owned());
    }
    if let Some(folder) = wanted.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder).map_err(|e| format!("making {}: {e}", folder.display()))?;
    }
    tidy(wanted.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")));
    let temporary = temporary_name(&wanted.path);
    let doing = |e: std::io::Error| format!("writing {}: {e}", temporary.display());
    let file = create(&temporary).map_err(doing)?;
    let written = fill(&file, wanted, snapshot).map_err(doing).and_then(|bytes| {
        if !unchanged() {
            return Err("the snapshot has changed since it was read".to_owned());
        }
        std::fs::rename(&temporary, &wanted.path).map_err(doing)?;
        Ok(bytes)
    });
    if written.is_err() {
        // Nothing more can be done about it.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

fn temporary_name(path: &Path) -> PathBuf {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // See `is_temporary`.
    name.push(format!(".{}-{}.tmp", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

fn create(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    // Held while the file is written. Where there are no locks there is no tidying either.
    let _ = file.try_lock();
    Ok(file)
}

fn is_temporary(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    let infix = b".stillheap-index.";
    let rest = memchr::memmem::rfind(name, infix).map(|at| &name[at + infix.len()..]);
    let Some(numbers) = rest.and_then(|rest| rest.strip_suffix(b".tmp")) else { return false };
    let mut parts = numbers.split(|&b| b == b'-');
    let mut number =
        || parts.next().is_some_and(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit));
    number() && number() && parts.next().is_none()
}

/// How long a temporary file is left alone: it may have been made, but not locked yet.
const YOUNG: Duration = Duration::from_secs(60);

/// Removes what writers that were killed have left in the folder. The system takes a lock back when its process ends,
/// however it does, and in whatever container; so a file that nobody has locked has no writer any more.
fn tidy(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        // Of the entry itself, whatever it may point to.
        let Ok(meta) = entry.metadata() else { continue };
        let is_old = || meta.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age > YOUNG));
        if !is_temporary(&entry.file_name()) || !meta.is_file() || !is_old() {
            continue;
        }
        let Ok(file) = OpenOptions::new().write(true).open(entry.path()) else { continue };
        if file.try_lock().is_ok() {
            // Nothing more can be done about it.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn fill(file: &File, wanted: &IndexTarget, snapshot: &Snapshot) -> std::io::Result<u64> {
    let results = snapshot.results();
    let (entries, end) = write_blocks(file, snapshot, &results)?;
    let metadata = metadata(wanted.identity, snapshot, &results, entries).encode();
    write_all_at(file, &metadata, end)?;
    let mut head = MAGIC.to_vec();
    for number in [end, metadata.len() as u64, xxh3_64(&metadata)] {
        head.extend(number.to_le_bytes());
    }
    head.extend(xxh3_64(&head).to_le_bytes());
    debug_assert_eq!(head.len(), HEAD);
    write_all_at(file, &head, 0)?;
    Ok(end + metadata.len() as u64)
}

/// Where the blocks went, and the first byte behind them.
fn write_blocks(
    file: &File,
    snapshot: &Snapshot,
    results: &ResultsRef<'_>,
) -> std::io::Result<(Vec<SectionEntry>, u64)> {
    let columns: Vec<Slice<'_>> = ALL.iter().map(|section| section.of(snapshot.data(), results)).collect();
    let entries: Vec<Mutex<SectionEntry>> =
        columns.iter().map(|column| Mutex::new(empty_entry(*column))).collect();
    let mut batches: Vec<(usize, usize)> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let blocks = entry.lock().map_or(0, |entry| entry.blocks.len());
        batches.extend((0..blocks).step_by(BATCH).map(|first| (at, first)));
    }
    let (next, end) = (AtomicUsize::new(0), AtomicU64::new(HEAD as u64));
    let (failed, failure) = (AtomicBool::new(false), Mutex::new(None));
    let work = || {
        let (mut bytes, mut blocks) = (Vec::new(), Vec::new());
        while let Some(&(at, first)) = batches.get(next.fetch_add(1, Ordering::Relaxed))
            && !failed.load(Ordering::Relaxed)
        {
            bytes.clear();
            blocks.clear();
            match columns[at] {
                Slice::U8(values) => pack_batch(values, first, &mut bytes, &mut blocks),
                Slice::U32(values) => pack_batch(values, first, &mut bytes, &mut blocks),
                Slice::U64(values) => pack_batch(values, first, &mut bytes, &mut blocks),
                Slice::I32(values) => pack_batch(values, first, &mut bytes, &mut blocks),
                Slice::I64(values) => pack_batch(values, first, &mut bytes, &mut blocks),
            }
            let position = end.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            if let Err(error) = write_all_at(file, &bytes, position) {
                failed.store(true, Ordering::Relaxed);
                if let Ok(mut failure) = failure.lock() {
                    failure.get_or_insert(error);
                }
                return;
            }
            if let Ok(mut entry) = entries[at].lock() {
                for (slot, block) in entry.blocks[first..].iter_mut().zip(&blocks) {
                    *slot = Block { position: position + block.position, ..*block };
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(8);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    if let Ok(Some(error)) = failure.into_inner() {
        return Err(error);
    }
    let entries = entries.into_iter().map(|entry| entry.into_inner().unwrap_or_default()).collect();
    Ok((entries, end.into_inner()))
}

fn empty_entry(column: Slice<'_>) -> SectionEntry {
    fn of<T: Cell>(values: &[T]) -> SectionEntry {
        let blocks = vec![Block::default(); values.len().div_ceil(per_block::<T>())];
        SectionEntry { len: values.len() as u64, blocks }
    }
    match column {
        Slice::U8(values) => of(values),
        Slice::U32(values) => of(values),
        Slice::U64(values) => of(values),
        Slice::I32(values) => of(values),
        Slice::I64(values) => of(values),
    }
}

/// Positions are relative to the start of `bytes`.
fn pack_batch<T: Cell>(values: &[T], first: usize, bytes: &mut Vec<u8>, blocks: &mut Vec<Block>) {
    for values in values[first * per_block::<T>()..].chunks(per_block::<T>()).take(BATCH) {
        let start = bytes.len();
        let (least, width) = measure(values);
        pack(values, least, width, bytes);
        blocks.push(Block { position: start as u64, least, checksum: xxh3_64(&bytes[start..]), width });
    }
}

fn metadata(
    identity: Identity,
    snapshot: &Snapshot,
    results: &ResultsRef<'_>,
    entries: Vec<SectionEntry>,
) -> Metadata {
    let (graph, table) = (&snapshot.data().graph, results.table);
    let rows = table.rows.iter().zip(&table.class).map(|(row, &class)| ClassNumbers {
        class,
        count: row.count,
        distance: row.distance,
        shallow: row.shallow_size,
        retained: row.retained_size,
    });
    Metadata {
        identity,
        packing: snapshot.packing(),
        completeness: snapshot.completeness().clone(),
        header: serde_json::to_vec(snapshot.header().json()).unwrap_or_default(),
        counts: SectionCounts {
            nodes: graph.node_count() as u64,
            edges: graph.edge_count() as u64,
            strings: graph.strings.len() as u64,
            string_bytes: graph.strings.bytes.len() as u64,
            locations: graph.location_nodes.len() as u64,
            call_sites: graph.trace_tree.id.len() as u64,
            classes: results.classes.len() as u64,
        },
        root: graph.root,
        large_ids: graph.large_ids.clone(),
        large_sizes: graph.large_sizes.clone(),
        folded: results.sizes.is_some(),
        large_folded: results.sizes.map_or_else(Default::default, |(_, large)| large.clone()),
        classes: results.classes.to_vec(),
        rows: rows.collect(),
        statistics: results.statistics.clone(),
        scripts: results.scripts.iter().map(|(id, name)| (*id, name.clone().into_bytes())).collect(),
        extra: graph.extra_names.iter().map(|(name, len)| (name.clone().into_bytes(), *len as u64)).collect(),
        entries,
    }
}
