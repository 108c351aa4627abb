//! Where the collector starts: found by what the memory looks like, since no symbol tells.
//!
//! - Global handles, handle scopes, eternal handles, queues of microtasks, the table of roots, the builtins, the
//!   snapshot's caches (`handles.rs`): each recognised by its shape, and named as V8's snapshot names it.
//! - What else the isolate has: its bytes from before the table of roots to behind the heap, and what lies in blocks of
//!   glibc's malloc that can be reached from it in a few steps (tasks, lists, handles of an unknown shape).
//! - The stacks of all threads, from their stack pointers up.
//!
//! Words that are no reference to an object of this heap don't count, nor do blocks that were freed (`arena.rs`). A stale
//! word elsewhere may keep an object that is dead: docs/heap-reader.md has what was measured.

use foldhash::{HashSet, HashSetExt};

use crate::handles::{self, Cache, GlobalHandles, HandleState, Microtasks, Scopes, Vector, malloc_block};
use crate::heap::{Heap, Maps, Space, stack_of};
use crate::kind::Kind;
use crate::memory::{is_strong, word_at};

/// What holds a root, as the snapshot names it. The names are V8's where the category is V8's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Category {
    Builtins,
    EternalHandles,
    GlobalHandles,
    HandleScope,
    Microtasks,
    ReadOnlyRoots,
    ShareableCache,
    StackRoots,
    StartupCache,
    StrongRootList,
    /// Not V8's: what else the isolate's memory refers to.
    Isolate,
    /// Every internalized string; it doesn't keep them.
    InternalizedStrings,
    /// Every external string; it doesn't keep them.
    ExternalStrings,
}

impl Category {
    /// Those whose objects the search for roots finds.
    pub(crate) const FOUND: [Category; 11] = [
        Category::Builtins,
        Category::EternalHandles,
        Category::GlobalHandles,
        Category::HandleScope,
        Category::Microtasks,
        Category::ReadOnlyRoots,
        Category::ShareableCache,
        Category::StackRoots,
        Category::StartupCache,
        Category::StrongRootList,
        Category::Isolate,
    ];
    /// Those that follow from the objects' types.
    pub(crate) const BY_TYPE: [Category; 2] = [Category::InternalizedStrings, Category::ExternalStrings];
    pub(crate) const COUNT: usize = Category::FOUND.len() + Category::BY_TYPE.len();

    pub(crate) fn name(self) -> &'static str {
        match self {
            Category::Builtins => "(Builtins)",
            Category::EternalHandles => "(Eternal handles)",
            Category::GlobalHandles => "(Global handles)",
            Category::HandleScope => "(Handle scope)",
            Category::Microtasks => "(Micro tasks)",
            Category::ReadOnlyRoots => "(Read-only roots)",
            Category::ShareableCache => "(Shareable object cache)",
            Category::StackRoots => "(Stack roots)",
            Category::StartupCache => "(Startup object cache)",
            Category::StrongRootList => "(Strong root list)",
            Category::Isolate => "(Isolate)",
            Category::InternalizedStrings => "(Internalized strings)",
            Category::ExternalStrings => "(External strings)",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Root {
    pub(crate) object: u64,
    pub(crate) category: Category,
    /// Whether it doesn't keep the object.
    pub(crate) weak: bool,
}

/// Steps from the isolate's bytes through blocks of malloc.
const DEPTH: u8 = 3;

/// The largest block of malloc that is looked through.
const LARGEST_BLOCK: u64 = 0x8010;

/// Bytes of a worker's stack that are looked at; Node's workers have 4 MiB.
const STACK: usize = 16 << 20;

/// Words of all lists that are looked at while they are being recognised; a process has some ten thousand.
const MOST_LISTED: u64 = 1 << 24;

/// Fewer pieces of code in a row are not the table of builtins.
const LEAST_BUILTINS: usize = 500;

struct Finder<'h, 'm> {
    space: &'h Space<'m>,
    maps: &'h mut Maps,
    seen: HashSet<(u64, Category)>,
    /// Objects that a category holds that was recognised.
    named: HashSet<u64>,
    roots: Vec<Root>,
    /// Words of lists that may still be looked at, so that memory that lies ends.
    budget: u64,
    /// Blocks of malloc that have been recognised, so that stale words in them don't count.
    recognised: HashSet<u64>,
}

impl Finder<'_, '_> {
    fn add(&mut self, word: u64, category: Category, weak: bool) {
        if !is_strong(word) || !(word - 1).is_multiple_of(8) {
            return;
        }
        let object = word - 1;
        let Some(page) = self.space.page(object) else { return };
        let guessed = category == Category::Isolate;
        if object < page.start || object + 8 > page.end || page.evacuated {
            return;
        }
        if guessed && (page.read_only || self.named.contains(&object)) {
            return;
        }
        // A weak handle must not hide a strong one.
        let key = (object, category);
        if !weak && self.seen.contains(&key) {
            return;
        }
        let map = self.maps.learn(self.space, word_at(&page.bytes, (object - page.base) as usize));
        if map.is_some_and(|m| !matches!(m.kind, Kind::FreeSpace | Kind::Filler)) {
            if !weak {
                self.seen.insert(key);
                if !guessed {
                    self.named.insert(object);
                }
            }
            self.roots.push(Root { object, category, weak });
        }
    }

    fn add_vector(&mut self, vector: Vector, category: Category) {
        let space = self.space;
        self.recognised.insert(vector.begin);
        for word in vector.words(space) {
            self.add(word, category, false);
        }
    }

    fn type_behind(&mut self, word: u64) -> Option<u16> {
        if !is_strong(word) {
            return None;
        }
        Some(self.maps.learn(self.space, self.space.word(word - 1))?.instance_type)
    }
}

pub(crate) fn find(heap: &mut Heap<'_>) -> Vec<Root> {
    let Heap { space, maps } = heap;
    let handles = GlobalHandles::find(space);
    let mut finder = Finder {
        space,
        maps,
        seen: HashSet::new(),
        named: HashSet::new(),
        roots: Vec::new(),
        budget: MOST_LISTED,
        recognised: HashSet::new(),
    };
    for (word, state) in handles.all() {
        finder.add(word, Category::GlobalHandles, state == HandleState::Weak);
    }
    isolate(&mut finder, &handles);
    for thread in &space.threads {
        let stack = stack_of(&space.view, thread.registers.stack);
        let used =
            if Some(thread.id) == space.main_thread { stack } else { &stack[..stack.len().min(STACK)] };
        for word in used.chunks_exact(8) {
            finder.add(word_at(word, 0), Category::StackRoots, false);
        }
    }
    finder.roots
}

/// The table of roots: the longest row of references and small integers that has enough references into the read-only
/// space. Where it begins and ends; the heap's own place if there is none.
fn table_of_roots(space: &Space<'_>) -> (u64, u64) {
    let heap = space.heap & !7;
    let read_only = |word: u64| is_strong(word) && space.page(word - 1).is_some_and(|p| p.read_only);
    let lowest = heap.saturating_sub(0x20000);
    let mut best = (heap, heap, 0);
    let (mut begin, mut references) = (None, 0);
    for at in (lowest..=heap).step_by(8) {
        let word = space.view.word(at).filter(|_| at < heap).unwrap_or(RAW);
        if is_strong(word) || word & 0xffff_ffff == 0 {
            // It begins with a reference, since memory that is zero may stand before it.
            let inside = read_only(word) || begin.is_some();
            references += u64::from(read_only(word));
            begin = begin.or(inside.then_some(at));
        } else {
            if references > best.2 {
                best = (begin.unwrap_or(at), at, references);
            }
            (begin, references) = (None, 0);
        }
    }
    match best {
        (begin, end, LEAST_READ_ONLY..) => (begin, end),
        _ => (heap, heap),
    }
}

/// The first word before the heap that leads into the read-only space.
fn first_read_only(space: &Space<'_>) -> u64 {
    let heap = space.heap & !7;
    let leads = |at: u64| {
        let word = space.view.word(at).unwrap_or(0);
        is_strong(word) && space.page(word - 1).is_some_and(|p| p.read_only)
    };
    (heap.saturating_sub(0x20000)..heap).step_by(8).find(|&at| leads(at)).unwrap_or(heap)
}

/// A word that is neither a reference nor a small integer.
const RAW: u64 = 2;

/// Every V8 has more roots in its read-only space.
const LEAST_READ_ONLY: u64 = 200;

fn list_of_roots(finder: &mut Finder<'_, '_>, first: u64, to: u64) {
    let space = finder.space;
    for at in (first..to).step_by(8) {
        let word = space.view.word(at).unwrap_or(0);
        if is_strong(word) {
            let read_only = space.page(word - 1).is_some_and(|p| p.read_only);
            let category = if read_only { Category::ReadOnlyRoots } else { Category::StrongRootList };
            finder.add(word, category, false);
        }
    }
}

/// The table of builtins: the longest row of references to code.
fn builtins(finder: &mut Finder<'_, '_>, from: u64, to: u64) {
    let code = finder.space.layout.types.code;
    let mut row = Vec::new();
    let mut longest = Vec::new();
    for at in (from..to).step_by(8) {
        let word = finder.space.view.word(at).unwrap_or(0);
        if finder.type_behind(word) == Some(code) {
            row.push(word);
        } else if !row.is_empty() {
            if row.len() > longest.len() {
                longest = std::mem::take(&mut row);
            }
            row.clear();
        }
    }
    if longest.len() >= LEAST_BUILTINS {
        for word in longest {
            finder.add(word, Category::Builtins, false);
        }
    }
}

fn isolate(finder: &mut Finder<'_, '_>, handles: &GlobalHandles<'_>) {
    let space = finder.space;
    let (first, end) = table_of_roots(space);
    // Before the table is what generated code reaches first.
    let from = first_read_only(space).min(first).saturating_sub(0x1800);
    let to = (space.heap & !7).saturating_add(0x10000);
    list_of_roots(finder, first, end);
    builtins(finder, from, to);
    let current = handles::current_scope(space, from, to);
    if let Some(current) = current {
        finder.add_vector(current, Category::HandleScope);
    }
    let sealed = if current.is_some() { Vec::new() } else { handles::sealed_ends(space, from, to) };
    let mut ranges = vec![(from, to, 0)];
    let mut seen = HashSet::new();
    // First what has a shape, so that none of it is taken for a word of the isolate's.
    let mut next = 0;
    while let Some(&(from, to, depth)) = ranges.get(next) {
        next += 1;
        if finder.recognised.contains(&from) {
            continue;
        }
        for at in (from..to).step_by(8) {
            let Some(word) = space.view.word(at) else { break };
            if word & 15 != 0 || word == 0 {
                continue;
            }
            microtasks(finder, word);
            if (from..to).contains(&word) {
                continue;
            }
            if let Some(scopes) = Scopes::at(space, at, current, &sealed) {
                handle_scopes(finder, scopes);
            }
            if let Some(vector) = Vector::at(space, at) {
                recognise(finder, vector, at);
            }
            if depth < DEPTH
                && let Some(size) = malloc_block(space, word, LARGEST_BLOCK)
                && !handles.contain(word)
                && seen.insert(word)
            {
                ranges.push((word, word + size - 8, depth + 1));
            }
        }
    }
    for (from, to, _) in ranges {
        if finder.recognised.contains(&from) {
            continue;
        }
        for at in (from..to).step_by(8) {
            let Some(word) = space.view.word(at) else { break };
            if !cached_lookup(finder, word, at) {
                finder.add(word, Category::Isolate, false);
            }
        }
    }
}

/// Whether a word is an entry of the caches of properties that were looked up: a map, then a name. They retain neither.
fn cached_lookup(finder: &mut Finder<'_, '_>, word: u64, at: u64) -> bool {
    let types = &finder.space.layout.types;
    let (map, first_nonstring, symbol) = (types.map, types.first_nonstring, types.symbol);
    finder.type_behind(word) == Some(map)
        && finder
            .space
            .view
            .word(at + 8)
            .and_then(|name| finder.type_behind(name))
            .is_some_and(|name| name < first_nonstring || name == symbol)
}

fn handle_scopes(finder: &mut Finder<'_, '_>, scopes: Scopes) {
    finder.recognised.insert(scopes.list.begin);
    finder.recognised.extend(scopes.spare);
    for vector in scopes.blocks.into_iter().chain(scopes.contexts) {
        if finder.budget < vector.len() {
            return;
        }
        finder.budget -= vector.len();
        finder.add_vector(vector, Category::HandleScope);
    }
}

/// The queue at an address, if there is one, and its neighbours.
fn microtasks(finder: &mut Finder<'_, '_>, first: u64) {
    let space = finder.space;
    let mut address = first;
    while let Some(queue) = Microtasks::at(space, address) {
        if finder.budget < queue.len() || !finder.recognised.insert(queue.ring) {
            return;
        }
        finder.budget -= queue.len();
        for word in queue.waiting(space) {
            finder.add(word, Category::Microtasks, false);
        }
        address = queue.next;
    }
}

fn recognise(finder: &mut Finder<'_, '_>, vector: Vector, at: u64) {
    let space = finder.space;
    if finder.recognised.contains(&vector.begin) || finder.budget < vector.len() {
        return;
    }
    finder.budget -= vector.len();
    if let Some(blocks) = handles::eternal(space, vector, at) {
        for block in blocks {
            finder.add_vector(block, Category::EternalHandles);
        }
    } else if let Some(cache) = handles::cache(space, finder.maps, vector) {
        let category = match cache {
            Cache::Shareable => Category::ShareableCache,
            Cache::Startup => Category::StartupCache,
        };
        finder.add_vector(vector, category);
    }
}
