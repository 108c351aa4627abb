//! The index: the same answers with and without, and whatever is wrong with the file, never a wrong one.

use std::fs::{self, File, OpenOptions};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use stillheap_analysis::*;
use stillheap_index::{IndexOptions, IndexPlace, IndexStatus, Indexed, Lost, ask_all};
use stillheap_snapshot::ReadOptions;
use stillheap_testing::devtools;

/// A folder that goes away with its test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("stillheap-index-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    /// A snapshot in it that was written an hour ago: one written just now gets no index.
    fn snapshot(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.join("a.heapsnapshot");
        fs::write(&path, bytes).unwrap();
        set_age(&path, 3600);
        path
    }

    fn index(&self) -> PathBuf {
        self.0.join(".a.heapsnapshot.stillheap-index")
    }

    fn files(&self) -> usize {
        fs::read_dir(&self.0).unwrap().count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn set_age(path: &Path, seconds: u64) {
    let file = OpenOptions::new().append(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
}

fn open_at(path: &Path, place: IndexPlace) -> Indexed {
    let index = IndexOptions { place, smallest: 0 };
    stillheap_index::open(path, ReadOptions::default(), Some(&index)).unwrap()
}

fn plain(path: &Path) -> Indexed {
    stillheap_index::open(path, ReadOptions::default(), None).unwrap()
}

fn open(path: &Path) -> Indexed {
    open_at(path, IndexPlace::Beside)
}

fn with_index(path: &Path) {
    let snapshot = open(path);
    let status = snapshot.write_index();
    assert!(matches!(status, IndexStatus::Written(_)), "{status:?}");
}

/// Answers to all kinds of questions, about about `samples` nodes.
fn answers(snapshot: &Snapshot, model: Model, samples: u32) -> Value {
    let a = snapshot.analysis(model);
    let page = Page::first(8);
    let mut all = vec![json!([
        snapshot.completeness(),
        snapshot.header().json(),
        snapshot.root(),
        snapshot.node_count(),
        snapshot.edge_count(),
        snapshot.extra_sections().collect::<Vec<_>>(),
        a.statistics(),
        a.classes(None).sorted(ClassSort::File, Page::ALL),
        a.duplicate_strings(Sameness::Whole, DuplicateSort::Wasted, page),
        a.closures(page),
        a.samples(),
        a.allocation_sites(SiteSort::Size, page),
        a.search("a", false, None, page),
        a.native_contexts(),
    ])];
    for filter in Filter::ALL {
        all.push(json!(a.classes(Some(NodeFilter::Named(filter))).sorted(ClassSort::File, Page::ALL)));
    }
    for class in a.classes(None).sorted(ClassSort::Count, page).items {
        all.push(json!(a.instances(&class.key, NodeSort::Id, page).unwrap()));
        all.push(json!(a.merged_retainers(&class.key, page).unwrap()));
    }
    for n in (0..snapshot.node_count()).step_by((snapshot.node_count() / samples).max(1) as usize) {
        let n = NodeOrdinal(n);
        all.push(json!([
            a.inspect(n, 200),
            snapshot.node_by_id(a.id(n)),
            a.children(n, EdgeSort::Name, page),
            a.retainers(n, page),
            a.paths(n, 2, 1000),
            a.dominator_chain(n).len(),
            a.dominated(n, page),
            a.allocation_stack(n),
        ]));
    }
    Value::from(all)
}

fn assert_same(what: &str, found: &Indexed, expected: &Indexed, samples: u32) {
    for model in [Model::Devtools, Model::Gc] {
        let ask = |of: &Indexed| of.ask(|snapshot| answers(snapshot, model, samples)).unwrap();
        let (found, expected) = (ask(found), ask(expected));
        for (i, (a, b)) in found.as_array().unwrap().iter().zip(expected.as_array().unwrap()).enumerate() {
            assert!(a == b, "{what}, {model:?}, answer {i}:\n{a}\n{b}");
        }
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn answers_of_real_snapshots_are_the_same() {
    for name in devtools::names() {
        let folder = Folder::new();
        // Compressed as it is, or plain.
        let packed = name == "node24";
        let bytes = if packed { fs::read(devtools::path(&name)).unwrap() } else { devtools::text(&name) };
        let path = folder.snapshot(&bytes);
        let plain = open(&path);
        assert_eq!(plain.index_status(), IndexStatus::Missing("there is no index".to_owned()));
        let IndexStatus::Written(size) = plain.write_index() else { panic!("{:?}", plain.index_status()) };
        assert_eq!(fs::metadata(folder.index()).unwrap().len(), size);
        assert_eq!(folder.files(), 2, "nothing temporary is left");
        let indexed = open(&path);
        assert_eq!(indexed.index_status(), IndexStatus::Used, "{name}");
        assert_eq!(indexed.packing(), plain.packing());
        assert_same(&name, &indexed, &plain, 300);
        assert_eq!(indexed.index_status(), IndexStatus::Used, "{name}: no block was doubted");
        let compared = ask_all(&[&plain, &indexed], |both| {
            let [a, b] = [both[0], both[1]].map(|snapshot| snapshot.analysis(Model::Devtools));
            (compare(&a, &b, Matching::Id).rows.len(), compare(&a, &a, Matching::Id).rows.len())
        });
        let (found, expected) = compared.unwrap();
        assert_eq!(found, expected);
    }
}

#[test]
fn answers_of_random_graphs_are_the_same() {
    let mut seen = 0;
    for graph in devtools::graphs().into_iter().take(60) {
        let folder = Folder::new();
        let (name, path) = (graph.name, folder.snapshot(graph.text.as_bytes()));
        with_index(&path);
        let indexed = open(&path);
        assert_eq!(indexed.index_status(), IndexStatus::Used, "{name}");
        assert_same(&name, &indexed, &plain(&path), 40);
        seen += 1;
    }
    assert_eq!(seen, 60);
}

fn sample() -> Vec<u8> {
    devtools::graphs().swap_remove(0).text.into_bytes()
}

#[test]
fn an_index_of_another_state_is_ignored_and_replaced() {
    let bytes = sample();
    type Change<'c> = (&'c str, &'c dyn Fn(&Path));
    let changes: [Change<'_>; 4] = [
        ("time", &|path| set_age(path, 7200)),
        ("size", &|path| {
            fs::write(path, [bytes.as_slice(), b" "].concat()).unwrap();
            set_age(path, 3600);
        }),
        ("contents alone", &|path| {
            let time = fs::metadata(path).unwrap().modified().unwrap();
            let mut other = bytes.clone();
            let at = other.iter().rposition(u8::is_ascii_alphabetic).unwrap();
            other[at] = if other[at] == b'x' { b'y' } else { b'x' };
            fs::write(path, other).unwrap();
            File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
        }),
        ("another file of the same name", &|path| {
            let time = fs::metadata(path).unwrap().modified().unwrap();
            let other = path.with_extension("copy");
            fs::copy(path, &other).unwrap();
            File::options().append(true).open(&other).unwrap().set_modified(time).unwrap();
            fs::rename(other, path).unwrap();
        }),
    ];
    for (what, change) in changes {
        let folder = Folder::new();
        let path = folder.snapshot(&bytes);
        with_index(&path);
        assert_eq!(open(&path).index_status(), IndexStatus::Used);
        change(&path);
        let stale = open(&path);
        assert!(matches!(stale.index_status(), IndexStatus::Missing(_)), "{what}");
        assert!(matches!(stale.write_index(), IndexStatus::Written(_)), "{what}");
        let fresh = open(&path);
        assert_eq!(fresh.index_status(), IndexStatus::Used, "{what}");
        assert_same(what, &fresh, &plain(&path), 20);
    }
}

#[test]
fn a_damaged_index_never_changes_an_answer() {
    let folder = Folder::new();
    let path = folder.snapshot(&sample());
    with_index(&path);
    let whole = fs::read(folder.index()).unwrap();
    let expected = plain(&path);
    let (mut refused, mut repaired) = (0, 0);
    let mut check = |what: &str, bytes: &[u8]| {
        fs::write(folder.index(), bytes).unwrap();
        let snapshot = open(&path);
        assert_same(what, &snapshot, &expected, 10);
        match snapshot.index_status() {
            IndexStatus::Missing(_) => refused += 1,
            IndexStatus::Damaged => repaired += 1,
            IndexStatus::Used => {}
            other => panic!("{what}: {other:?}"),
        }
    };
    for at in (0..whole.len()).step_by((whole.len() / 250).max(1)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        check(&format!("a bit at {at}"), &bytes);
        if at % 3 == 0 {
            check(&format!("cut at {at}"), &whole[..at]);
        }
    }
    check("longer", &[whole.as_slice(), b"x"].concat());
    assert!(refused > 50 && repaired > 50, "{refused} refused, {repaired} repaired");
}

#[test]
fn a_block_that_goes_bad_while_open_comes_from_the_snapshot() {
    let folder = Folder::new();
    let path = folder.snapshot(&sample());
    with_index(&path);
    let expected = plain(&path);
    let snapshot = open(&path);
    // Somebody cuts the index off under us, and the snapshot has been deleted.
    File::options().write(true).open(folder.index()).unwrap().set_len(10).unwrap();
    fs::remove_file(&path).unwrap();
    assert_same("cut off while open", &snapshot, &expected, 20);
    assert_eq!(snapshot.index_status(), IndexStatus::Damaged);
}

#[test]
fn what_can_no_longer_be_read_is_no_answer() {
    let folder = Folder::new();
    let path = folder.snapshot(&sample());
    with_index(&path);
    let other = folder.0.join("b.heapsnapshot");
    fs::copy(&path, &other).unwrap();
    let snapshot = open(&path);
    for file in [&folder.index(), &path] {
        File::options().write(true).open(file).unwrap().set_len(10).unwrap();
    }
    // Whatever is asked first, and on whatever thread the block is missed.
    let whole = plain(&other);
    let first = |snapshot: &Snapshot| snapshot.analysis(Model::Gc).statistics().total;
    assert_eq!(snapshot.ask(first), Err(Lost { which: 0 }));
    assert_eq!(snapshot.ask(|snapshot| answers(snapshot, Model::Devtools, 20)), Err(Lost { which: 0 }));
    assert_eq!(snapshot.ask(|snapshot| snapshot.analysis(Model::Gc).prepare()), Err(Lost { which: 0 }));
    let compared = ask_all(&[&whole, &snapshot], |both| {
        let [a, b] = [both[0], both[1]].map(|snapshot| snapshot.analysis(Model::Devtools));
        compare(&a, &b, Matching::Auto).rows.len()
    });
    assert_eq!(compared, Err(Lost { which: 1 }));
    assert_eq!(snapshot.index_status(), IndexStatus::Lost);
    // A panic that has nothing to do with it stays one.
    let panic = catch_unwind(AssertUnwindSafe(|| whole.ask(|_| panic!("a mistake"))));
    assert!(panic.is_err());
    assert_eq!(whole.ask(Snapshot::node_count), Ok(whole.node_count()));
}

#[test]
fn many_writers_leave_one_whole_index() {
    let folder = Folder::new();
    let path = folder.snapshot(&devtools::text("node20"));
    let snapshots: Vec<Indexed> = (0..4).map(|_| open(&path)).collect();
    std::thread::scope(|scope| {
        for snapshot in &snapshots {
            scope.spawn(|| assert!(matches!(snapshot.write_index(), IndexStatus::Written(_))));
        }
    });
    assert_eq!(folder.files(), 2);
    let snapshot = open(&path);
    assert_eq!(snapshot.index_status(), IndexStatus::Used);
    assert_same("after four writers", &snapshot, &snapshots[0], 50);
}

#[test]
fn where_it_cannot_be_written_the_answer_comes_all_the_same() {
    let folder = Folder::new();
    let path = folder.snapshot(&sample());
    // A folder that cannot be made, not by root either: its parent is a file.
    let snapshot = open_at(&path, IndexPlace::Directory(path.join("cache")));
    let status = snapshot.write_index();
    assert!(matches!(status, IndexStatus::NotWritten(_)), "{status:?}");
    assert_eq!(snapshot.index_status(), status);
    assert_eq!(folder.files(), 1);
    // Something else stands in its place.
    fs::create_dir(folder.index()).unwrap();
    assert!(matches!(open(&path).write_index(), IndexStatus::NotWritten(_)));
    assert_eq!(folder.files(), 2, "nothing temporary is left");
}

#[test]
fn not_every_input_gets_one() {
    let folder = Folder::new();
    let bytes = sample();
    let path = folder.snapshot(&bytes);
    assert_eq!(plain(&path).write_index(), IndexStatus::Off, "not asked for");
    let index = Some(IndexOptions::default());
    let small = stillheap_index::open(&path, ReadOptions::default(), index.as_ref()).unwrap();
    assert_eq!(small.write_index(), IndexStatus::Off, "small");
    fs::write(&path, &bytes[..bytes.len() - 10]).unwrap();
    set_age(&path, 3600);
    let truncated = open(&path);
    assert!(truncated.salvage().is_some());
    assert_eq!(truncated.write_index(), IndexStatus::NotWritten("the snapshot is truncated".to_owned()));
    assert_eq!(folder.files(), 1);
}

#[test]
fn a_folder_for_all_of_them_and_nobody_else_may_read() {
    let folder = Folder::new();
    let path = folder.snapshot(&sample());
    let cache = folder.0.join("cache");
    let place = IndexPlace::Directory(cache.clone());
    assert!(matches!(open_at(&path, place.clone()).write_index(), IndexStatus::Written(_)));
    assert_eq!(open_at(&path, place).index_status(), IndexStatus::Used);
    assert!(!folder.index().exists());
    #[cfg(unix)]
    for entry in fs::read_dir(&cache).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn what_a_killed_writer_left_is_removed_and_what_is_being_written_is_not() {
    let folder = Folder::new();
    let path = folder.snapshot(&sample());
    let named = |name: &str| folder.0.join(name);
    let left = [".a.heapsnapshot.stillheap-index.4711-0.tmp", ".gone.heapsnapshot.stillheap-index.12-3.tmp"];
    let others =
        ["a.stillheap-index.tmp", "a.stillheap-index.1-x.tmp", "a.stillheap-index.1-2-3.tmp", "1-2.tmp"];
    for name in left.iter().chain(&others) {
        fs::write(named(name), "half").unwrap();
        set_age(&named(name), 61);
    }
    // One that is being written for a long time, and one that has been made and not locked yet.
    let written = named(".a.heapsnapshot.stillheap-index.4712-0.tmp");
    let writer = File::create(&written).unwrap();
    writer.try_lock().unwrap();
    set_age(&written, 61);
    let young = named(".a.heapsnapshot.stillheap-index.4713-0.tmp");
    fs::write(&young, "").unwrap();
    with_index(&path);
    assert_eq!(left.map(|name| named(name).exists()), [false; 2]);
    assert!(written.exists() && young.exists() && others.iter().all(|name| named(name).exists()));
    // Its process ends.
    drop(writer);
    fs::remove_file(folder.index()).unwrap();
    with_index(&path);
    assert!(!written.exists() && folder.index().exists());
}
