//! What a word that stands there without quotes means, as PyYAML's resolver decides it. A date
//! stays the text that it is, as do `.inf` and `.nan`, which JSON does not have.

use serde_json::{Number, Value, json};

/// Longest word that is looked at as a number.
const MAX_NUMBER: usize = 400;

pub(super) fn plain(text: &str) -> Value {
    if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    boolean(text)
        .or_else(|| integer(text))
        .or_else(|| float(text))
        .unwrap_or_else(|| json!(text))
}

pub(super) fn boolean(text: &str) -> Option<Value> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(json!(true)),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Some(json!(false))
        }
        _ => None,
    }
}

fn signed(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// Digits of a base, underscores between them left out.
fn digits(text: &str, base: u32) -> Option<String> {
    let fits = |c: char| c == '_' || c.is_digit(base);
    let bare: String = text.chars().filter(|c| *c != '_').collect();
    (!bare.is_empty() && text.chars().all(fits)).then_some(bare)
}

/// `12`, `1_000`, `0b101`, `010` (eight), `0x1f`, `1:30` (ninety), each with a sign or without.
pub(super) fn integer(text: &str) -> Option<Value> {
    if text.len() > MAX_NUMBER {
        return None;
    }
    let (negative, rest) = signed(text);
    let of_base = |text: &str, base: u32| {
        let digits = digits(text, base)?;
        i128::from_str_radix(&digits, base).ok()
    };
    let starts_high = rest.starts_with(|c: char| ('1'..='9').contains(&c));
    let value = if let Some(binary) = rest.strip_prefix("0b") {
        of_base(binary, 2)?
    } else if let Some(hexadecimal) = rest.strip_prefix("0x") {
        of_base(hexadecimal, 16)?
    } else if rest == "0" {
        0
    } else if let Some(octal) = rest.strip_prefix('0') {
        if octal.chars().all(|c| c == '_') {
            0
        } else {
            of_base(octal, 8)?
        }
    } else if starts_high && rest.contains(':') {
        sixties(rest)?
    } else if starts_high {
        let digits = digits(rest, 10)?;
        match digits.parse() {
            Ok(value) => value,
            // Larger than any number here: as exact as JSON's numbers are.
            Err(_) => {
                let value: f64 = digits.parse().ok()?;
                return Number::from_f64(if negative { -value } else { value }).map(Value::Number);
            }
        }
    } else {
        return None;
    };
    let value = if negative { -value } else { value };
    i64::try_from(value)
        .map(Number::from)
        .or_else(|_| u64::try_from(value).map(Number::from))
        .ok()
        .or_else(|| Number::from_f64(value as f64))
        .map(Value::Number)
}

/// `1:30:00`: each part but the first is below sixty.
fn sixties(text: &str) -> Option<i128> {
    let mut value: i128 = 0;
    for (i, part) in text.split(':').enumerate() {
        let number: i128 = if i == 0 {
            digits(part, 10)?.parse().ok()?
        } else {
            below_sixty(part)?
        };
        value = value.checked_mul(60)?.checked_add(number)?;
    }
    Some(value)
}

fn below_sixty(part: &str) -> Option<i128> {
    let is_number = !part.is_empty() && part.len() <= 2 && part.bytes().all(|b| b.is_ascii_digit());
    let number: i128 = part.parse().ok()?;
    (is_number && number < 60).then_some(number)
}

/// `1.5`, `.5`, `1.`, `1.5e+3`, `1:30.5`. Without a point, or with an exponent that has no sign,
/// it is a text.
pub(super) fn float(text: &str) -> Option<Value> {
    if text.len() > MAX_NUMBER {
        return None;
    }
    let (negative, rest) = signed(text);
    let (whole, after) = rest.split_once('.')?;
    let (fraction, exponent) = match after.find(['e', 'E']) {
        Some(i) => (&after[..i], Some(&after[i + 1..])),
        None => (after, None),
    };
    let exponent = match exponent {
        None => String::new(),
        Some(exponent) => {
            let number = exponent.strip_prefix(['-', '+'])?;
            let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            if !is_number {
                return None;
            }
            format!("e{exponent}")
        }
    };
    let is_fraction = |c: char| c == '_' || c.is_ascii_digit();
    if !fraction.chars().all(is_fraction) {
        return None;
    }
    let bare = |text: &str| text.replace('_', "");
    let value: f64 = if whole.contains(':') {
        let starts_well = whole.starts_with(|c: char| c.is_ascii_digit());
        if !exponent.is_empty() || !starts_well {
            return None;
        }
        let seconds = sixties(whole)? as f64;
        let part: f64 = format!("0.{}0", bare(fraction)).parse().ok()?;
        seconds + part
    } else if whole.is_empty() {
        let unsigned = rest.len() == text.len();
        if !unsigned || !fraction.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        format!("0.{}{exponent}", bare(fraction)).parse().ok()?
    } else {
        let starts_well = whole.starts_with(|c: char| c.is_ascii_digit());
        if !starts_well || !whole.chars().all(is_fraction) {
            return None;
        }
        format!("{}.{}0{exponent}", bare(whole), bare(fraction))
            .parse()
            .ok()?
    };
    Number::from_f64(if negative { -value } else { value }).map(Value::Number)
}
