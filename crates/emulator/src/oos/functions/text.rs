//! Functions over texts.

use std::cmp::Reverse;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::arguments::{as_list, as_text, number, positional};
use crate::oos::cut::shorten;

pub(super) fn apply(name: &str, argument: &Value) -> Result<Value, String> {
    match name {
        "Base64Encode" => Ok(json!(STANDARD.encode(as_text(argument)?))),
        "Base64Decode" => {
            let bytes = STANDARD
                .decode(as_text(argument)?.trim())
                .map_err(|_| "the text is not Base64")?;
            let text = String::from_utf8(bytes)
                .map_err(|_| "what the Base64 spells is no text in UTF-8")?;
            Ok(json!(text))
        }
        "Join" => {
            let [separator, list] = positional(argument)?;
            let separator = as_text(separator)?;
            let parts: Vec<String> = as_list(list)?
                .iter()
                .map(as_text)
                .collect::<Result<_, _>>()?;
            let own: usize = parts.iter().map(String::len).sum();
            fits(own.saturating_add(times(parts.len().saturating_sub(1), separator.len())))?;
            Ok(json!(parts.join(&separator)))
        }
        "ContainsSubString" => {
            let [text, part] = positional(argument)?;
            Ok(json!(as_text(text)?.contains(&as_text(part)?)))
        }
        "Split" => {
            let [separator, text] = positional(argument)?;
            let (separator, text) = (as_text(separator)?, as_text(text)?);
            if separator.is_empty() {
                return Err("the separator is empty".to_owned());
            }
            Ok(text.split(&separator).map(|part| json!(part)).collect())
        }
        "Replace" => {
            let [replacements, text] = positional(argument)?;
            let map = replacements
                .as_object()
                .ok_or("the first argument must be an object of replacements")?;
            if map.contains_key("") {
                return Err("an empty text cannot be replaced".to_owned());
            }
            let pairs: Vec<(&str, String)> = map
                .iter()
                .map(|(from, to)| Ok((from.as_str(), as_text(to)?)))
                .collect::<Result<_, String>>()?;
            replaced(&as_text(text)?, pairs).map(|text| json!(text))
        }
        "Sub" => substitute(argument),
        // As JSON text without its quotes, for splicing into JSON.
        "Escape" => {
            let quoted = json!(as_text(argument)?).to_string();
            Ok(json!(quoted[1..quoted.len() - 1]))
        }
        "IsIpInCIDR" => {
            let [ip, cidr] = positional(argument)?;
            is_ip_in_cidr(&as_text(ip)?, &as_text(cidr)?).map(|b| json!(b))
        }
        _ => evaluate(&as_text(match argument {
            Value::Array(list) if list.len() == 1 => &list[0],
            other => other,
        })?)
        .map(number),
    }
}

/// Refuses a result before it is made: a template of a few bytes can ask for more memory than any
/// machine has.
pub(super) fn fits(bytes: usize) -> Result<(), String> {
    const MAX: usize = 1024 * 1024;
    if bytes > MAX {
        return Err(format!("the result would be longer than {MAX} bytes"));
    }
    Ok(())
}

pub(super) fn times(count: usize, bytes: usize) -> usize {
    count.saturating_mul(bytes)
}

/// A text with all replacements made at once: what one of them put there is no other's to replace.
/// Where several could be made, it is the longest.
fn replaced(text: &str, mut pairs: Vec<(&str, String)>) -> Result<String, String> {
    // Each is looked for at each place.
    const MAX_WORK: usize = 256 * 1024 * 1024;
    let keys = pairs.iter().map(|(from, _)| from.len()).sum();
    if times(text.len(), keys) > MAX_WORK {
        return Err("there are too many replacements for so long a text".to_owned());
    }
    pairs.sort_by_key(|(from, _)| Reverse(from.len()));
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let found = pairs.iter().find(|(from, _)| rest.starts_with(from));
        let (put, passed) = match found {
            Some((from, to)) => (to.as_str(), from.len()),
            None => (&rest[..first.len_utf8()], first.len_utf8()),
        };
        fits(out.len().saturating_add(put.len()))?;
        out.push_str(put);
        rest = &rest[passed..];
    }
    Ok(out)
}

/// `[text with ${name}, {name: value}]`, each value put in once: what it holds is not looked at again. A
/// name without a value would stay in the text, where nobody notices it before a command runs.
fn substitute(argument: &Value) -> Result<Value, String> {
    let empty = Map::new();
    let (text, map) = match argument {
        Value::Array(list) if list.len() == 2 => (
            as_text(&list[0])?,
            list[1]
                .as_object()
                .ok_or("the second argument must be an object")?,
        ),
        other => (as_text(other)?, &empty),
    };
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) = after.split_once('}').ok_or("a ${ has no }")?;
        let value = map
            .get(name)
            .or_else(|| map.get(name.trim()))
            .ok_or_else(|| {
                let name = shorten(name);
                format!(
                    "${{{name}}} has no value in the second argument; a key of that name whose value \
                     is the same text leaves it as it is"
                )
            })?;
        let value = as_text(value)?;
        fits(out.len() + before.len() + value.len())?;
        out.push_str(before);
        out.push_str(&value);
        rest = behind;
    }
    fits(out.len() + rest.len())?;
    out.push_str(rest);
    Ok(json!(out))
}

fn is_ip_in_cidr(ip: &str, cidr: &str) -> Result<bool, String> {
    let ip: IpAddr = ip.parse().map_err(|_| format!("{ip:?} is no address"))?;
    let invalid = || format!("{cidr:?} is no CIDR block");
    let (network, bits) = cidr.split_once('/').ok_or_else(invalid)?;
    let network: IpAddr = network.parse().map_err(|_| invalid())?;
    let bits: u32 = bits.parse().map_err(|_| invalid())?;
    match (ip, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) if bits <= 32 => {
            let shift = 32 - bits;
            Ok(u32::from(a).checked_shr(shift) == u32::from(b).checked_shr(shift))
        }
        (IpAddr::V6(a), IpAddr::V6(b)) if bits <= 128 => {
            let shift = 128 - bits;
            Ok(u128::from(a).checked_shr(shift) == u128::from(b).checked_shr(shift))
        }
        (IpAddr::V4(_), IpAddr::V6(_)) if bits <= 128 => Ok(false),
        (IpAddr::V6(_), IpAddr::V4(_)) if bits <= 32 => Ok(false),
        _ => Err(invalid()),
    }
}

/// Arithmetic: numbers, `+ - * / %` and parentheses.
fn evaluate(text: &str) -> Result<f64, String> {
    const MAX: usize = 256;
    if text.len() > MAX {
        return Err(format!("the expression is longer than {MAX} characters"));
    }
    let mut parser = Arithmetic {
        rest: text.trim(),
        depth: 0,
    };
    let value = parser.sum()?;
    if !parser.rest.is_empty() {
        return Err(format!("unexpected {:?}", parser.rest));
    }
    if !value.is_finite() {
        return Err("the result is no finite number".to_owned());
    }
    Ok(value)
}

struct Arithmetic<'a> {
    rest: &'a str,
    depth: usize,
}

impl Arithmetic<'_> {
    fn take(&mut self, options: &[char]) -> Option<char> {
        let c = self.rest.chars().next().filter(|c| options.contains(c))?;
        self.rest = self.rest[c.len_utf8()..].trim_start();
        Some(c)
    }

    fn sum(&mut self) -> Result<f64, String> {
        let mut value = self.product()?;
        while let Some(op) = self.take(&['+', '-']) {
            let right = self.product()?;
            value = if op == '+' {
                value + right
            } else {
                value - right
            };
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<f64, String> {
        let mut value = self.factor()?;
        while let Some(op) = self.take(&['*', '/', '%']) {
            let right = self.factor()?;
            value = match op {
                '*' => value * right,
                '/' => value / right,
                _ => value % right,
            };
        }
        Ok(value)
    }

    fn factor(&mut self) -> Result<f64, String> {
        const MAX_DEPTH: usize = 32;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("the expression nests too deeply".to_owned());
        }
        let result = if self.take(&['-']).is_some() {
            self.factor().map(|x| -x)
        } else if self.take(&['(']).is_some() {
            let value = self.sum()?;
            match self.take(&[')']) {
                Some(_) => Ok(value),
                None => Err("a ) is missing".to_owned()),
            }
        } else {
            let end = self
                .rest
                .find(|c: char| !(c.is_ascii_digit() || c == '.'))
                .unwrap_or(self.rest.len());
            let (digits, rest) = self.rest.split_at(end);
            let value = digits
                .parse()
                .map_err(|_| format!("a number is needed at {:?}", self.rest));
            self.rest = rest.trim_start();
            value
        };
        self.depth -= 1;
        result
    }
}
