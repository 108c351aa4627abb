//! Expressions over the fixture `leak` (tests/cli/fixtures.rs says what is in it): three templates with four
//! parts each, a Map with eight entries, a detached element.

use stillheap_analysis::{Model, Snapshot};

use super::parse::DEEPEST;
use super::{Expression, matching};

fn ids(expression: &str, all: bool) -> Vec<u64> {
    let bytes: &[u8] = include_bytes!("../../../cli/tests/fixtures/leak.heapsnapshot");
    let snapshot = Snapshot::new(stillheap_snapshot::read(bytes, Default::default()).unwrap());
    let analysis = snapshot.analysis(Model::Devtools);
    let expression = Expression::parse(expression).unwrap_or_else(|f| panic!("{}", f.message));
    matching(analysis, &expression, all).into_iter().map(|n| analysis.id(n)).collect()
}

fn count(expression: &str) -> usize {
    ids(expression, false).len()
}

#[test]
fn texts() {
    assert_eq!(ids("class = EmailTemplate", false), [1001, 1101, 1201]);
    assert_eq!(count("class = Email*"), 15);
    assert_eq!(count("class == 'EmailTemplateNode'"), 12);
    assert_eq!(count("class ~ emailtemplate"), 15);
    assert_eq!(count("class = /^email/i"), 15);
    assert_eq!(count("class = /^email/"), 0);
    assert_eq!(count("class = Email* and class != EmailTemplate"), 12);
    assert_eq!(count("class = Email* and class !~ node"), 3);
    assert_eq!(count("class = \"{html, user}\""), 3);
    assert_eq!(count("name = 'ann@example.com'"), 1);
    assert_eq!(count("name = /^\\/srv\\/app/"), 1);
    assert_eq!(count("name ~ \"\\nnext\""), 1);
    assert_eq!(count("type = closure"), 7);
    assert_eq!(count("type = native and detached"), 1);
}

#[test]
fn edges() {
    assert_eq!(ids("edge = original", false), [1103, 1203]);
    assert_eq!(ids("via = original", false), [1001, 1101]);
    assert_eq!(ids("via = opt*", false), [115, 119, 123]);
}

#[test]
fn numbers() {
    assert_eq!(ids("id = @1101", false), [1101]);
    assert_eq!(ids("id >= 1201 and id < 1206", false), [1201, 1203, 1205]);
    assert_eq!(count("self = 56 B"), 3);
    assert_eq!(count("class = EmailTemplate and retained > 0.7kB"), 2);
    assert_eq!(count("class = EmailTemplate and retained > 752"), 1);
    assert_eq!(count("class = EmailTemplate and distance <= 5"), 2);
    assert_eq!(ids("edges >= 8", false), [5]);
    assert_eq!(count("class = CacheEntry and retainers = 1"), 8);
}

#[test]
fn relations() {
    assert_eq!(ids("retainedBy(class = 'system / Context')", false), [1001, 1101]);
    assert_eq!(ids("holds(class = CacheEntry)", true), [143]);
    assert_eq!(ids("class = EmailTemplate and dominatedBy(id = 1101)", false), [1001]);
    assert_eq!(count("class = EmailTemplate and dominatedBy(id = 1001)"), 0);
    assert_eq!(count("dominatedBy(id = 1)"), count("id > 0"));
    assert_eq!(count("retainedBy(retainedBy(class = Map)) and class = CacheEntry"), 8);
}

#[test]
fn logic() {
    assert_eq!(count("class = EmailTemplate or class = CacheEntry"), 11);
    assert_eq!(count("class = EmailTemplate and class = CacheEntry"), 0);
    // `and` binds tighter than `or`.
    assert_eq!(count("class = CacheEntry or class = EmailTemplate and id = 1001"), 9);
    assert_eq!(count("(class = CacheEntry or class = EmailTemplate) and id = 1001"), 1);
    assert_eq!(count("class = EmailTemplate and not id = 1001"), 2);
    assert_eq!(count("class = EmailTemplate && !(id = 1001 || id = 1101)"), 1);
    assert_eq!(count("not not class = EmailTemplate"), 3);
    assert_eq!(count("NOT class = EmailTemplate AND class = Email*"), 12);
}

#[test]
fn nodes_without_size_come_only_when_asked_for() {
    assert!(ids("type = synthetic", false).is_empty());
    assert_eq!(ids("type = synthetic", true), [1, 3]);
}

#[test]
fn mistakes_have_a_position() {
    for (text, position, what) in [
        ("", 0, "a test is expected"),
        ("class", 5, "one of = != ~ !~ is expected"),
        ("class = ", 8, "a text"),
        ("class > 1", 6, "one of = != ~ !~"),
        ("self = 1 self = 2", 9, "'and', 'or' or the end"),
        ("self > big", 7, "a number"),
        ("self > 'big'", 7, "a number"),
        ("(self > 1", 0, "never closed"),
        ("self > 1)", 8, "never opened"),
        ("klass = A", 0, "\"klass\" is not known"),
        ("name = 'abc", 7, "no closing quote"),
        ("name = /abc", 7, "no closing /"),
        ("name = /a/x", 10, "only 'i' may follow"),
        ("name = /(/", 7, "unclosed group"),
        ("retainedBy class = A", 11, "'(' is expected"),
        ("naïve | 1", 6, "has no meaning"),
        ("not", 3, "a test is expected"),
    ] {
        let failure = Expression::parse(text).expect_err(text);
        assert_eq!(failure.position, Some(position), "{text}: {}", failure.message);
        assert!(failure.message.contains(what), "{text}: {}", failure.message);
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}self > 1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Expression::parse(&nested(DEEPEST - 1)).is_ok());
    assert!(Expression::parse(&nested(DEEPEST)).is_err());
    assert!(Expression::parse(&"(".repeat(9_000)).is_err());
    assert!(Expression::parse(&"not ".repeat(2_000)).is_err());
    assert!(Expression::parse(&"retainedBy(".repeat(800)).is_err());
    let long = Expression::parse(&"(".repeat(1_000_000)).unwrap_err();
    assert!(long.message.len() < 100, "{}", long.message);
}
