//! Files as shells, copies and several processes give them.

use super::*;

/// Ids that belong together if both files are of the same heap.
struct Heaps(&'static [u32]);

impl FileRelation for Heaps {
    fn one_process(&self, one: usize, other: usize) -> Option<bool> {
        // 0 stands for a heap whose ids tell nothing.
        let (one, other) = (self.0[one], self.0[other]);
        (one != 0 && other != 0).then_some(one == other)
    }

    fn same(&self, _: usize, _: usize) -> bool {
        true
    }
}

/// Ids that tell nothing, and contents that differ.
struct Unknown;

impl FileRelation for Unknown {
    fn one_process(&self, _: usize, _: usize) -> Option<bool> {
        None
    }

    fn same(&self, _: usize, _: usize) -> bool {
        false
    }
}

fn with_header(file: &str, pid: u64, second: u32) -> FileInfo {
    FileInfo {
        file: file.to_owned(),
        time: Some(format!("2026-11-28T10:00:{second:02}.000Z")),
        process: Some(ProcessKey { pid, thread: 0, since: None }),
        whole: true,
        ..FileInfo::default()
    }
}

fn plain(file: &str, newest_id: u64, changed: u64) -> FileInfo {
    let modified = Some(SystemTime::UNIX_EPOCH + Duration::from_millis(changed));
    FileInfo { file: file.to_owned(), newest_id, modified, whole: true, ..FileInfo::default() }
}

fn order(arrangement: &Arrangement) -> Vec<&[usize]> {
    arrangement.groups.iter().map(|group| group.files.as_slice()).collect()
}

#[test]
fn the_header_s_time_undoes_the_shell_s_order() {
    let files: Vec<FileInfo> = ["snap-1", "snap-10", "snap-11", "snap-2"]
        .iter()
        .zip([1, 10, 11, 2])
        .map(|(file, second)| with_header(file, 7, second))
        .collect();
    let arranged = put_in_order(&files, &Unknown).unwrap();
    assert_eq!(order(&arranged), [[0, 3, 1, 2]]);
    assert_eq!(arranged.groups[0].ordered_by, OrderedBy::Time);
    assert_eq!(arranged.notes, ["Sorted by the times in their headers: snap-1, snap-2, snap-10, snap-11."]);
}

#[test]
fn the_same_file_twice_is_one_and_the_whole_one_stays() {
    let mut cut = with_header("cut", 7, 1);
    cut.whole = false;
    let files = [cut, with_header("whole", 7, 1), with_header("next", 7, 2)];
    let arranged = put_in_order(&files, &Unknown).unwrap();
    assert_eq!(order(&arranged), [[1, 2]]);
    assert_eq!(arranged.notes, ["cut is the same snapshot as whole and is left out."]);
    // Without headers it is the contents that tell.
    let files = [plain("a", 9, 0), plain("copy of a", 9, 5_000)];
    assert_eq!(order(&put_in_order(&files, &Heaps(&[1, 1])).unwrap()), [[0]]);
}

#[test]
fn processes_are_kept_apart() {
    let files =
        [with_header("a1", 7, 1), with_header("b1", 8, 2), with_header("b2", 8, 4), with_header("b3", 8, 3)];
    let arranged = put_in_order(&files, &Unknown).unwrap();
    assert_eq!(order(&arranged), [&[1, 3, 2][..], &[0][..]]);
    assert_eq!(arranged.groups[0].process.as_deref(), Some("process 8"));
    assert!(arranged.notes.iter().any(|note| note.contains("from 2 processes")), "{:?}", arranged.notes);
}

#[test]
fn a_file_that_does_not_name_its_process_is_said_to_be_assumed() {
    let mut bare = plain("bare", 1, 1_764_324_000_000);
    let mut known = with_header("known", 7, 1);
    known.modified = Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_764_324_060_000));
    let arranged = put_in_order(&[bare.clone(), known.clone()], &Unknown).unwrap();
    assert_eq!(order(&arranged), [[0, 1]]);
    let said = "bare does not say which process it is from. It is compared with the files of process 7: leave out what \
                is not from it.";
    assert_eq!(arranged.notes, [said]);
    bare.process.clone_from(&known.process);
    assert_eq!(put_in_order(&[bare, known], &Unknown).unwrap().notes, Vec::<String>::new());
}

#[test]
fn a_container_that_starts_again_is_another_process_1() {
    let since = |mut file: FileInfo, since: &str| {
        file.process.as_mut().unwrap().since = Some(since.to_owned());
        file
    };
    let files = [since(with_header("a", 1, 1), "x"), since(with_header("b", 1, 2), "y")];
    assert_eq!(put_in_order(&files, &Unknown).unwrap().groups.len(), 2);
    let files = [since(with_header("a", 1, 1), "x"), with_header("from an older version", 1, 2)];
    assert_eq!(put_in_order(&files, &Unknown).unwrap().groups.len(), 1);
}

#[test]
fn ids_tell_where_there_is_no_header() {
    let files = [plain("c", 30, 0), plain("a", 10, 1), plain("other", 5, 2), plain("b", 20, 3)];
    let arranged = put_in_order(&files, &Heaps(&[1, 1, 2, 1])).unwrap();
    assert_eq!(order(&arranged), [&[1, 3, 0][..], &[2][..]]);
    assert_eq!(arranged.groups[0].ordered_by, OrderedBy::Ids);
}

#[test]
fn node_s_names_tell() {
    let (process, number) = name_of_node("/tmp/Heap.20261128.101500.4711.2.003.heapsnapshot").unwrap();
    assert_eq!((process.pid, process.thread, number), (4711, 2, 3));
    for other in
        ["Heap.heapsnapshot", "Heap.20261128.101500.x.2.003.heapsnapshot", "heapdump-1.2.heapsnapshot"]
    {
        assert!(name_of_node(other).is_none(), "{other}");
    }
    let named = |number| FileInfo {
        number: Some(number),
        process: Some(ProcessKey { pid: 1, thread: 0, since: None }),
        ..plain("f", number, 0)
    };
    let arranged = put_in_order(&[named(10), named(9)], &Unknown).unwrap();
    assert_eq!((order(&arranged), arranged.groups[0].ordered_by), (vec![&[1, 0][..]], OrderedBy::Name));
}

#[test]
fn times_of_change_count_where_they_are_plain() {
    let arranged = put_in_order(&[plain("b", 1, 9_000), plain("a", 1, 2_000)], &Unknown).unwrap();
    assert_eq!((order(&arranged), arranged.groups[0].ordered_by), (vec![&[1, 0][..]], OrderedBy::Modified));
    // Close together they confirm the order given, and never undo it.
    let arranged = put_in_order(&[plain("a", 1, 2_000), plain("b", 1, 2_010)], &Unknown).unwrap();
    assert_eq!(order(&arranged), [[0, 1]]);
    let failure = put_in_order(&[plain("b", 1, 2_010), plain("a", 1, 2_000)], &Unknown).unwrap_err();
    assert!(failure.message.contains("--as-given"), "{}", failure.message);
}
