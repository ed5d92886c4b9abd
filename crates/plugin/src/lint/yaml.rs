//! Manifests as kubectl reads them, with the line of everything in them.
//!
//! What a plain word means is what it means to kubectl, which reads YAML 1.1: `yes` is true there, and `0o10` is eight.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::{Map, Number, Value};

/// The most nodes that aliases may repeat: an alias of aliases of aliases would fill the memory.
const REPEATED_MAX: usize = 100_000;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// From 1. Of a field's value, what counts is the line of the field.
    pub line: usize,
    /// What it is.
    pub content: Content,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Nothing, a flag, a number or a text.
    Scalar(Value),
    /// A list.
    List(Vec<Node>),
    /// Fields as they are written: one may be there twice, and then the last one counts.
    Fields(Vec<Field>),
}

/// A field of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// From 1.
    pub line: usize,
    /// Whether it comes from a mapping that is merged (`<<`), which another of the name stands before.
    pub merged: bool,
    /// Its value.
    pub value: Node,
}

/// A document that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// From 1.
    pub line: usize,
    /// What is wrong, and the cure.
    pub message: String,
}

impl Node {
    /// Its fields; none of what has none.
    pub fn fields(&self) -> &[Field] {
        match &self.content {
            Content::Fields(fields) => fields,
            _ => &[],
        }
    }

    /// The field that counts.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields().iter().rfind(|field| field.name == name)
    }

    /// A field that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match &self.field(name)?.value.content {
            Content::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether it has fields.
    pub fn is_mapping(&self) -> bool {
        matches!(self.content, Content::Fields(_))
    }

    /// Whether nothing is there.
    pub fn is_null(&self) -> bool {
        self.content == Content::Scalar(Value::Null)
    }

    /// As JSON.
    pub fn value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Self::value).collect(),
            Content::Fields(fields) => {
                let pairs = fields.iter().map(|f| (f.name.clone(), f.value.value()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }

    /// What is at a path such as `spec.update.containers[0].name` or `metadata.labels[a/b]`, and its line; what is not there has
    /// the line of what it would be in.
    pub fn at(&self, path: &str) -> (usize, Option<&Self>) {
        let (mut line, mut node) = (self.line, self);
        for step in steps(path) {
            let found = match &node.content {
                Content::List(items) => {
                    let item = step.parse().ok().and_then(|index: usize| items.get(index));
                    item.map(|item| (item.line, item))
                }
                _ => node.field(step).map(|field| (field.line, &field.value)),
            };
            match found {
                Some(found) => (line, node) = found,
                None => return (line, None),
            }
        }
        (line, Some(node))
    }
}

/// The names and indices of a path.
fn steps(path: &str) -> Vec<&str> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let bracket = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        if let Some((step, after)) = bracket {
            steps.push(step);
            rest = after;
        } else {
            let rest_of = rest.strip_prefix('.').unwrap_or(rest);
            let end = rest_of.find(['.', '[']).unwrap_or(rest_of.len());
            steps.push(&rest_of[..end]);
            rest = &rest_of[end..];
        }
    }
    steps
}

/// The documents of a text, in order. One that is broken does not hide those after it.
pub fn documents(text: &str) -> Vec<Result<Node, Broken>> {
    let options = granit_parser::options! { emit_comments: false };
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut documents = Vec::new();
    loop {
        let mut reader = Reader {
            parser: &mut parser,
            anchors: HashMap::new(),
            repeated: 0,
        };
        match reader.document() {
            Ok(Some(document)) => documents.push(Ok(document)),
            Ok(None) => return documents,
            Err(broken) => {
                documents.push(Err(explained(broken, text)));
                if !matches!(parser.proceed_next_document(), Ok(true)) {
                    return documents;
                }
            }
        }
    }
}

/// With the cures for what is seen in the line itself.
fn explained(broken: Broken, text: &str) -> Broken {
    let line = |number: usize| {
        text.lines()
            .nth(number.saturating_sub(1))
            .unwrap_or_default()
    };
    let has_tab = |number: &usize| {
        let line = line(*number);
        line[..line.len() - line.trim_start().len()].contains('\t')
    };
    // Where a word might go on, the line before it is named.
    if let Some(number) = [broken.line, broken.line + 1].into_iter().find(has_tab) {
        return Broken {
            line: number,
            message: "cannot be read: the line is indented with a tab: use spaces".to_owned(),
        };
    }
    let line = line(broken.line);
    let cure = if begins_value(line, ['*', '&']) {
        "a value that begins with * or & has to be in quotes, unless it is an alias of what is named before it"
    } else if broken.message.contains("flow") || broken.message.contains("bracket") {
        "look at the commas and brackets of this line and of the one before it"
    } else if line.matches(": ").count() > 1 {
        "a text with a colon and a blank in it has to be in quotes"
    } else if line.contains("{{") {
        "this looks like a template: render it first, or put the text in quotes"
    } else {
        "look at the indentation, the colons and the quotes of this line and of the one before it"
    };
    Broken {
        message: format!("cannot be read: {}: {cure}", broken.message),
        ..broken
    }
}

/// Whether the value of a line begins so.
fn begins_value(line: &str, with: [char; 2]) -> bool {
    let value = line.split_once(": ").map_or(line, |(_, value)| value);
    value.trim_start_matches(['-', ' ']).starts_with(with)
}

struct Reader<'p, 'text> {
    parser: &'p mut Parser<'text, granit_parser::StrInput<'text>>,
    anchors: HashMap<usize, Node>,
    repeated: usize,
}

impl<'text> Reader<'_, 'text> {
    fn next(&mut self) -> Result<Option<(Event<'text>, Span)>, Broken> {
        self.parser.next_event().transpose().map_err(unreadable)
    }

    /// `None`: there are no more.
    fn document(&mut self) -> Result<Option<Node>, Broken> {
        loop {
            match self.next()? {
                None | Some((Event::StreamEnd, _)) => return Ok(None),
                Some((Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd, _)) => {}
                Some((event, span)) => {
                    let document = self.node(event, span)?;
                    // Whatever stands against the rest of the document is found with it.
                    self.next()?;
                    return Ok(Some(document));
                }
            }
        }
    }

    fn child(&mut self, line: usize) -> Result<Option<Node>, Broken> {
        match self.next()? {
            None => Err(Broken {
                line,
                message: "it ends in the middle".to_owned(),
            }),
            Some((Event::SequenceEnd | Event::MappingEnd, _)) => Ok(None),
            Some((event, span)) => self.node(event, span).map(Some),
        }
    }

    fn node(&mut self, event: Event<'text>, span: Span) -> Result<Node, Broken> {
        let line = span.start.line();
        let (content, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref());
                let value = value.ok_or_else(|| Broken {
                    line,
                    message: format!("JSON has no number {text}"),
                })?;
                (Content::Scalar(value), anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                while let Some(item) = self.child(line)? {
                    items.push(item);
                }
                (Content::List(items), anchor)
            }
            Event::MappingStart(_, anchor, _) => (Content::Fields(self.mapping()?), anchor),
            Event::Alias(anchor) => return self.alias(anchor, line),
            _ => {
                let message = "a value is wanted here".to_owned();
                return Err(Broken { line, message });
            }
        };
        let node = Node { line, content };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, line: usize) -> Result<Node, Broken> {
        let broken = |message: &str| Broken {
            line,
            message: message.to_owned(),
        };
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(broken("an alias stands in what it stands for"));
        };
        self.repeated += size(node);
        if self.repeated > REPEATED_MAX {
            return Err(broken("its aliases repeat too much"));
        }
        Ok(node.clone())
    }

    fn mapping(&mut self) -> Result<Vec<Field>, Broken> {
        let (mut fields, mut merged) = (Vec::new(), Vec::new());
        while let Some((event, span)) = self.next()? {
            if event == Event::MappingEnd {
                break;
            }
            let line = span.start.line();
            let merges =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let name = self.node(event, span)?;
            let Some(value) = self.child(line)? else {
                break;
            };
            if merges {
                merge(&mut merged, value)?;
            } else {
                let name = name_of(&name)?;
                fields.push(Field {
                    name,
                    line,
                    merged: false,
                    value,
                });
            }
        }
        let absent = |field: &Field| fields.iter().all(|other| other.name != field.name);
        let inherited: Vec<Field> = merged.into_iter().filter(absent).collect();
        Ok(inherited.into_iter().chain(fields).collect())
    }
}

/// Of several mappings that are merged, an earlier one stands before a later one.
fn merge(merged: &mut Vec<Field>, value: Node) -> Result<(), Broken> {
    let line = value.line;
    match value.content {
        Content::Fields(fields) => {
            for field in fields {
                if merged.iter().all(|other| other.name != field.name) {
                    merged.push(Field {
                        merged: true,
                        ..field
                    });
                }
            }
            Ok(())
        }
        Content::List(items) => items.into_iter().try_for_each(|item| merge(merged, item)),
        Content::Scalar(_) => Err(Broken {
            line,
            message: "<< takes a mapping, or a list of mappings".to_owned(),
        }),
    }
}

fn name_of(node: &Node) -> Result<String, Broken> {
    match &node.content {
        Content::Scalar(Value::String(name)) => Ok(name.clone()),
        Content::Scalar(Value::Null) => Ok("null".to_owned()),
        Content::Scalar(other) => Ok(other.to_string()),
        Content::List(_) | Content::Fields(_) => Err(Broken {
            line: node.line,
            message: "a mapping or a list cannot be the name of a field".to_owned(),
        }),
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.content {
        Content::Scalar(_) => 0,
        Content::List(items) => items.iter().map(size).sum(),
        Content::Fields(fields) => fields.iter().map(|field| size(&field.value)).sum(),
    }
}

fn unreadable(error: ScanError) -> Broken {
    Broken {
        line: error.marker().line(),
        message: error.info(),
    }
}

/// What a scalar means; `None`: what no JSON can say.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Option<Value> {
    let as_text = || Some(Value::String(text.to_owned()));
    match tag.and_then(Tag::core_suffix) {
        Some("str") => as_text(),
        Some(_) => plain(text),
        None if tag.is_some() || style != ScalarStyle::Plain => as_text(),
        None => plain(text),
    }
}

fn plain(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => {
            return Some(Value::Bool(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => {
            return Some(Value::Bool(false));
        }
        _ => {}
    }
    match text.trim_start_matches(['+', '-']) {
        ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN" => None,
        _ => Some(match number(text) {
            Some(number) => Value::Number(number),
            None => Value::String(text.to_owned()),
        }),
    }
}

fn number(text: &str) -> Option<Number> {
    let begins = |c: char| c.is_ascii_digit() || "+-.".contains(c);
    if !text.starts_with(begins) {
        return None;
    }
    let bare: String = text.chars().filter(|c| *c != '_').collect();
    let (minus, digits) = match bare.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, bare.strip_prefix('+').unwrap_or(&bare)),
    };
    if let Some(whole) = whole(digits) {
        return match (minus, i64::try_from(whole)) {
            (false, _) => Some(whole.into()),
            (true, Ok(whole)) => Some((-whole).into()),
            (true, Err(_)) => None,
        };
    }
    let decimal = |c: char| c.is_ascii_digit() || ".eE+-".contains(c);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') || !digits.chars().all(decimal)
    {
        return None;
    }
    let float: f64 = bare.parse().ok()?;
    #[allow(
        clippy::cast_possible_truncation,
        reason = "only what is whole, and small enough to be exact"
    )]
    match float.fract() == 0.0 && float.abs() < 9e15 {
        // JSON does not tell 5.0 from 5.
        true => Some((float as i64).into()),
        false => Number::from_f64(float),
    }
}

/// A whole number without a sign, in the notations of Go.
fn whole(digits: &str) -> Option<u64> {
    let lower = digits.to_ascii_lowercase();
    let (digits, radix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (&lower[..], 10),
    };
    match digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        true => u64::from_str_radix(digits, radix).ok(),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use serde_json::json;

    use super::*;

    fn one(text: &str) -> Node {
        let mut all = documents(text);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0).unwrap()
    }

    #[test]
    fn plain_words_mean_what_they_mean_to_kubectl() {
        for (text, value) in [
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("'yes'", json!("yes")),
            ("~", json!(null)),
            ("1_000", json!(1000)),
            ("0x1F", json!(31)),
            ("010", json!(8)),
            ("-0o10", json!(-8)),
            ("5.0", json!(5)),
            ("0.5", json!(0.5)),
            ("1e3", json!(1000)),
            ("08", json!(8)),
            ("25%", json!("25%")),
            ("1.2.3", json!("1.2.3")),
            ("2026-11-01", json!("2026-11-01")),
            ("-", json!([null])),
            ("!!str 5", json!("5")),
            (
                "18446744073709551615",
                json!(18_446_744_073_709_551_615_u64),
            ),
            ("!custom 5", json!("5")),
        ] {
            assert_eq!(one(text).value(), value, "{text}");
        }
    }

    #[test]
    fn everything_has_its_line() {
        let node = one("a:\n  b:\n    - c: 1\n    - c: 2\n  'd/e.f': x\n");
        assert_eq!(node.at("a.b[1].c").0, 4);
        assert_eq!(node.at("a[d/e.f]").0, 5);
        assert_eq!(node.at("a.b[1].z.y"), (4, None));
        assert_eq!(node.at("").0, 1);
    }

    #[test]
    fn a_merged_mapping_gives_way_to_what_is_written() {
        let node = one("base: &b {p: 1, q: 2}\nuse:\n  <<: *b\n  q: 3\n");
        assert_eq!(node.value()["use"], json!({"p": 1, "q": 3}));
        assert_eq!(node.at("use.p").0, 1);
    }

    #[test]
    fn a_broken_document_hides_none_after_it() {
        let all = documents("a: 1\n---\nb: [\n---\nc: 3\n");
        assert_eq!(all.len(), 3, "{all:?}");
        assert_eq!(all[1].as_ref().unwrap_err().line, 3);
        assert_eq!(all[2].as_ref().unwrap().at("c").0, 5);
    }

    #[test]
    fn what_would_fill_the_memory_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..10 {
            let inner = vec![format!("*a{}", n - 1); 10].join(", ");
            text.push_str(&format!("a{n}: &a{n} [{inner}]\n"));
        }
        let all = documents(&text);
        assert!(all[0].as_ref().unwrap_err().message.contains("repeat"));
        for deep in [
            "[".repeat(100_000),
            "- ".repeat(100_000),
            "{a: ".repeat(9_999),
        ] {
            assert!(documents(&deep)[0].is_err());
        }
        assert!(documents("&a [*a]")[0].is_err());
    }
}
