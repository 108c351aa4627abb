//! The filter language of `query`: tests of nodes, joined by `and`, `or` and `not` (docs/query.md).
//!
//! Parsing costs one step per character, of which there are at most 10,000, and nests at most 100 levels, so
//! that no expression can overflow the stack. Evaluating costs one look at each node per test, cheap tests
//! first; each relation (`retainedBy(…)`) costs one more walk over all edges and a byte per node.

mod eval;
mod lex;
mod parse;
#[cfg(test)]
mod tests;

use crate::failure::Failure;
use crate::pattern::Pattern;

pub use eval::matching;

/// A parsed expression.
#[derive(Debug)]
pub enum Expression {
    /// All must hold.
    And(Vec<Expression>),
    /// One must hold.
    Or(Vec<Expression>),
    /// It must not hold.
    Not(Box<Expression>),
    /// A test of a text.
    Text(TextField, Pattern),
    /// A test of a number.
    Number(NumberField, Operator, i64),
    /// The node is a detached DOM node.
    Detached,
    /// A test of the nodes around.
    Related(Relation, Box<Expression>),
}

/// What a text test looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextField {
    /// Name of the class.
    Class,
    /// Display name; a string's text.
    Name,
    /// V8's node type.
    Type,
    /// Name of an edge from the node.
    Edge,
    /// Name of an edge that holds the node.
    Via,
}

/// What a number test looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberField {
    Id,
    /// Bytes of its own.
    SelfSize,
    /// Bytes that would be freed with it.
    Retained,
    /// Steps from a root.
    Distance,
    Edges,
    /// Edges that hold it.
    Retainers,
}

/// Comparisons of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// How two nodes may stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// One of those that hold the node directly.
    RetainedBy,
    /// One of those that the node holds directly.
    Holds,
    /// One of those without which the node would be freed.
    DominatedBy,
}

impl Expression {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Expression, Failure> {
        parse::parse(text)
    }
}

/// A mistake at a character of the expression, drawn below it.
fn mistake(text: &str, at: usize, what: &str) -> Failure {
    let shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let message =
        format!("the query has a mistake at character {}: {what}\n  {shown}\n  {}^", at + 1, " ".repeat(at));
    Failure { position: Some(at as u64), ..Failure::new("ERR_STILLHEAP_QUERY", message) }
}
