//! From tokens to an expression, by recursive descent. `not` binds tightest, then `and`, then `or`.

use super::lex::{Token, TokenKind, tokens};
use super::{Expression, NumberField, Operator, Relation, TextField, mistake};
use crate::failure::Failure;
use crate::number::{parse_number, unit_factor};
use crate::pattern::Pattern;

/// How deep brackets and negations may nest.
pub(super) const DEEPEST: usize = 100;

const TEXTS: [(&str, TextField); 5] = [
    ("class", TextField::Class),
    ("name", TextField::Name),
    ("type", TextField::Type),
    ("edge", TextField::Edge),
    ("via", TextField::Via),
];

const NUMBERS: [(&str, NumberField); 6] = [
    ("id", NumberField::Id),
    ("self", NumberField::SelfSize),
    ("retained", NumberField::Retained),
    ("distance", NumberField::Distance),
    ("edges", NumberField::Edges),
    ("retainers", NumberField::Retainers),
];

const RELATIONS: [(&str, Relation); 3] = [
    ("retainedBy", Relation::RetainedBy),
    ("holds", Relation::Holds),
    ("dominatedBy", Relation::DominatedBy),
];

const EXPECTED: &str = "a test is expected: class, name, type, edge or via = TEXT; id, self, retained, distance, edges \
                        or retainers > NUMBER; detached; retainedBy(…), holds(…) or dominatedBy(…)";

/// Characters of an expression; no person writes more, and a mistake shows it whole.
pub(super) const LONGEST: usize = 10_000;

pub(super) fn parse(text: &str) -> Result<Expression, Failure> {
    if text.len() > LONGEST {
        let what = format!("the query has {} bytes; at most {LONGEST} are allowed", text.len());
        return Err(Failure::new("ERR_STILLHEAP_QUERY", what));
    }
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0, depth: 0 };
    let expression = parser.either()?;
    match parser.peek().kind {
        TokenKind::End => Ok(expression),
        TokenKind::Close => Err(parser.mistake("this bracket was never opened")),
        _ => Err(parser.mistake("'and', 'or' or the end is expected")),
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        // The last token is the end, which is never taken.
        &self.tokens[self.next]
    }

    fn take(&mut self) -> Token {
        let token = self.tokens[self.next].clone();
        if token.kind != TokenKind::End {
            self.next += 1;
        }
        token
    }

    fn mistake(&self, what: &str) -> Failure {
        mistake(self.text, self.peek().at, what)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.peek().kind, TokenKind::Word(w) if w.eq_ignore_ascii_case(word))
    }

    fn either(&mut self) -> Result<Expression, Failure> {
        let mut parts = vec![self.both()?];
        while self.is_word("or") {
            self.take();
            parts.push(self.both()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Or(parts) })
    }

    fn both(&mut self) -> Result<Expression, Failure> {
        let mut parts = vec![self.unary()?];
        while self.is_word("and") {
            self.take();
            parts.push(self.unary()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::And(parts) })
    }

    fn unary(&mut self) -> Result<Expression, Failure> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(
                self.mistake(&format!("parentheses and negations can be nested at most {DEEPEST} deep"))
            );
        }
        let expression = if self.is_word("not") {
            self.take();
            Expression::Not(Box::new(self.unary()?))
        } else if self.peek().kind == TokenKind::Open {
            self.brackets()?
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn brackets(&mut self) -> Result<Expression, Failure> {
        let open = self.take().at;
        let expression = self.either()?;
        match self.peek().kind {
            TokenKind::Close => {
                self.take();
                Ok(expression)
            }
            TokenKind::End => Err(mistake(self.text, open, "this bracket is never closed")),
            _ => Err(self.mistake("'and', 'or' or ')' is expected")),
        }
    }

    fn test(&mut self) -> Result<Expression, Failure> {
        let TokenKind::Word(word) = self.peek().kind.clone() else { return Err(self.mistake(EXPECTED)) };
        let of = |name: &str| name.eq_ignore_ascii_case(&word);
        if of("detached") {
            self.take();
            return Ok(Expression::Detached);
        }
        if let Some((_, relation)) = RELATIONS.iter().find(|(name, _)| of(name)) {
            self.take();
            if self.peek().kind != TokenKind::Open {
                return Err(self.mistake(&format!("'(' is expected after {word}")));
            }
            return Ok(Expression::Related(*relation, Box::new(self.brackets()?)));
        }
        if let Some((_, field)) = TEXTS.iter().find(|(name, _)| of(name)) {
            self.take();
            return self.text_test(*field);
        }
        if let Some((_, field)) = NUMBERS.iter().find(|(name, _)| of(name)) {
            self.take();
            return self.number_test(*field);
        }
        Err(self.mistake(&format!("{word:?} is not known; {EXPECTED}")))
    }

    fn operator(&mut self, allowed: &[&str]) -> Result<&'static str, Failure> {
        match self.peek().kind {
            TokenKind::Operator(sign) if allowed.contains(&sign) => {
                self.take();
                Ok(sign)
            }
            _ => Err(self.mistake(&format!("one of {} is expected", allowed.join(" ")))),
        }
    }

    fn text_test(&mut self, field: TextField) -> Result<Expression, Failure> {
        let sign = self.operator(&["=", "!=", "~", "!~"])?;
        let at = self.peek().at;
        let inside = |failure: Failure| mistake(self.text, at, &failure.message);
        let pattern = match self.peek().kind.clone() {
            TokenKind::Regex(body, ignore_case) => Pattern::regex(&body, ignore_case).map_err(inside)?,
            TokenKind::Word(text) | TokenKind::Quoted(text) if sign.ends_with('~') => {
                Pattern::contains_or_glob(&text).map_err(inside)?
            }
            TokenKind::Word(text) | TokenKind::Quoted(text) => {
                Pattern::exact_or_glob(&text).map_err(inside)?
            }
            _ => return Err(self.mistake("a text, a gl*b or a /regular expression/ is expected")),
        };
        self.take();
        let test = Expression::Text(field, pattern);
        Ok(if sign.starts_with('!') { Expression::Not(Box::new(test)) } else { test })
    }

    fn number_test(&mut self, field: NumberField) -> Result<Expression, Failure> {
        let operator = match self.operator(&["=", "!=", "<", "<=", ">", ">="])? {
            "=" => Operator::Equal,
            "!=" => Operator::NotEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            ">" => Operator::Greater,
            _ => Operator::GreaterOrEqual,
        };
        let TokenKind::Word(mut text) = self.peek().kind.clone() else {
            return Err(self.mistake("a number is expected, such as 100, 2.5MB or @123"));
        };
        if field == NumberField::Id {
            text = text.strip_prefix('@').unwrap_or(&text).to_owned();
        }
        let number = parse_number(&text).ok_or_else(|| {
            self.mistake("a number is expected, such as 100, 2.5MB (kB, MB, GB, KiB, …) or @123")
        })?;
        self.take();
        // A unit may stand apart: `10 MB`.
        let factor = match &self.peek().kind {
            TokenKind::Word(unit) if text.ends_with(|c: char| c.is_ascii_digit()) => unit_factor(unit),
            _ => None,
        };
        let number = match factor {
            Some(factor) => {
                self.take();
                (number as f64 * factor) as i64
            }
            None => number,
        };
        Ok(Expression::Number(field, operator, number))
    }
}
