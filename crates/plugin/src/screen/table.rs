//! Columns, as wide as what is in them.

use unicode_width::UnicodeWidthStr;

use super::page::{Mood, Style, cut};

/// Between two columns.
const GAP: usize = 3;

/// One row: how what it shows fares, and its cells.
pub struct Row {
    /// Its sign stands before the first cell; none: no sign.
    pub mood: Option<Mood>,
    /// As many as there are columns.
    pub cells: Vec<String>,
}

/// A table with a header, without the columns in which nothing stands. What the terminal has no room for is cut at the end of
/// the line: names, which are there to be copied, come first.
pub fn table(header: &[&str], rows: &[Row], style: Style) -> Vec<String> {
    let signs = rows.iter().any(|row| row.mood.is_some());
    let has_text = |column: &usize| {
        let mut cells = rows.iter().filter_map(|row| row.cells.get(*column));
        cells.any(|cell| !cell.is_empty())
    };
    let columns: Vec<usize> = (0..header.len()).filter(has_text).collect();
    let widest = |column: &usize| {
        let cells = rows.iter().filter_map(|row| row.cells.get(*column));
        let widths = cells.map(|cell| cell.width());
        widths.chain([header[*column].width()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = columns.iter().map(widest).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        let last = widths.len().saturating_sub(1);
        for (number, (cell, width)) in cells.zip(&widths).enumerate() {
            line.push_str(cell);
            if number < last {
                let gap = width.saturating_sub(cell.width()) + GAP;
                line.extend(std::iter::repeat_n(' ', gap));
            }
        }
        line
    };
    let width = style.width.saturating_sub(if signs { 2 } else { 0 });
    let names = &mut columns.iter().map(|column| header[*column]);
    let head = cut(&line(names), width, style.unicode);
    let mut lines = vec![if signs { format!("  {head}") } else { head }];
    for row in rows {
        let cells = columns.iter().map(|column| row.cells.get(*column));
        let text = line(&mut cells.map(|cell| cell.map_or("", String::as_str)));
        let text = cut(&text, width, style.unicode).trim_end().to_owned();
        lines.push(match row.mood {
            Some(mood) => {
                let (sign, colour) = (mood.sign(style.unicode), mood.colour());
                match style.colour {
                    true => format!("{colour}{sign}{colour:#} {text}"),
                    false => format!("{sign} {text}"),
                }
            }
            None => text,
        });
    }
    lines
}
