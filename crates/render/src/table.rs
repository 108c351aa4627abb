//! Columns of text.
//!
//! The last column takes what is left of a terminal's width and is cut there; nothing wraps, so that a row is a
//! line, on a terminal and in a pipe. Widths are those of characters as terminals draw them.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::TextStyle;

/// Where a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// Rows under headings.
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one.
    pub fn new(columns: &[(&'static str, Align)]) -> Table {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, which has as many cells as there are columns.
    pub fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines.
    pub fn draw(&self, look: TextStyle) -> String {
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|i| {
                let cells = self.rows.iter().map(|row| row[i].width());
                cells.chain([self.columns[i].0.width()]).max().unwrap_or(0)
            })
            .collect();
        let mut out = String::new();
        let headings: Vec<String> = self.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let heading = self.line(&headings, &widths, look);
        out.push_str(&look.bold(&heading));
        out.push('\n');
        for row in &self.rows {
            out.push_str(&self.line(row, &widths, look));
            out.push('\n');
        }
        out
    }

    fn line(&self, cells: &[String], widths: &[usize], look: TextStyle) -> String {
        let mut out = String::new();
        let last = cells.len() - 1;
        for (i, cell) in cells.iter().enumerate() {
            let pad = " ".repeat(widths[i] - cell.width());
            match self.columns[i].1 {
                Align::Right => {
                    out.push_str(&pad);
                    out.push_str(cell);
                }
                Align::Left => {
                    out.push_str(cell);
                    if i < last {
                        out.push_str(&pad);
                    }
                }
            }
            if i < last {
                out.push_str("  ");
            }
        }
        match look.width {
            Some(width) => cut(&out, width),
            None => out,
        }
    }
}

/// At most `width` columns of a text without colours.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 1;
    let mut out = String::new();
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[("Count", Align::Right), ("Class", Align::Left)]);
        table.row(vec!["1".to_owned(), "名前".to_owned()]);
        table.row(vec!["1,000,000".to_owned(), "EmailTemplate".to_owned()]);
        table
    }

    #[test]
    fn columns_line_up() {
        let text = table().draw(TextStyle::default());
        assert_eq!(text, "    Count  Class\n        1  名前\n1,000,000  EmailTemplate\n");
    }

    #[test]
    fn a_terminal_cuts_lines_and_a_pipe_does_not() {
        let text = table().draw(TextStyle { colour: false, width: Some(16) });
        assert_eq!(text, "    Count  Class\n        1  名前\n1,000,000  Emai…\n");
    }

    #[test]
    fn headings_are_bold_where_there_are_colours() {
        let text = table().draw(TextStyle { colour: true, width: None });
        assert!(text.starts_with("\x1b[1m    Count  Class\x1b[0m\n"), "{text:?}");
    }
}
