//! The terminal, or whatever reads what is printed.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write, stdout};

use anyhow::Result;
use unicode_width::UnicodeWidthStr;

use crate::screen::page::Style;

/// Where there is no terminal nothing is cut: whoever reads it searches in it.
const WIDTH: usize = 10_000;

/// Whether lines can be written over, and coloured.
pub fn is_rewritten() -> bool {
    stdout().is_terminal() && std::env::var("TERM").as_deref() != Ok("dumb")
}

/// How the terminal shows things.
pub fn style(verbose: bool) -> Style {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(variable);
    let locale = locale
        .into_iter()
        .find(|value| !value.is_empty())
        .unwrap_or_default();
    let terminal = is_rewritten();
    let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let columns = variable("COLUMNS").parse().ok().filter(|width| *width > 0);
    Style {
        width: width.filter(|_| terminal).or(columns).unwrap_or(WIDTH),
        unicode: locale.to_uppercase().replace('-', "").ends_with("UTF8"),
        // NO_COLOR counts when it is there and not empty (no-color.org).
        colour: terminal && variable("NO_COLOR").is_empty(),
        verbose,
    }
}

/// Prints lines.
///
/// # Errors
/// When nobody reads them.
pub fn print(lines: &[String]) -> Result<()> {
    let mut out = stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

/// Lines that are written over those of before.
#[derive(Default)]
pub struct Painter {
    before: Vec<String>,
    width: usize,
}

impl Painter {
    /// Shows these in the place of those of before.
    ///
    /// # Errors
    /// When nobody reads them.
    pub fn paint(&mut self, lines: Vec<String>) -> Result<()> {
        let size = terminal_size::terminal_size();
        let (width, height) = size.map_or((80, 24), |(width, height)| (width.0, height.0));
        let text = self.frame(lines, usize::from(width).max(1), usize::from(height).max(2));
        let mut out = stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// What makes the terminal show these: lines that are as they were are passed over, so that nothing flickers and what somebody
    /// has marked stays marked.
    fn frame(&mut self, mut lines: Vec<String>, width: usize, height: usize) -> String {
        fit(&mut lines, width, height);
        let mut text = String::new();
        let up: usize = self.before.iter().map(|line| rows(line, width)).sum();
        if up > 0 {
            let _ = write!(text, "\r\x1b[{}A", up.min(height - 1));
        }
        // A terminal of another width has broken the lines anew.
        let same_width = self.width == width;
        let mut before = self.before.iter();
        let mut cleared = false;
        for line in &lines {
            let old = before.next().filter(|_| same_width && !cleared);
            let count = rows(line, width);
            match old {
                Some(old) if old == line => {
                    let _ = write!(text, "\x1b[{count}B");
                }
                Some(old) if rows(old, width) == count && count == 1 => {
                    let _ = write!(text, "\x1b[2K{line}\r\n");
                }
                _ => {
                    // What comes below stands elsewhere from here on.
                    if !cleared {
                        text.push_str("\x1b[J");
                        cleared = true;
                    }
                    let _ = write!(text, "{line}\r\n");
                }
            }
        }
        if before.next().is_some() && !cleared {
            text.push_str("\x1b[J");
        }
        (self.before, self.width) = (lines, width);
        text
    }
}

/// Leaves out what a terminal has no room for: it cannot be written over once it has scrolled away.
fn fit(lines: &mut Vec<String>, width: usize, height: usize) {
    let room = height - 1;
    let total: usize = lines.iter().map(|line| rows(line, width)).sum();
    if total <= room {
        return;
    }
    let (mut used, mut kept) = (0, 0);
    for line in lines.iter() {
        used += rows(line, width);
        if used >= room {
            break;
        }
        kept += 1;
    }
    let more = lines.len() - kept;
    lines.truncate(kept);
    let said = format!("and {more} more lines: this terminal is too low");
    lines.push(said.chars().take(width).collect());
}

/// How many rows of the terminal a line takes; colours take no room.
fn rows(line: &str, width: usize) -> usize {
    let mut shown = String::with_capacity(line.len());
    let mut in_code = false;
    for c in line.chars() {
        match (in_code, c) {
            (false, '\x1b') => in_code = true,
            (false, c) => shown.push(c),
            (true, 'm') => in_code = false,
            (true, _) => {}
        }
    }
    shown.width().div_ceil(width).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a terminal shows.
    struct Screen {
        width: usize,
        cells: Vec<Vec<char>>,
        row: usize,
        column: usize,
    }

    impl Screen {
        fn new(width: usize) -> Self {
            let cells = vec![Vec::new()];
            let (row, column) = (0, 0);
            Self {
                width,
                cells,
                row,
                column,
            }
        }

        fn down(&mut self, count: usize) {
            self.row += count;
            while self.cells.len() <= self.row {
                self.cells.push(Vec::new());
            }
        }

        fn put(&mut self, c: char) {
            if self.column == self.width {
                self.column = 0;
                self.down(1);
            }
            let row = &mut self.cells[self.row];
            row.resize(row.len().max(self.column + 1), ' ');
            row[self.column] = c;
            self.column += 1;
        }

        fn write(&mut self, text: &str) {
            let mut text = text.chars();
            while let Some(c) = text.next() {
                match c {
                    '\n' => self.down(1),
                    '\r' => self.column = 0,
                    '\x1b' => {
                        // A bracket, a number, a letter.
                        let mut code = String::new();
                        while !code.ends_with(|c: char| c.is_ascii_alphabetic()) {
                            code.extend(text.next().filter(|c| *c != '['));
                        }
                        self.code(&code);
                    }
                    c => self.put(c),
                }
            }
        }

        fn code(&mut self, code: &str) {
            let (number, letter) = code.split_at(code.len() - 1);
            let number = number.parse().unwrap_or(0);
            match letter {
                "A" => self.row -= number,
                "B" => self.down(number),
                "K" => self.cells[self.row].clear(),
                "J" => {
                    self.cells.truncate(self.row + 1);
                    self.cells[self.row].clear();
                }
                "m" => {}
                other => panic!("{other}"),
            }
        }

        fn shown(&self) -> Vec<String> {
            let rows = self.cells.iter().map(|row| row.iter().collect::<String>());
            let mut rows: Vec<String> = rows.map(|row| row.trim_end().to_owned()).collect();
            while rows.last().is_some_and(String::is_empty) {
                rows.pop();
            }
            rows
        }
    }

    fn lines(text: &[&str]) -> Vec<String> {
        text.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn the_terminal_shows_the_last_lines_whatever_it_showed_before() {
        let frames: [&[&str]; 8] = [
            &["one", "two", "three"],
            &["one", "TWO", "three"],
            &["one", "a line that takes two rows", "three"],
            &["one", "a line that takes two Rows", "three"],
            &["one", "two", "three", "four"],
            &["one"],
            &["\x1b[31mone\x1b[0m", "two"],
            &["\x1b[31mone\x1b[0m", "two", "three"],
        ];
        let (mut painter, mut screen) = (Painter::default(), Screen::new(20));
        for frame in frames {
            screen.write(&painter.frame(lines(frame), 20, 10));
            let mut fresh = Screen::new(20);
            fresh.write(&(frame.join("\r\n") + "\r\n"));
            assert_eq!(screen.shown(), fresh.shown(), "{frame:?}");
        }
    }

    #[test]
    fn a_line_that_is_as_it_was_is_not_written() {
        let mut painter = Painter::default();
        painter.frame(lines(&["one", "two", "three"]), 20, 10);
        let text = painter.frame(lines(&["one", "TWO", "three"]), 20, 10);
        assert_eq!(text, "\r\x1b[3A\x1b[1B\x1b[2KTWO\r\n\x1b[1B");
    }

    #[test]
    fn a_low_terminal_is_told_what_is_left_out() {
        let mut painter = Painter::default();
        let all: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        let text = painter.frame(all, 50, 5);
        let mut screen = Screen::new(50);
        screen.write(&text);
        let shown = screen.shown();
        assert_eq!(shown.len(), 4, "{shown:?}");
        assert!(shown[3].starts_with("and 27 more lines"), "{shown:?}");
    }
}
