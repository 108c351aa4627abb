//! The allocation call tree of `.heaptimeline` files.
//!
//! In the file it is nested (`id, function, count, size, [children…]`); here it is five flat columns with a
//! parent each, 28 bytes per call site. Parsed without recursion, whatever the nesting.

use crate::scan::Scanner;
use stillheap_graph::{Error, Fields, Result, TraceTree};

struct Open {
    parent: u32,
    field: usize,
    row: [u64; 8],
}

/// Parses the array whose bracket is next. False if the input ends inside.
pub(crate) fn parse_tree(scanner: &mut Scanner<'_>, fields: &Fields, out: &mut TraceTree) -> Result<bool> {
    let width = fields.len();
    let place = |name: &str| fields.position(name).unwrap_or(usize::MAX);
    let (id, function, count, size, children) =
        (place("id"), place("function_info_index"), place("count"), place("size"), place("children"));
    let usable = width <= 8 && [id, function, count, size, children].iter().all(|&p| p < width);
    if !usable || children + 1 != width {
        return scanner.skip_value();
    }
    let fresh = |parent| Open { parent, field: 0, row: [0; 8] };
    let mut stack: Vec<Open> = Vec::new();
    let at = scanner.position();
    if scanner.peek()? != Some(b'[') {
        return Err(Error::malformed(at, "expected `[` after \"trace_tree\""));
    }
    scanner.bump();
    stack.push(fresh(u32::MAX));
    while let Some(open) = stack.last_mut() {
        match scanner.peek()? {
            None => return Ok(false),
            Some(b'0'..=b'9') => {
                let mut value = 0u64;
                while let Some(b) = scanner.digit()? {
                    value = value.saturating_mul(10).saturating_add((b - b'0') as u64);
                }
                if open.field >= children {
                    return Err(Error::malformed(
                        scanner.position(),
                        "expected a call site's children, found a number",
                    ));
                }
                open.row[open.field] = value;
                open.field += 1;
            }
            Some(b'[') if open.field == children => {
                scanner.bump();
                let row = &open.row;
                let small = |v: u64| v.min(u32::MAX as u64) as u32;
                let index = out.id.len() as u32;
                out.id.edit().push(small(row[id]));
                out.function.edit().push(small(row[function]));
                out.count.edit().push(row[count]);
                out.size.edit().push(row[size]);
                out.parent.edit().push(open.parent);
                *open = fresh(open.parent);
                stack.push(fresh(index));
            }
            Some(b',') => scanner.bump(),
            Some(b']') if open.field == 0 => {
                scanner.bump();
                stack.pop();
            }
            Some(b) => {
                let message = format!("unexpected `{}` in trace_tree", (b as char).escape_default());
                return Err(Error::malformed(scanner.position(), message));
            }
        }
    }
    Ok(true)
}
