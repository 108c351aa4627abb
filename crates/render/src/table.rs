//! Columns of text.
//!
//! The first column names the row. On a terminal it gets what the others leave; columns that are worth least go
//! first when there is little room, and only then is the name shortened. A row is a line, on a terminal and in a
//! pipe, where nothing is cut. Widths are those of characters as terminals draw them.

use unicode_width::UnicodeWidthStr;

use super::{TextStyle, Tone, fit};

/// Where a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

/// Columns between columns.
const GAP: usize = 2;
/// Columns that the name may take in a pipe before its row's numbers move to the right.
const NAME_IN_A_PIPE: usize = 60;

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    title: &'static str,
    align: Align,
    /// Columns that are worth less go first; None stays.
    worth: Option<u8>,
}

impl Column {
    /// What a row is about: the first column.
    pub const fn name(title: &'static str) -> Column {
        Column { title, align: Align::Left, worth: None }
    }

    /// A number without which the table makes no sense.
    pub const fn number(title: &'static str) -> Column {
        Column { title, align: Align::Right, worth: None }
    }

    /// A text without which the table makes no sense.
    pub const fn text(title: &'static str) -> Column {
        Column { title, align: Align::Left, worth: None }
    }

    /// May be left out, before those that are worth more.
    #[must_use]
    pub const fn worth(self, worth: u8) -> Column {
        Column { worth: Some(worth), ..self }
    }
}

/// A text in a table.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A text in a tone.
    pub fn new(text: impl Into<String>, tone: Tone) -> Cell {
        Cell { text: text.into(), tone }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::new(text, Tone::Plain)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::new(text, Tone::Plain)
    }
}

/// Rows under headings.
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table.
    pub fn new(columns: &[Column]) -> Table {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, which has as many cells as there are columns.
    pub fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// Adds a row that has only a name.
    pub fn remark(&mut self, text: String) {
        let mut cells = vec![Cell::default(); self.columns.len()];
        cells[0] = Cell::new(text, Tone::Dim);
        self.rows.push(cells);
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines.
    pub fn draw(&self, look: TextStyle) -> String {
        let natural: Vec<usize> = (0..self.columns.len())
            .map(|i| {
                let cells = self.rows.iter().map(|row| row[i].text.width());
                cells.chain([self.columns[i].title.width()]).max().unwrap_or(0)
            })
            .collect();
        // A column in which nothing stands is left out.
        let mut shown: Vec<usize> = (0..self.columns.len())
            .filter(|&i| i == 0 || self.rows.iter().any(|row| !row[i].text.is_empty()))
            .collect();
        let others = |shown: &[usize]| -> usize { shown[1..].iter().map(|&i| natural[i] + GAP).sum() };
        let mut name = natural[0].min(NAME_IN_A_PIPE);
        if let Some(width) = look.width {
            // A name of ordinary length is to stay whole; a very long one may not push all else out.
            let wanted = natural[0].min((width * 2 / 5).max(24));
            while wanted + others(&shown) > width {
                let droppable = shown[1..].iter().copied().filter(|&i| self.columns[i].worth.is_some());
                let Some(least) = droppable.min_by_key(|&i| (self.columns[i].worth, usize::MAX - i)) else {
                    break;
                };
                shown.retain(|&i| i != least);
            }
            name = natural[0].min(width.saturating_sub(others(&shown)).max(8));
        }
        let widths: Vec<usize> = shown.iter().map(|&i| if i == 0 { name } else { natural[i] }).collect();
        let headings: Vec<Cell> =
            shown.iter().map(|&i| Cell::new(self.columns[i].title, Tone::Strong)).collect();
        let mut out = self.line(&headings.iter().collect::<Vec<_>>(), &shown, &widths, look);
        for row in &self.rows {
            let cells: Vec<&Cell> = shown.iter().map(|&i| &row[i]).collect();
            out.push_str(&self.line(&cells, &shown, &widths, look));
        }
        out
    }

    fn line(&self, cells: &[&Cell], shown: &[usize], widths: &[usize], look: TextStyle) -> String {
        let mut out = String::new();
        // Spaces are written when something follows them.
        let mut pending = 0;
        for (at, cell) in cells.iter().enumerate() {
            let text =
                if at == 0 && look.width.is_some() { fit(&cell.text, widths[0]) } else { cell.text.clone() };
            let pad = widths[at].saturating_sub(text.width());
            let (before, after) = match self.columns[shown[at]].align {
                Align::Right => (pad, 0),
                Align::Left => (0, pad),
            };
            if !text.is_empty() {
                out.push_str(&" ".repeat(pending + before));
                out.push_str(&look.tone(cell.tone, &text));
                pending = after + GAP;
            } else {
                pending += before + after + GAP;
            }
        }
        out.push('\n');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let columns = [Column::name("Class"), Column::number("Objects"), Column::number("Distance").worth(1)];
        let mut table = Table::new(&columns);
        table.row(vec!["名前".into(), "1".into(), "12".into()]);
        table.row(vec!["EmailTemplateOfAVeryLongName".into(), "1,000,000".into(), Cell::new("3", Tone::Dim)]);
        table
    }

    #[test]
    fn columns_line_up() {
        let text = table().draw(TextStyle::default());
        let lines = [
            "Class                           Objects  Distance\n",
            "名前                                  1        12\n",
            "EmailTemplateOfAVeryLongName  1,000,000         3\n",
        ];
        assert_eq!(text, lines.concat());
    }

    #[test]
    fn what_is_worth_least_goes_before_the_name_is_cut() {
        let at = |width| table().draw(TextStyle { width: Some(width), ..TextStyle::default() });
        assert!(at(49).contains("Distance"));
        let narrow = at(40);
        assert!(!narrow.contains("Distance") && narrow.contains("EmailTemplateOfAVeryLongName"), "{narrow}");
        let narrower = at(30);
        assert!(narrower.contains("EmailTemplateOfAVe…  1,000,000"), "{narrower}");
        for width in 20..80 {
            assert!(at(width).lines().all(|line| line.width() <= width), "{width}: {}", at(width));
        }
    }

    #[test]
    fn a_pipe_gets_everything() {
        let mut table = table();
        table.row(vec!["x".repeat(300).into(), "1".into(), "1".into()]);
        let text = table.draw(TextStyle::default());
        assert!(text.contains(&"x".repeat(300)));
        assert!(text.lines().next().unwrap().len() < 100);
    }

    #[test]
    fn colours_do_not_change_the_widths() {
        let text = table().draw(TextStyle { colour: true, ..TextStyle::default() });
        assert!(text.starts_with("\x1b[1mClass\x1b[0m"), "{text:?}");
        assert_eq!(anstream::adapter::strip_str(&text).to_string(), table().draw(TextStyle::default()));
    }

    #[test]
    fn a_column_without_texts_is_left_out() {
        let mut table = Table::new(&[Column::name("Object"), Column::number("Elements")]);
        table.row(vec!["Map @1".into(), "".into()]);
        assert_eq!(table.draw(TextStyle::default()), "Object\nMap @1\n");
    }
}
