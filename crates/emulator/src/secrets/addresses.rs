//! Tokens in addresses: of webhooks for the most part, in templates and parameters that name them.

use std::borrow::Cow;

use serde_json::Value;

/// What stands in place of a token.
const MASKED: &str = "***";

/// What the name of a member of a query says when it is no matter of everybody.
const TELLING: &[&str] = &[
    "token",
    "secret",
    "passw",
    "pwd",
    "sign",
    "key",
    "auth",
    "credential",
];

/// Signs that end an address wherever it stands.
fn ends(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "\"'`<>\\|^".contains(c)
}

/// Takes the tokens out of all addresses in a value: what a query has under a telling name, and name and
/// password before the host. Gives whether there was any.
pub(crate) fn without_tokens(value: &mut Value) -> bool {
    match value {
        Value::String(text) => match shown(text) {
            Cow::Borrowed(_) => false,
            Cow::Owned(shown) => {
                *text = shown;
                true
            }
        },
        Value::Array(list) => list
            .iter_mut()
            .fold(false, |any, value| without_tokens(value) | any),
        Value::Object(map) => map
            .values_mut()
            .fold(false, |any, value| without_tokens(value) | any),
        Value::Bool(_) | Value::Number(_) | Value::Null => false,
    }
}

fn shown(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut done = 0;
    for (at, sign) in text.match_indices("://") {
        let start = at + sign.len();
        if start < done {
            continue;
        }
        let address = &text[start..];
        let address = &address[..address.find(ends).unwrap_or(address.len())];
        if let Some(shown) = without(address) {
            out.push_str(&text[done..start]);
            out.push_str(&shown);
            done = start + address.len();
        }
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[done..]);
    Cow::Owned(out)
}

/// An address, from its host on, without tokens; `None` for one that has none.
fn without(address: &str) -> Option<String> {
    let end = address.find(['/', '?', '#']).unwrap_or(address.len());
    let (authority, rest) = address.split_at(end);
    let mut out = match authority.rsplit_once('@') {
        Some((user, host)) if is_given(user) => format!("{MASKED}@{host}"),
        _ => authority.to_owned(),
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    out.push_str(path);
    if rest.len() > path.len() {
        out.push('?');
        let (query, fragment) = match query.find('#') {
            Some(at) => query.split_at(at),
            None => (query, ""),
        };
        let members = query.split_inclusive(['&', ';']).map(|member| {
            let (member, end) = match member.strip_suffix(['&', ';']) {
                Some(own) => (own, &member[own.len()..]),
                None => (member, ""),
            };
            match member.split_once('=') {
                Some((name, value)) if is_telling(name) && is_given(value) => {
                    format!("{name}={MASKED}{end}")
                }
                _ => format!("{member}{end}"),
            }
        });
        out.extend(members);
        out.push_str(fragment);
    }
    (out != address).then_some(out)
}

fn is_telling(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    TELLING.iter().any(|word| name.contains(word))
}

/// Whether a value is one, and not a name of it: a reference of a template, a variable of a shell.
fn is_given(value: &str) -> bool {
    !value.is_empty() && value != MASKED && !value.contains("{{") && !value.starts_with('$')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_all_but_their_tokens() {
        for (text, expected) in [
            (
                "URI: https://oapi.dingtalk.com/robot/send?access_token=abc123&x=1 # note",
                "URI: https://oapi.dingtalk.com/robot/send?access_token=***&x=1 # note",
            ),
            (
                r#"{"URI":"https://h/x?key=k-1","Content":"https://u:p@h"}"#,
                r#"{"URI":"https://h/x?key=***","Content":"https://***@h"}"#,
            ),
            (
                r#"{\"URI\":\"https://h/x?a=1&sign=s#f\"}"#,
                r#"{\"URI\":\"https://h/x?a=1&sign=***#f\"}"#,
            ),
        ] {
            assert_eq!(shown(text), expected);
            // What is shown once stays as it is.
            assert_eq!(shown(expected), expected);
        }
        for text in [
            "https://h/x?access_token={{ token }}",
            "https://h/x?access_token=$TOKEN",
            "https://h/x?region=cn-hangzhou",
            "a://b",
            "://",
            "no address?token=x",
        ] {
            assert!(matches!(shown(text), Cow::Borrowed(_)), "{text}");
        }
    }
}
