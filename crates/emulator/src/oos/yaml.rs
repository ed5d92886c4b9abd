//! YAML as OOS reads it: version 1.1 of the language with the readings of PyYAML, which templates
//! were written and tried with. `yes` is a truth, `010` is eight, `1:30` is ninety, and a quoted text
//! may go on at any indent. Two things are refused that PyYAML takes, because something would be lost
//! untold: a key that is there twice, and a number that JSON of 64 bits does not hold exactly.
//!
//! The scanner is libyaml's, of which PyYAML's is the twin; what its words mean is decided here.

mod scalars;

use std::collections::BTreeMap;

use libyaml_safer::{Event, EventData, Parser, ScalarStyle};
use serde_json::{Map, Value};

use super::jq::weight;
use crate::params::exact;

/// Most that a document may hold once its aliases are filled in, by weight: a few lines of aliases
/// of aliases stand for more than any machine has.
const MAX_WEIGHT: usize = 200_000;

/// The one document of a text, with values nested at most `max_depth` deep. The error says what is wrong and in which line.
pub(super) fn read(text: &str, max_depth: usize) -> Result<Value, String> {
    let mut input = text.as_bytes();
    let mut events = Events {
        parser: Parser::new(),
    };
    events.parser.set_input_string(&mut input);
    let mut reader = Reader {
        anchors: BTreeMap::new(),
        left: MAX_WEIGHT,
        max_depth,
    };
    let mut found = None;
    loop {
        let event = events.next()?;
        match event.data {
            EventData::StreamStart { .. } | EventData::DocumentEnd { .. } => {}
            EventData::DocumentStart { .. } if found.is_some() => {
                return Err(at(&event, "there is more than one document"));
            }
            EventData::DocumentStart { .. } => {
                let first = events.next()?;
                found = Some(reader.node(&mut events, first, 1)?);
            }
            EventData::StreamEnd => return Ok(found.unwrap_or(Value::Null)),
            _ => return Err(at(&event, "something stands outside of the document")),
        }
    }
}

fn at(event: &Event, what: &str) -> String {
    format!("line {}: {what}", event.start_mark.line + 1)
}

struct Events<'r, 'b> {
    parser: Parser<&'r mut &'b [u8]>,
}

impl Events<'_, '_> {
    fn next(&mut self) -> Result<Event, String> {
        self.parser.parse().map_err(|error| {
            let line = error.problem_mark().map_or(0, |mark| mark.line + 1);
            let context = error.context().map_or(String::new(), |c| format!(" {c}"));
            format!("line {line}: {}{context}", error.problem())
        })
    }
}

struct Reader {
    /// What an anchor stands for; `None` while it is being read.
    anchors: BTreeMap<String, Option<Value>>,
    /// Weight of what may still be read.
    left: usize,
    max_depth: usize,
}

impl Reader {
    fn spend(&mut self, event: &Event, weight: usize) -> Result<(), String> {
        self.left = self
            .left
            .checked_sub(weight)
            .ok_or_else(|| at(event, "the aliases stand for too much"))?;
        Ok(())
    }

    fn node(
        &mut self,
        events: &mut Events<'_, '_>,
        event: Event,
        depth: usize,
    ) -> Result<Value, String> {
        if depth > self.max_depth {
            let what = format!("there are more than {} levels", self.max_depth);
            return Err(at(&event, &what));
        }
        if let EventData::Alias { anchor } = &event.data {
            let value = match self.anchors.get(anchor) {
                Some(Some(value)) => value.clone(),
                Some(None) => {
                    return Err(at(&event, &format!("the alias *{anchor} is inside itself")));
                }
                None => return Err(at(&event, &format!("there is no anchor &{anchor}"))),
            };
            self.spend(&event, weight(&value))?;
            return Ok(value);
        }
        let anchor = match &event.data {
            EventData::Scalar { anchor, .. }
            | EventData::SequenceStart { anchor, .. }
            | EventData::MappingStart { anchor, .. } => anchor.clone(),
            _ => return Err(at(&event, "a value is missing")),
        };
        if let Some(anchor) = &anchor
            && self.anchors.insert(anchor.clone(), None).is_some()
        {
            return Err(at(&event, &format!("the anchor &{anchor} is there twice")));
        }
        let value = match &event.data {
            EventData::Scalar { .. } => {
                let value = scalar(&event)?;
                if let (Value::Number(number), EventData::Scalar { value: text, .. }) =
                    (&value, &event.data)
                    && exact::is_too_large(number)
                {
                    return Err(at(&event, &exact::too_large(text)));
                }
                self.spend(&event, weight(&value))?;
                value
            }
            EventData::SequenceStart { tag, .. } => {
                collection_tag(&event, tag.as_deref(), "seq")?;
                self.spend(&event, 1)?;
                let mut list = Vec::new();
                loop {
                    let next = events.next()?;
                    if matches!(next.data, EventData::SequenceEnd) {
                        break;
                    }
                    list.push(self.node(events, next, depth + 1)?);
                }
                Value::Array(list)
            }
            EventData::MappingStart { tag, .. } => {
                collection_tag(&event, tag.as_deref(), "map")?;
                self.spend(&event, 1)?;
                Value::Object(self.mapping(events, depth)?)
            }
            _ => return Err(at(&event, "a value is missing")),
        };
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, Some(value.clone()));
        }
        Ok(value)
    }

    /// A mapping: what `<<` merges in comes before all of its own keys, and of a list of mappings the
    /// first has the say.
    fn mapping(
        &mut self,
        events: &mut Events<'_, '_>,
        depth: usize,
    ) -> Result<Map<String, Value>, String> {
        let mut merged = Map::new();
        let mut own = Map::new();
        loop {
            let event = events.next()?;
            if matches!(event.data, EventData::MappingEnd) {
                break;
            }
            let merges = is_merge(&event);
            let mark = event.start_mark.line + 1;
            let key = self.node(events, event, depth + 1)?;
            let next = events.next()?;
            let value = self.node(events, next, depth + 1)?;
            if merges {
                let refused = || format!("line {mark}: << takes a mapping or a list of mappings");
                let maps = match value {
                    Value::Array(list) => list,
                    other => vec![other],
                };
                for map in maps.into_iter().rev() {
                    match map {
                        Value::Object(map) => merged.extend(map),
                        _ => return Err(refused()),
                    }
                }
                continue;
            }
            let key = match key {
                Value::String(text) => text,
                Value::Null | Value::Bool(_) | Value::Number(_) => key.to_string(),
                _ => {
                    return Err(format!(
                        "line {mark}: a key must not be a list or a mapping"
                    ));
                }
            };
            if own.contains_key(&key) {
                return Err(format!("line {mark}: the key {key} is there twice"));
            }
            own.insert(key, value);
        }
        merged.extend(own);
        Ok(merged)
    }
}

const STANDARD: &str = "tag:yaml.org,2002:";

fn is_merge(event: &Event) -> bool {
    match &event.data {
        EventData::Scalar {
            value, tag: None, ..
        } => value == "<<" && is_plain(event),
        EventData::Scalar { tag: Some(tag), .. } => tag.strip_prefix(STANDARD) == Some("merge"),
        _ => false,
    }
}

fn is_plain(event: &Event) -> bool {
    matches!(
        event.data,
        EventData::Scalar {
            style: ScalarStyle::Plain,
            ..
        }
    )
}

fn collection_tag(event: &Event, tag: Option<&str>, kind: &str) -> Result<(), String> {
    match tag {
        None | Some("!") => Ok(()),
        Some(tag) if tag.strip_prefix(STANDARD) == Some(kind) => Ok(()),
        Some(tag) => Err(unknown_tag(event, tag)),
    }
}

fn unknown_tag(event: &Event, tag: &str) -> String {
    at(event, &format!("the tag {tag} means nothing in a template"))
}

fn scalar(event: &Event) -> Result<Value, String> {
    let EventData::Scalar { tag, value, .. } = &event.data else {
        return Err(at(event, "a value is missing"));
    };
    let plain = is_plain(event);
    let typed = |read: Option<Value>, kind: &str| {
        read.ok_or_else(|| at(event, &format!("{value:?} is no {kind}")))
    };
    match tag.as_deref() {
        None | Some("!") if plain => Ok(scalars::plain(value)),
        None | Some("!") => Ok(Value::String(value.clone())),
        Some(tag) => match tag.strip_prefix(STANDARD) {
            Some("str" | "timestamp" | "merge") => Ok(Value::String(value.clone())),
            Some("null") => Ok(Value::Null),
            Some("bool") => typed(scalars::boolean(value), "truth"),
            Some("int") => typed(scalars::integer(value), "whole number"),
            Some("float") => typed(
                scalars::float(value).or_else(|| scalars::integer(value)),
                "number",
            ),
            _ => Err(unknown_tag(event, tag)),
        },
    }
}
