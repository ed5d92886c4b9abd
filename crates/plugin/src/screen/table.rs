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

/// A table with a header. Only its last column is cut where the terminal ends: names are there to be copied.
pub fn table(header: &[&str], rows: &[Row], style: Style) -> Vec<String> {
    let signs = rows.iter().any(|row| row.mood.is_some());
    let mut widths: Vec<usize> = header.iter().map(|name| name.width()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(cell.width());
        }
    }
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
    let head = cut(&line(&mut header.iter().copied()), width, style.unicode);
    let mut lines = vec![if signs { format!("  {head}") } else { head }];
    for row in rows {
        let text = line(&mut row.cells.iter().map(String::as_str));
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
