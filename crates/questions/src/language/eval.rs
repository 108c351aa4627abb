//! Which nodes an expression holds for.

use stillheap_analysis::{Analysis, NodeOrdinal};

use super::{Expression, NumberField, Operator, Relation, TextField};
use crate::pattern::Pattern;

/// The nodes an expression holds for, in file order; those of size 0, which no other list counts, only if
/// `all`.
pub fn matching(analysis: Analysis<'_>, expression: &Expression, all: bool) -> Vec<NodeOrdinal> {
    let test = prepare(analysis, expression);
    nodes(analysis).filter(|&n| (all || analysis.self_size(n) > 0) && test.holds(analysis, n)).collect()
}

fn nodes(analysis: Analysis<'_>) -> impl Iterator<Item = NodeOrdinal> {
    (0..analysis.snapshot().node_count()).map(NodeOrdinal)
}

/// An expression with everything computed that does not depend on the single node.
enum Predicate<'e> {
    And(Vec<Predicate<'e>>),
    Or(Vec<Predicate<'e>>),
    Not(Box<Predicate<'e>>),
    /// By class number.
    Class(Vec<bool>),
    Text(TextField, &'e Pattern),
    Number(NumberField, Operator, i64),
    Detached,
    /// By node.
    Set(Vec<bool>),
}

fn prepare<'e>(analysis: Analysis<'_>, expression: &'e Expression) -> Predicate<'e> {
    let list = |parts: &'e [Expression]| {
        let mut tests: Vec<Predicate<'e>> = parts.iter().map(|part| prepare(analysis, part)).collect();
        tests.sort_by_key(Predicate::cost);
        tests
    };
    match expression {
        Expression::And(parts) => Predicate::And(list(parts)),
        Expression::Or(parts) => Predicate::Or(list(parts)),
        Expression::Not(inner) => Predicate::Not(Box::new(prepare(analysis, inner))),
        Expression::Text(TextField::Class, pattern) => Predicate::Class(classes(analysis, pattern)),
        Expression::Text(field, pattern) => Predicate::Text(*field, pattern),
        Expression::Number(field, operator, number) => Predicate::Number(*field, *operator, *number),
        Expression::Detached => Predicate::Detached,
        Expression::Related(relation, inner) => {
            let inner = prepare(analysis, inner);
            Predicate::Set(related(analysis, *relation, |n| inner.holds(analysis, n)))
        }
    }
}

/// Which classes have a name that matches.
fn classes(analysis: Analysis<'_>, pattern: &Pattern) -> Vec<bool> {
    let mut known: Vec<Option<bool>> = vec![None; analysis.class_count()];
    for n in nodes(analysis) {
        known[analysis.class_number(n) as usize]
            .get_or_insert_with(|| pattern.matches(&analysis.class_name(n)));
    }
    known.into_iter().map(|matches| matches == Some(true)).collect()
}

/// The nodes that stand in a relation to one that `holds`.
fn related(analysis: Analysis<'_>, relation: Relation, holds: impl Fn(NodeOrdinal) -> bool) -> Vec<bool> {
    let mut set = vec![false; analysis.snapshot().node_count() as usize];
    match relation {
        Relation::RetainedBy => {
            // The same edges that the retainers' list shows.
            let root = analysis.snapshot().root();
            for n in nodes(analysis).filter(|&n| n != root && holds(n)) {
                for (_, to) in analysis.edges(n).filter(|&(e, _)| analysis.edge_type(e) != "weak") {
                    set[to.0 as usize] = true;
                }
            }
        }
        Relation::Holds => {
            for n in nodes(analysis).filter(|&n| holds(n)) {
                for (_, from) in analysis.holders(n) {
                    set[from.0 as usize] = true;
                }
            }
        }
        Relation::DominatedBy => dominated(analysis, &mut set, holds),
    }
    set
}

/// Marks the nodes with a proper dominator that `holds`. Each node is looked at once: a chain of dominators is
/// climbed to the first one that is known, and settled on the way back down, without recursion.
fn dominated(analysis: Analysis<'_>, set: &mut [bool], holds: impl Fn(NodeOrdinal) -> bool) {
    let root = analysis.snapshot().root();
    let mut known = vec![false; set.len()];
    known[root.0 as usize] = true;
    let mut way = Vec::new();
    for n in nodes(analysis) {
        let mut at = n;
        while !known[at.0 as usize] {
            way.push(at);
            at = analysis.dominator(at);
        }
        while let Some(node) = way.pop() {
            set[node.0 as usize] = set[at.0 as usize] || holds(at);
            known[node.0 as usize] = true;
            at = node;
        }
    }
}

impl Predicate<'_> {
    fn cost(&self) -> u32 {
        match self {
            Predicate::Set(_) | Predicate::Class(_) | Predicate::Detached => 0,
            Predicate::Number(NumberField::Edges | NumberField::Retainers, ..) => 3,
            Predicate::Number(..) => 1,
            Predicate::Text(TextField::Type, _) => 1,
            Predicate::Text(TextField::Edge | TextField::Via, _) => 4,
            Predicate::Text(..) => 3,
            Predicate::Not(inner) => inner.cost(),
            Predicate::And(parts) | Predicate::Or(parts) => {
                1 + parts.iter().map(Predicate::cost).max().unwrap_or(0)
            }
        }
    }

    fn holds(&self, analysis: Analysis<'_>, n: NodeOrdinal) -> bool {
        match self {
            Predicate::And(parts) => parts.iter().all(|part| part.holds(analysis, n)),
            Predicate::Or(parts) => parts.iter().any(|part| part.holds(analysis, n)),
            Predicate::Not(inner) => !inner.holds(analysis, n),
            Predicate::Class(wanted) => wanted[analysis.class_number(n) as usize],
            Predicate::Text(field, pattern) => match field {
                TextField::Class => pattern.matches(&analysis.class_name(n)),
                TextField::Name => pattern.matches(&analysis.name(n)),
                TextField::Type => pattern.matches(analysis.node_type(n)),
                TextField::Edge => analysis.edges(n).any(|(e, _)| pattern.matches(&analysis.edge_name(e))),
                TextField::Via => analysis.holders(n).any(|(e, _)| pattern.matches(&analysis.edge_name(e))),
            },
            Predicate::Number(field, operator, number) => operator.holds(value(analysis, *field, n), *number),
            Predicate::Detached => analysis.detachedness(n) == 2,
            Predicate::Set(set) => set[n.0 as usize],
        }
    }
}

fn value(analysis: Analysis<'_>, field: NumberField, n: NodeOrdinal) -> i64 {
    let large = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    match field {
        NumberField::Id => large(analysis.id(n)),
        NumberField::SelfSize => large(analysis.self_size(n)),
        NumberField::Retained => large(analysis.retained_size(n)),
        NumberField::Distance => i64::from(analysis.distance(n)),
        NumberField::Edges => analysis.edges(n).count() as i64,
        NumberField::Retainers => analysis.holders(n).count() as i64,
    }
}

impl Operator {
    fn holds(self, value: i64, number: i64) -> bool {
        match self {
            Operator::Equal => value == number,
            Operator::NotEqual => value != number,
            Operator::Less => value < number,
            Operator::LessOrEqual => value <= number,
            Operator::Greater => value > number,
            Operator::GreaterOrEqual => value >= number,
        }
    }
}
