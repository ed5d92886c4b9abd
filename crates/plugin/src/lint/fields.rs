//! Fields that there are not. An apiserver drops them, and what they were to say is not done.

use ess_rollout_validation::Schema;

use super::names::nearest;
use super::yaml::{Content, Node};

/// How many fields are named where none is near.
const NAMED_MAX: usize = 8;

/// A field of a path.
pub fn join(path: &str, name: &str) -> String {
    match (path, name.contains(['.', '[', '/', ' '])) {
        ("", _) => name.to_owned(),
        (path, true) => format!("{path}[{name}]"),
        (path, false) => format!("{path}.{name}"),
    }
}

/// Takes unknown fields out of a value. One whose name is nearly that of a field that is not there becomes that field, so that
/// the rest can be held against it: a misspelt field is one fault, and none of those that follow from it.
pub struct Mending<'a> {
    /// The schema of the whole object.
    pub root: &'a Schema,
    /// The path, the line and the message of each that was found.
    pub found: Vec<(String, usize, String)>,
}

impl Mending<'_> {
    /// Mends the value at a path.
    pub fn mend(&mut self, path: &str, node: &mut Node, schema: &Schema) {
        match &mut node.content {
            Content::Scalar(_) => {}
            Content::List(items) => {
                if let Some(inner) = schema.items() {
                    for (index, item) in items.iter_mut().enumerate() {
                        self.mend(&format!("{path}[{index}]"), item, inner);
                    }
                }
            }
            Content::Fields(fields) => {
                let given: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
                fields.retain_mut(|field| {
                    if schema.field(&field.name).is_some() || schema.keeps_unknown() {
                        return true;
                    }
                    let at = join(path, &field.name);
                    let names = schema.fields().map(|(name, _)| name).collect::<Vec<_>>();
                    let (meant, cure) = self.cure(path, &field.name, &names, &given);
                    let message = format!("there is no such field: {cure}");
                    self.found.push((at, field.line, message));
                    match meant {
                        Some(meant) => field.name = meant,
                        None => return false,
                    }
                    true
                });
                for field in fields {
                    if let Some(inner) = schema.field(&field.name) {
                        self.mend(&join(path, &field.name), &mut field.value, inner);
                    }
                }
            }
        }
    }

    /// The cure of a field that is at home elsewhere in the spec, in one place or two.
    fn home(&self, name: &str) -> Option<String> {
        let mut homes = Vec::new();
        find_homes("spec", name, self.root.field("spec")?, &mut homes);
        match homes.as_slice() {
            [] => None,
            [one] => Some(format!("it belongs in {one}: look at the indentation")),
            [one, other] => Some(format!(
                "it belongs in {one} or {other}: look at the indentation"
            )),
            _ => None,
        }
    }

    /// The field of the same mapping that is meant, and the cure: `names` are the fields that it may have, `given` those that it
    /// has.
    pub fn cure(
        &self,
        path: &str,
        name: &str,
        names: &[&str],
        given: &[String],
    ) -> (Option<String>, String) {
        // Right in another place, it is not a misspelt name of this one.
        let in_spec = path.is_empty() || path.starts_with("spec");
        if let Some(home) = self.home(name).filter(|_| in_spec) {
            return (None, home);
        }
        let absent = names.iter().copied();
        let absent = absent.filter(|name| given.iter().all(|given| given != name));
        if let Some(meant) = nearest(name, absent) {
            return (Some(meant.to_owned()), format!("write {meant}"));
        }
        let cure = match names.len() {
            0 => "leave it out".to_owned(),
            1..=NAMED_MAX => format!("there are {}", names.join(", ")),
            _ => format!("kubectl explain lists those of {path}"),
        };
        (None, cure)
    }
}

/// The mappings that have a field of this name, those of lists as `containers[]`.
fn find_homes(path: &str, name: &str, schema: &Schema, homes: &mut Vec<String>) {
    if schema.fields().any(|(field, _)| field == name) {
        homes.push(path.to_owned());
    }
    for (field, inner) in schema.fields() {
        find_homes(&format!("{path}.{field}"), name, inner, homes);
    }
    if let Some(items) = schema.items() {
        find_homes(&format!("{path}[]"), name, items, homes);
    }
}
