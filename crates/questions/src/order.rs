//! In which order files belong, and which of them may be compared at all.
//!
//! A shell puts 10 before 2, and a glob takes in the files of several processes. What each file says about itself comes
//! first: the header that stillheap writes (time, process, thread), then the name that Node gives, then the ids, which
//! V8 counts up within one process. The file's time of change counts only where it is plain. Where nothing tells, the
//! files are refused rather than compared in an order that may be wrong.

use std::cmp::Ordering;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use stillheap_analysis::{newest_id, one_process, same_nodes};

use crate::failure::Failure;
use crate::opened::{Opened, View, ask_all};

/// Times of change that are closer together say nothing: files that are copied have the order of the copying.
const PLAIN: Duration = Duration::from_secs(1);

/// By what the files were put in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum OrderedBy {
    /// There is only one.
    One,
    /// As they were given, because that was asked for.
    Given,
    /// The times in their headers.
    Time,
    /// The names that Node gave them.
    Name,
    /// Their ids, which V8 counts up.
    Ids,
    /// Their times of change.
    Modified,
}

impl OrderedBy {
    fn words(self) -> &'static str {
        match self {
            OrderedBy::One | OrderedBy::Given => "as given",
            OrderedBy::Time => "by the times in their headers",
            OrderedBy::Name => "by the numbers in their names",
            OrderedBy::Ids => "by their object ids",
            OrderedBy::Modified => "by their modification times",
        }
    }
}

/// Files of one process, oldest first, as places in the list that was given.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProcessFiles {
    pub(crate) files: Vec<usize>,
    pub(crate) ordered_by: OrderedBy,
    /// Whose they are, where the files say it: `process 12, thread 3`.
    pub(crate) process: Option<String>,
}

/// Files in order, by process.
#[derive(Debug)]
pub(crate) struct Arrangement {
    /// One for each process; the one with the most files first, of several such the one with the newest.
    pub(crate) groups: Vec<ProcessFiles>,
    /// What was changed about the files as they were given, in sentences.
    pub(crate) notes: Vec<String>,
}

/// What a file says about itself.
#[derive(Clone, Debug, Default)]
struct FileInfo {
    file: String,
    /// When it was taken, as its header has it.
    time: Option<String>,
    process: Option<ProcessKey>,
    /// The number that Node put into its name.
    number: Option<u64>,
    modified: Option<SystemTime>,
    newest_id: u64,
    /// It is not truncated.
    whole: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ProcessKey {
    pid: u64,
    thread: u64,
    /// The time of the first capture of the process: in containers all processes are 1.
    since: Option<String>,
}

impl ProcessKey {
    /// Older files don't say when the process took its first.
    fn is(&self, other: &ProcessKey) -> bool {
        let same_start = self.since.is_none() || other.since.is_none() || self.since == other.since;
        (self.pid, self.thread) == (other.pid, other.thread) && same_start
    }

    fn words(&self) -> String {
        match self.thread {
            0 => format!("process {}", self.pid),
            thread => format!("process {}, thread {thread}", self.pid),
        }
    }
}

/// What two files say of each other.
trait FileRelation {
    /// Whether one process wrote both, as far as their ids tell.
    fn one_process(&self, one: usize, other: usize) -> Option<bool>;
    /// Whether they are the same snapshot.
    fn same(&self, one: usize, other: usize) -> bool;
}

impl FileRelation for [View<'_>] {
    fn one_process(&self, one: usize, other: usize) -> Option<bool> {
        one_process(self[one].snapshot, self[other].snapshot)
    }

    fn same(&self, one: usize, other: usize) -> bool {
        same_nodes(self[one].snapshot, self[other].snapshot)
    }
}

/// Puts files in order and apart. `as_given` takes them as they are, as one process's.
pub(crate) fn arrange(files: &[View<'_>], as_given: bool) -> Result<Arrangement, Failure> {
    if as_given || files.len() == 1 {
        let ordered_by = if files.len() == 1 { OrderedBy::One } else { OrderedBy::Given };
        let group = ProcessFiles { files: (0..files.len()).collect(), ordered_by, process: None };
        return Ok(Arrangement { groups: vec![group], notes: Vec::new() });
    }
    let infos: Vec<FileInfo> = files.iter().map(|file| FileInfo::of(file)).collect();
    put_in_order(&infos, files)
}

/// Files in order, for a page that shows one process.
///
/// # Errors
/// They are of several processes, or nothing tells in which order they were taken.
pub fn arrange_one<'o>(
    files: &[&'o Opened],
    as_given: bool,
) -> Result<(Vec<&'o Opened>, Vec<String>), Failure> {
    let arranged = ask_all(files, |views| arrange(views, as_given))?;
    if let [group] = &arranged.groups[..] {
        return Ok((group.files.iter().map(|&i| files[i]).collect(), arranged.notes));
    }
    let names = |group: &ProcessFiles| -> Vec<String> {
        group.files.iter().map(|&i| files[i].file.clone()).collect()
    };
    let each: Vec<String> = arranged.groups.iter().map(|group| names(group).join(" ")).collect();
    Err(Failure::argument(format!(
        "the files come from {} processes or threads: {}. Make one page for each, or add --as-given to put all of \
         them on one page in the order given",
        each.len(),
        each.join("; ")
    )))
}

/// What files say against being compared in the order given: a comparison is made as asked for, and says so.
pub(crate) fn objections(files: &[View<'_>]) -> Vec<String> {
    let Ok(arranged) = arrange(files, false) else { return Vec::new() };
    let name = |&i: &usize| files[i].file;
    let mut notes = Vec::new();
    for group in arranged.groups.iter().filter(|group| !group.files.is_sorted()) {
        let names: Vec<&str> = group.files.iter().map(name).collect();
        notes.push(format!(
            "The files are compared in the order given. Sorted {} the order would be: {}.",
            group.ordered_by.words(),
            names.join(", ")
        ));
    }
    if arranged.groups.len() > 1 {
        notes.push(format!("The files come from {} processes or threads.", arranged.groups.len()));
    }
    notes
}

impl FileInfo {
    fn of(opened: &View<'_>) -> FileInfo {
        let noted = opened.snapshot.header().stillheap();
        let number = |key: &str| noted?.get(key)?.as_u64();
        let text = |key: &str| Some(noted?.get(key)?.as_str()?.to_owned());
        let named = name_of_node(opened.file);
        let from_header = number("pid").map(|pid| ProcessKey {
            pid,
            thread: number("threadId").unwrap_or(0),
            since: text("startTime"),
        });
        FileInfo {
            file: opened.file.to_owned(),
            time: text("time"),
            process: from_header.or_else(|| named.as_ref().map(|(process, _)| process.clone())),
            number: named.map(|(_, number)| number),
            modified: std::fs::metadata(opened.file).and_then(|meta| meta.modified()).ok(),
            newest_id: newest_id(opened.snapshot),
            whole: opened.snapshot.salvage().is_none(),
        }
    }
}

/// `Heap.20261128.101500.PID.THREAD.NUMBER.heapsnapshot`, as `v8.writeHeapSnapshot()` names files.
fn name_of_node(path: &str) -> Option<(ProcessKey, u64)> {
    let name = path.rsplit(['/', '\\']).next()?;
    let mut parts = name.strip_prefix("Heap.")?.split('.');
    let mut digits = |least: usize| {
        let part = parts.next().filter(|part| part.len() >= least)?;
        part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u64>().ok())?
    };
    let (_date, _time) = (digits(8)?, digits(6)?);
    let (pid, thread, number) = (digits(1)?, digits(1)?, digits(3)?);
    (parts.next() == Some("heapsnapshot")).then_some((ProcessKey { pid, thread, since: None }, number))
}

fn put_in_order(infos: &[FileInfo], relation: &(impl FileRelation + ?Sized)) -> Result<Arrangement, Failure> {
    let mut notes = Vec::new();
    let kept = without_twins(infos, relation, &mut notes);
    let mut groups = Vec::new();
    for files in by_process(infos, &kept, relation) {
        notes.extend(assumed(infos, &files));
        let (files, ordered_by) = sorted(infos, files, relation)?;
        let process = infos[files[0]].process.as_ref().map(ProcessKey::words);
        groups.push(ProcessFiles { files, ordered_by, process });
    }
    let newest = |group: &ProcessFiles| group.files.iter().copied().max();
    groups.sort_by_key(|group| std::cmp::Reverse((group.files.len(), newest(group))));
    for group in groups.iter().filter(|group| !group.files.is_sorted()) {
        let names: Vec<&str> = group.files.iter().map(|&i| infos[i].file.as_str()).collect();
        notes.push(format!("Sorted {}: {}.", group.ordered_by.words(), names.join(", ")));
    }
    if groups.len() > 1 {
        notes.push(format!(
            "The files come from {} processes or threads; each is judged separately. Use --as-given to compare all of \
             them in the order given.",
            groups.len()
        ));
    }
    Ok(Arrangement { groups, notes })
}

/// The files without those that are there twice; of two, the one that is whole stays.
fn without_twins(
    infos: &[FileInfo],
    relation: &(impl FileRelation + ?Sized),
    notes: &mut Vec<String>,
) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::new();
    for new in 0..infos.len() {
        let twin = kept.iter().position(|&old| is_twin(&infos[old], &infos[new], || relation.same(old, new)));
        let Some(place) = twin else {
            kept.push(new);
            continue;
        };
        let (mut stays, mut goes) = (kept[place], new);
        if infos[new].whole && !infos[stays].whole {
            (stays, goes) = (new, kept[place]);
        }
        kept[place] = stays;
        notes.push(format!(
            "{} is the same snapshot as {} and is left out.",
            infos[goes].file, infos[stays].file
        ));
    }
    kept
}

/// No thread takes two snapshots within a millisecond.
fn is_twin(a: &FileInfo, b: &FileInfo, same: impl FnOnce() -> bool) -> bool {
    match (&a.time, &b.time, &a.process, &b.process) {
        (Some(a_time), Some(b_time), Some(a), Some(b)) => a_time == b_time && a.is(b),
        _ => a.newest_id == b.newest_id && same(),
    }
}

/// The files of each process, in the order given.
fn by_process(
    infos: &[FileInfo],
    files: &[usize],
    relation: &(impl FileRelation + ?Sized),
) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for &new in files {
        let belongs = |group: &&mut Vec<usize>| {
            let old = group[0];
            match (&infos[old].process, &infos[new].process) {
                (Some(a), Some(b)) => a.is(b),
                // Headers of one file only tell nothing of the other, and ids of forked captures neither.
                (Some(_), None) | (None, Some(_)) => true,
                (None, None) => relation.one_process(old, new) != Some(false),
            }
        };
        match groups.iter_mut().find(belongs) {
            Some(group) => group.push(new),
            None => groups.push(vec![new]),
        }
    }
    groups
}

/// What is said where only some files of a group name their process: the others may be of any.
fn assumed(infos: &[FileInfo], files: &[usize]) -> Option<String> {
    let (known, unknown): (Vec<usize>, Vec<usize>) = files.iter().partition(|&&i| infos[i].process.is_some());
    let process = infos[*known.first()?].process.as_ref()?.words();
    let names: Vec<&str> = unknown.iter().map(|&i| infos[i].file.as_str()).collect();
    let (say, are) = if names.len() == 1 {
        ("does not say which process it is", "It is")
    } else {
        ("do not say which process they are", "They are")
    };
    (!names.is_empty()).then(|| {
        format!(
            "{} {say} from. {are} compared with the files of {process}: leave out what is not from it.",
            names.join(", ")
        )
    })
}

/// The files of one process, oldest first.
fn sorted(
    infos: &[FileInfo],
    mut files: Vec<usize>,
    relation: &(impl FileRelation + ?Sized),
) -> Result<(Vec<usize>, OrderedBy), Failure> {
    if files.len() < 2 {
        return Ok((files, OrderedBy::One));
    }
    let all = |has: fn(&FileInfo) -> bool| files.iter().all(|&i| has(&infos[i]));
    if all(|file| file.time.is_some()) {
        files.sort_by(|&a, &b| infos[a].time.cmp(&infos[b].time));
        return Ok((files, OrderedBy::Time));
    }
    if all(|file| file.number.is_some()) {
        files.sort_by_key(|&i| infos[i].number);
        return Ok((files, OrderedBy::Name));
    }
    if all(|file| file.process.is_none())
        && files[1..].iter().all(|&i| relation.one_process(files[0], i) == Some(true))
    {
        let mut by_id = files.clone();
        by_id.sort_by_key(|&i| infos[i].newest_id);
        if by_id.windows(2).all(|pair| infos[pair[0]].newest_id < infos[pair[1]].newest_id) {
            return Ok((by_id, OrderedBy::Ids));
        }
    }
    by_modification(infos, &files)
        .map(|files| (files, OrderedBy::Modified))
        .ok_or_else(|| undecided(infos, &files))
}

/// By time of change, where the times are well apart or agree with the order given.
fn by_modification(infos: &[FileInfo], files: &[usize]) -> Option<Vec<usize>> {
    let times: Vec<SystemTime> = files.iter().map(|&i| infos[i].modified).collect::<Option<_>>()?;
    let order = |a: &usize, b: &usize| times[*a].cmp(&times[*b]);
    let mut places: Vec<usize> = (0..files.len()).collect();
    places.sort_by(order);
    let apart =
        |pair: &[usize]| times[pair[1]].duration_since(times[pair[0]]).is_ok_and(|between| between >= PLAIN);
    let as_given = places.is_sorted() && times.windows(2).all(|pair| pair[0].cmp(&pair[1]) == Ordering::Less);
    (as_given || places.windows(2).all(apart)).then(|| places.into_iter().map(|at| files[at]).collect())
}

fn undecided(infos: &[FileInfo], files: &[usize]) -> Failure {
    let names: Vec<&str> = files.iter().map(|&i| infos[i].file.as_str()).collect();
    Failure::argument(format!(
        "the order of these files is unknown: {}. They have no header from stillheap, their ids do not belong to one \
         process, and their modification times do not help. If the order given is oldest first, add --as-given",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests;
