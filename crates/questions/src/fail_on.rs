//! Conditions for CI: `CLASS:METRIC OPERATOR NUMBER`, or `CLASS:grows`.
//!
//! CLASS is a class's name or key, a glob, a `/regular expression/`, or `total` for the sums over all classes.
//! The metric stands behind the last colon. A class that did not change has changed by 0, and one that is not
//! there counts 0, so that `Foo:newCount<1` holds if there is no Foo.

use serde::Serialize;
use stillheap_analysis::{ClassRow, Comparison, DiffRow, SeriesClass};
use stillheap_graph::sums::add;

use crate::failure::Failure;
use crate::number::parse_number;
use crate::pattern::Pattern;
use crate::pattern::is_glob;

/// A parsed condition.
#[derive(Debug)]
pub struct Condition {
    /// As it was given.
    pub text: String,
    class: Class,
    test: Check,
}

/// A class for which a condition holds.
#[derive(Debug, Serialize)]
pub struct ConditionHit {
    /// Key of the class; `total` for all together.
    pub key: String,
    pub name: String,
    /// What was compared.
    pub value: i64,
}

#[derive(Debug)]
enum Class {
    Total,
    /// One name or key.
    One(String),
    Many(Pattern),
}

#[derive(Debug)]
enum Check {
    Compare(Metric, Operator, i64),
    /// More objects in every snapshot than in the one before.
    Grows,
}

#[derive(Clone, Copy, Debug)]
enum Metric {
    Count,
    Added,
    Removed,
    Size,
    AddedSize,
    RemovedSize,
    NewCount,
    NewSize,
}

const METRICS: [(&str, Metric); 8] = [
    ("count", Metric::Count),
    ("added", Metric::Added),
    ("removed", Metric::Removed),
    ("size", Metric::Size),
    ("addedSize", Metric::AddedSize),
    ("removedSize", Metric::RemovedSize),
    ("newCount", Metric::NewCount),
    ("newSize", Metric::NewSize),
];

#[derive(Clone, Copy, Debug)]
enum Operator {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

/// Longer ones first, so that `>=` is not read as `>`.
const OPERATORS: [(&str, Operator); 7] = [
    (">=", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("=", Operator::Equal),
];

impl Condition {
    /// Reads a condition.
    pub fn parse(text: &str) -> Result<Condition, Failure> {
        let wrong = |what: &str| {
            Failure::argument(format!(
                "the condition {text:?} {what}; write CLASS:METRIC>NUMBER, such as 'EmailTemplate:count>100' or \
                 '*:size>10MB', or CLASS:grows; metrics are count, added, removed, size, addedSize, removedSize, \
                 newCount and newSize"
            ))
        };
        let (class, test) = text.rsplit_once(':').ok_or_else(|| wrong("has no ':'"))?;
        let class = class.trim();
        let class = match class {
            "" => return Err(wrong("names no class")),
            "total" => Class::Total,
            _ if is_glob(class) || (class.starts_with('/') && class.len() > 1) => {
                Class::Many(Pattern::parse_exact(class)?)
            }
            _ => Class::One(class.to_owned()),
        };
        let test = test.trim();
        if test == "grows" {
            if matches!(class, Class::Total) {
                return Err(wrong("asks whether 'total' grows, which only classes can"));
            }
            return Ok(Condition { text: text.to_owned(), class, test: Check::Grows });
        }
        let at = test.find(['<', '>', '=', '!']).ok_or_else(|| wrong("has no operator"))?;
        let (metric, rest) = test.split_at(at);
        let metric = METRICS
            .iter()
            .find(|(name, _)| *name == metric.trim())
            .ok_or_else(|| wrong("has an unknown metric"))?
            .1;
        let (operator, number) = OPERATORS
            .iter()
            .find_map(|(sign, operator)| Some((*operator, rest.strip_prefix(sign)?)))
            .ok_or_else(|| wrong("has an unknown operator"))?;
        let number = parse_number(number.trim()).ok_or_else(|| wrong("has no number after the operator"))?;
        Ok(Condition { text: text.to_owned(), class, test: Check::Compare(metric, operator, number) })
    }

    /// The classes for which it holds. `now` are all classes of the newer snapshot: one that did not change has
    /// no row in the comparison.
    pub(super) fn hits(
        &self,
        comparison: &Comparison,
        now: &[ClassRow],
        course: Option<&[SeriesClass]>,
    ) -> Result<Vec<ConditionHit>, Failure> {
        let (metric, operator, limit) = match self.test {
            Check::Grows => return self.growing(course),
            Check::Compare(metric, operator, limit) => (metric, operator, limit),
        };
        let is_about = |row: &&DiffRow| self.is_about(&row.key, &row.name);
        let mut rows: Vec<DiffRow> = match (&self.class, metric) {
            (Class::Total, Metric::NewCount | Metric::NewSize) => vec![total(&as_rows(now))],
            (Class::Total, _) => vec![total(&comparison.rows)],
            (_, Metric::NewCount | Metric::NewSize) => {
                as_rows(now).iter().filter(is_about).cloned().collect()
            }
            _ => comparison.rows.iter().filter(is_about).cloned().collect(),
        };
        if let (Class::One(name), true) = (&self.class, rows.is_empty()) {
            rows.push(DiffRow { key: name.clone(), name: name.clone(), ..DiffRow::default() });
        }
        let hits = rows.into_iter().filter_map(|row| {
            let value = metric.of(&row);
            operator.holds(value, limit).then_some(ConditionHit { key: row.key, name: row.name, value })
        });
        Ok(hits.collect())
    }

    fn growing(&self, course: Option<&[SeriesClass]>) -> Result<Vec<ConditionHit>, Failure> {
        let Some(course) = course else {
            return Err(Failure::argument(format!(
                "the condition {:?} needs three snapshots or more",
                self.text
            )));
        };
        let hits = course.iter().filter(|class| class.count_grows_always).map(|class| ConditionHit {
            key: class.key.clone(),
            name: class.name.clone(),
            value: class.count_delta,
        });
        Ok(hits.filter(|hit| self.is_about(&hit.key, &hit.name)).collect())
    }

    fn is_about(&self, key: &str, name: &str) -> bool {
        match &self.class {
            Class::Total => false,
            Class::One(wanted) => wanted == key || wanted == name,
            Class::Many(pattern) => pattern.matches(name),
        }
    }
}

impl Metric {
    fn of(self, row: &DiffRow) -> i64 {
        let large = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        match self {
            Metric::Count => row.count_delta,
            Metric::Added => large(row.added_count),
            Metric::Removed => large(row.removed_count),
            Metric::Size => row.size_delta,
            Metric::AddedSize => large(row.added_size),
            Metric::RemovedSize => large(row.removed_size),
            Metric::NewCount => large(row.new_count),
            Metric::NewSize => large(row.new_size),
        }
    }
}

impl Operator {
    fn holds(self, value: i64, limit: i64) -> bool {
        match self {
            Operator::Greater => value > limit,
            Operator::GreaterOrEqual => value >= limit,
            Operator::Less => value < limit,
            Operator::LessOrEqual => value <= limit,
            Operator::Equal => value == limit,
            Operator::NotEqual => value != limit,
        }
    }
}

/// Classes as they are now, as far as the metrics of now look at them.
fn as_rows(now: &[ClassRow]) -> Vec<DiffRow> {
    let row = |class: &ClassRow| DiffRow {
        key: class.key.clone(),
        name: class.name.clone(),
        new_count: class.count,
        new_size: class.shallow_size,
        ..DiffRow::default()
    };
    now.iter().map(row).collect()
}

/// The sums over classes.
fn total(rows: &[DiffRow]) -> DiffRow {
    let mut sum = DiffRow { key: "total".to_owned(), name: "total".to_owned(), ..DiffRow::default() };
    for row in rows {
        add(&mut sum.added_count, row.added_count);
        add(&mut sum.removed_count, row.removed_count);
        sum.count_delta = sum.count_delta.saturating_add(row.count_delta);
        add(&mut sum.added_size, row.added_size);
        add(&mut sum.removed_size, row.removed_size);
        sum.size_delta = sum.size_delta.saturating_add(row.size_delta);
        add(&mut sum.new_count, row.new_count);
        add(&mut sum.new_size, row.new_size);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use stillheap_analysis::MatchedBy;

    fn comparison() -> Comparison {
        let row = |name: &str, added: u64, removed: u64, size: i64| DiffRow {
            key: format!("1,2,3,{name}"),
            name: name.to_owned(),
            added_count: added,
            removed_count: removed,
            count_delta: added as i64 - removed as i64,
            size_delta: size,
            ..DiffRow::default()
        };
        Comparison {
            matched_by: MatchedBy::Id,
            reason: String::new(),
            rows: vec![row("Email", 150, 10, 5_000_000), row("a:b", 1, 3, -10)],
        }
    }

    fn now() -> Vec<ClassRow> {
        let row = |name: &str, count: u64| ClassRow {
            key: format!("1,2,3,{name}"),
            name: name.to_owned(),
            count,
            distance: 1,
            shallow_size: 10 * count,
            retained_size: 0,
            location: None,
        };
        vec![row("Email", 7), row("Unchanged", 3)]
    }

    fn hits(text: &str) -> usize {
        Condition::parse(text).unwrap().hits(&comparison(), &now(), None).unwrap().len()
    }

    #[test]
    fn compares_the_metric_of_the_class() {
        assert_eq!(hits("Email:count>139"), 1);
        assert_eq!(hits("Email:count>140"), 0);
        assert_eq!(hits("Email:count>=140"), 1);
        assert_eq!(hits("Email : added = 150"), 1);
        assert_eq!(hits("Email:removed!=10"), 0);
        assert_eq!(hits("Email:size>4.9MB"), 1);
        assert_eq!(hits("1,2,3,Email:newCount==7"), 1);
        assert_eq!(hits("a:b:count<=-2"), 1);
    }

    #[test]
    fn a_class_that_is_not_there_counts_as_nothing() {
        assert_eq!(hits("Nobody:count>0"), 0);
        assert_eq!(hits("Nobody:newCount<1"), 1);
        assert_eq!(hits("Nobody*:newCount<1"), 0);
        assert_eq!(hits("Nobody:count=0"), 1);
    }

    #[test]
    fn a_class_that_did_not_change_is_still_there() {
        assert_eq!(hits("Unchanged:newCount=3"), 1);
        assert_eq!(hits("Unchanged:newCount<1"), 0);
        assert_eq!(hits("Unchanged:newSize>29"), 1);
        assert_eq!(hits("Unchanged:count!=0"), 0);
        assert_eq!(hits("*:newCount>=3"), 2);
        assert_eq!(hits("total:newCount=10"), 1);
    }

    #[test]
    fn patterns_and_totals() {
        assert_eq!(hits("*:count<200"), 2);
        assert_eq!(hits("/^E/:count>0"), 1);
        assert_eq!(hits("total:added=151"), 1);
        assert_eq!(hits("total:count=138"), 1);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, what) in [
            ("Email", "has no ':'"),
            (":count>1", "names no class"),
            ("Email:count", "has no operator"),
            ("Email:counts>1", "unknown metric"),
            ("Email:count>many", "no number"),
            ("Email:count>1zB", "no number"),
            ("total:grows", "only classes"),
        ] {
            let failure = Condition::parse(text).unwrap_err();
            assert!(failure.message.contains(what), "{text}: {}", failure.message);
        }
        let failure = Condition::parse("E:grows").unwrap().hits(&comparison(), &now(), None).unwrap_err();
        assert!(failure.message.contains("three snapshots"), "{}", failure.message);
    }

    #[test]
    fn numbers_have_units() {
        assert_eq!(parse_number("1_000"), Some(1000));
        assert_eq!(parse_number("1.5 MiB"), Some(1_572_864));
        assert_eq!(parse_number("-2kB"), Some(-2000));
        assert_eq!(parse_number(""), None);
        assert_eq!(parse_number("5 apples"), None);
    }
}
