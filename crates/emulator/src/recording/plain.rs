//! How a fixture spells its plain scalars. A field takes `1.10` as a text or as a number, as it is
//! declared; read without knowing the field it is the number 1.1, which is another text. So a
//! recording keeps, beside the values, how those were spelled that would come out otherwise.

use std::collections::BTreeMap;
use std::rc::Rc;

use libyaml_safer::{Event, EventData, Parser, ScalarStyle};
use serde_json::Value;

/// Spellings by the place of the value, a JSON pointer.
pub(super) type Plain = BTreeMap<String, String>;

/// Fixtures nest less deep; reading recurses on it.
const MAX_DEPTH: usize = 100;

/// A value as YAML has it.
#[derive(Debug)]
enum Node {
    Plain(String),
    Quoted,
    List(Vec<Rc<Node>>),
    Map(Vec<(String, Rc<Node>)>),
}

/// The spellings in a text that was read as `value`. None of a text that cannot be read as YAML.
pub(super) fn of(text: &str, value: &Value) -> Plain {
    let mut input = text.as_bytes();
    let mut parser = Parser::new();
    parser.set_input_string(&mut input);
    let mut reader = Reader {
        parser,
        anchors: BTreeMap::new(),
    };
    let mut found = Plain::new();
    if let Some(root) = reader.document() {
        compare(value, &root, &mut String::new(), &mut found);
    }
    found
}

/// Notes where a value would be spelled otherwise. Goes along the value, whose aliases were filled
/// in within bounds.
fn compare(value: &Value, node: &Node, place: &mut String, found: &mut Plain) {
    let length = place.len();
    match (value, node) {
        (Value::Array(items), Node::List(nodes)) => {
            for (i, (item, node)) in items.iter().zip(nodes).enumerate() {
                place.push_str(&format!("/{i}"));
                compare(item, node, place, found);
                place.truncate(length);
            }
        }
        (Value::Object(members), Node::Map(_)) => {
            for (name, member) in members {
                if let Some(node) = look_up(node, name, 0) {
                    place.push_str(&step(name));
                    compare(member, &node, place, found);
                    place.truncate(length);
                }
            }
        }
        (value, Node::Plain(text)) if is_at_odds(value, text) => {
            found.insert(place.clone(), text.clone());
        }
        _ => {}
    }
}

/// A member of a mapping: its own, or one that `<<` merges in.
fn look_up(node: &Node, name: &str, depth: usize) -> Option<Rc<Node>> {
    let Node::Map(members) = node else {
        return None;
    };
    let own = members.iter().rev().find(|(own, _)| own == name);
    own.map(|(_, node)| node.clone()).or_else(|| {
        let merged = members.iter().filter(|(own, _)| own == "<<");
        let mut merged = merged.filter(|_| depth < MAX_DEPTH);
        merged.find_map(|(_, node)| match &**node {
            Node::List(nodes) => nodes.iter().find_map(|n| look_up(n, name, depth + 1)),
            node => look_up(node, name, depth + 1),
        })
    })
}

/// A name as JSON pointers spell it.
fn step(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Whether a plain scalar may be read otherwise than the value that stands for it.
fn is_at_odds(value: &Value, text: &str) -> bool {
    let may_be_typed = || {
        let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
        text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
            || words.iter().any(|word| text.eq_ignore_ascii_case(word))
    };
    is_safe(text)
        && match value {
            Value::String(_) => may_be_typed(),
            other => {
                let spelled = other.to_string();
                spelled != text
            }
        }
}

/// Whether a text can stand by itself where a value stands, and is nothing but a scalar there.
fn is_safe(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_.+-".contains(c);
    let is_mark = text.chars().all(|c| "-.".contains(c));
    !is_mark && text.chars().all(is_word)
}

/// The value as a text of YAML, with these spellings.
pub(super) fn spell(value: &Value, plain: &Plain) -> String {
    let mut out = String::new();
    if plain.is_empty() {
        out.push_str(&value.to_string());
    } else {
        write(value, plain, &mut String::new(), &mut out);
    }
    out
}

fn write(value: &Value, plain: &Plain, place: &mut String, out: &mut String) {
    let length = place.len();
    match value {
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                place.push_str(&format!("/{i}"));
                write(item, plain, place, out);
                place.truncate(length);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (i, (name, member)) in members.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                out.push_str(&Value::String(name.clone()).to_string());
                out.push_str(": ");
                place.push_str(&step(name));
                write(member, plain, place, out);
                place.truncate(length);
            }
            out.push('}');
        }
        scalar => match plain.get(place.as_str()).filter(|text| is_safe(text)) {
            Some(text) => out.push_str(text),
            None => out.push_str(&scalar.to_string()),
        },
    }
}

struct Reader<'r, 'b> {
    parser: Parser<&'r mut &'b [u8]>,
    anchors: BTreeMap<String, Rc<Node>>,
}

impl Reader<'_, '_> {
    /// The first document.
    fn document(&mut self) -> Option<Rc<Node>> {
        loop {
            let event = self.parser.parse().ok()?;
            match event.data {
                EventData::StreamStart { .. } | EventData::DocumentStart { .. } => {}
                _ => return self.node(event, 0),
            }
        }
    }

    fn node(&mut self, event: Event, depth: usize) -> Option<Rc<Node>> {
        if depth > MAX_DEPTH {
            return None;
        }
        let (anchor, node) = match event.data {
            EventData::Alias { anchor } => return self.anchors.get(&anchor).cloned(),
            EventData::Scalar {
                anchor,
                tag: None,
                value,
                style: ScalarStyle::Plain,
                ..
            } => (anchor, Node::Plain(value)),
            EventData::Scalar { anchor, .. } => (anchor, Node::Quoted),
            EventData::SequenceStart { anchor, .. } => {
                let mut nodes = Vec::new();
                loop {
                    let next = self.parser.parse().ok()?;
                    if matches!(next.data, EventData::SequenceEnd) {
                        break;
                    }
                    nodes.push(self.node(next, depth + 1)?);
                }
                (anchor, Node::List(nodes))
            }
            EventData::MappingStart { anchor, .. } => {
                let mut members = Vec::new();
                loop {
                    let next = self.parser.parse().ok()?;
                    if matches!(next.data, EventData::MappingEnd) {
                        break;
                    }
                    let name = match &next.data {
                        EventData::Scalar { value, .. } => Some(value.clone()),
                        _ => None,
                    };
                    self.node(next, depth + 1)?;
                    let next = self.parser.parse().ok()?;
                    let node = self.node(next, depth + 1)?;
                    members.extend(name.map(|name| (name, node)));
                }
                (anchor, Node::Map(members))
            }
            _ => return None,
        };
        let node = Rc::new(node);
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, node.clone());
        }
        Some(node)
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected has failed, and says where"
)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_keep_their_spelling() {
        let text = "base: &b {v: 1.10, w: y}\nlist: [007, 0x1F, 1e3, '1.10', no, 5, abc, 1-2]\n\
                    more: {<<: *b, w: true}\nagain: *b\nempty:\nt: 1:30\n";
        let value: Value = crate::fixture::read(text).unwrap();
        let plain = of(text, &value);
        let spelled = spell(&value, &plain);
        for part in [
            "[007, 0x1F, 1e3, \"1.10\", no, 5, \"abc\", 1-2]",
            "\"v\": 1.10",
            "\"w\": y",
        ] {
            assert!(spelled.contains(part), "{part}: {spelled}");
        }
        let again: Value = crate::fixture::read(&spelled).unwrap();
        assert_eq!(again, value);
        // What was edited by hand adds nothing but a scalar.
        let bad = Plain::from([("/t".to_owned(), "1, x: 2".to_owned())]);
        assert_eq!(spell(&value["t"], &bad), value["t"].to_string());
    }
}
