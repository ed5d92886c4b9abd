//! Long values in messages. What is made of an encrypted parameter is found in a message only as long as
//! all of it is there: of the first 120 characters of a base64 nobody can tell what it is of. So whoever
//! writes a message only marks the value, and it is cut off when the message is kept or answered,
//! after everything encrypted was taken out.

use crate::secrets::{CUT, KEPT};

/// Around what is to be cut off. Unicode keeps them for uses inside of a program.
const OPEN: char = '\u{fdd0}';
const CLOSE: char = '\u{fdd1}';

/// A value for a message, of which the beginning is kept where it is long.
pub(super) fn shorten(text: &str) -> String {
    match text.chars().count() <= KEPT {
        true => text.to_owned(),
        false => format!("{OPEN}{text}{CLOSE}"),
    }
}

/// The message with its long values cut off.
pub(super) fn cut(message: &str) -> String {
    let mut out = String::with_capacity(message.len().min(4 * KEPT));
    let (mut depth, mut left, mut over) = (0usize, 0, false);
    for c in message.chars() {
        match c {
            OPEN => {
                if depth == 0 {
                    (left, over) = (KEPT, false);
                }
                depth += 1;
            }
            CLOSE => {
                if depth == 1 && over {
                    out.push(CUT);
                }
                depth = depth.saturating_sub(1);
            }
            c if depth == 0 => out.push(c),
            c if left > 0 => {
                left -= 1;
                out.push(c);
            }
            _ => over = true,
        }
    }
    if depth > 0 && over {
        out.push(CUT);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_off_where_the_message_is_done() {
        let long = "é".repeat(200);
        let head = "é".repeat(KEPT);
        assert_eq!(
            cut(&format!("a {} b", shorten(&long))),
            format!("a {head}{CUT} b")
        );
        assert_eq!(cut(&format!("a {} b", shorten("short"))), "a short b");
        // One message within another one is cut off once.
        let inner = format!("x {} y", shorten(&long));
        assert_eq!(
            cut(&shorten(&inner)),
            format!("x {}{CUT}", "é".repeat(KEPT - 2))
        );
        // Whatever somebody else writes.
        assert_eq!(cut(&format!("{CLOSE}a{OPEN}b")), "ab");
        assert_eq!(cut(&format!("{OPEN}{long}")), format!("{head}{CUT}"));
    }
}
