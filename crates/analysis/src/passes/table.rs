//! The class table: a row per class, with its objects' numbers added up.

use serde::Serialize;
use stillheap_graph::Location;

use super::aggregates::{self, Aggregate};
use super::classes::Class;
use crate::page::{Page, Paged};

/// A class as in DevTools' Summary view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassRow {
    /// `scriptId,line,column,Name` or `,Name`; the same for the same class in every snapshot of a program.
    pub key: String,
    /// What to show.
    pub name: String,
    /// Objects of non-zero size.
    pub count: u64,
    /// Smallest distance of an object of the class.
    pub distance: i32,
    /// Sum of self sizes in bytes.
    pub shallow_size: u64,
    /// Bytes that would be freed with all of them, none counted twice.
    pub retained_size: u64,
    /// Position of the constructor, if the snapshot has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

/// Order of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClassSort {
    /// Largest retained size first, as DevTools does.
    #[default]
    RetainedSize,
    /// Largest shallow size first.
    ShallowSize,
    /// Most objects first.
    Count,
    /// Nearest first.
    Distance,
    Name,
    /// In order of first appearance in the file.
    File,
}

/// All classes of a snapshot (or of a filtered part of it), in file order of their first object.
#[derive(Clone, Debug)]
pub struct ClassTable {
    pub rows: Vec<ClassRow>,
    /// Each row's position in [`crate::Results::classes`].
    pub class: Vec<u32>,
}

impl ClassTable {
    pub(crate) fn new(rows: Vec<Aggregate>, classes: &[Class]) -> ClassTable {
        let mut table = ClassTable { rows: Vec::new(), class: Vec::new() };
        for (key, row) in aggregates::by_key(rows, classes) {
            let class = &classes[row.class as usize];
            table.class.push(row.class);
            table.rows.push(ClassRow {
                key,
                name: String::from_utf8_lossy(&class.name).into_owned(),
                count: row.count,
                distance: row.distance,
                shallow_size: row.size,
                retained_size: row.retained,
                location: class.location,
            });
        }
        table
    }

    /// Rows in an order, ties by name and key.
    pub fn sorted(&self, sort: ClassSort, page: Page) -> Paged<ClassRow> {
        let mut order: Vec<&ClassRow> = self.rows.iter().collect();
        let by = |a: &ClassRow, b: &ClassRow| match sort {
            ClassSort::RetainedSize => b.retained_size.cmp(&a.retained_size),
            ClassSort::ShallowSize => b.shallow_size.cmp(&a.shallow_size),
            ClassSort::Count => b.count.cmp(&a.count),
            ClassSort::Distance => a.distance.cmp(&b.distance),
            ClassSort::Name => a.name.cmp(&b.name),
            ClassSort::File => std::cmp::Ordering::Equal,
        };
        if sort != ClassSort::File {
            order.sort_by(|a, b| by(a, b).then_with(|| a.name.cmp(&b.name)).then_with(|| a.key.cmp(&b.key)));
        }
        Paged::of(&order, page, |row| (*row).clone())
    }

    pub fn get(&self, key: &str) -> Option<&ClassRow> {
        self.rows.iter().find(|row| row.key == key)
    }

    /// Row numbers whose key, or else whose name, is `text`.
    pub(crate) fn find(&self, text: &str) -> Vec<usize> {
        let with = |f: &dyn Fn(&ClassRow) -> bool| {
            (0..self.rows.len()).filter(|&i| f(&self.rows[i])).collect::<Vec<_>>()
        };
        let exact = with(&|row| row.key == text);
        if exact.is_empty() { with(&|row| row.name == text) } else { exact }
    }
}
