//! Writes the pages of the documentation that say what each kind has, one for each CRD, into a directory: what `make crds` runs.

use std::fmt::Write as _;

use ess_rollout_api::crds;
use serde_json::Value;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args()
        .nth(1)
        .ok_or("usage: api-reference DIRECTORY")?;
    for crd in crds::all() {
        let crd = serde_json::to_value(&crd)?;
        let singular = text(&crd["spec"]["names"]["singular"]);
        let path = std::path::Path::new(&directory).join(format!("api-{singular}.md"));
        std::fs::write(path, page(&crd))?;
    }
    Ok(())
}

/// A page: the kind, its columns, and a section for each object in it.
fn page(crd: &Value) -> String {
    let names = &crd["spec"]["names"];
    let version = &crd["spec"]["versions"][0];
    let kind = text(&names["kind"]);
    let root = &version["schema"]["openAPIV3Schema"];
    let mut page = format!("# {kind}\n\n");
    page += "Written by `make crds` from the types: do not edit.\n\n";
    let _ = writeln!(page, "{}\n", prose(root));
    let short: Vec<String> = list(&names["shortNames"])
        .map(|name| code(text(name)))
        .collect();
    let _ = writeln!(
        page,
        "`apiVersion: {}/{}`, `kind: {kind}`. kubectl knows it as {}{}.\n",
        text(&crd["spec"]["group"]),
        text(&version["name"]),
        code(text(&names["plural"])),
        if short.is_empty() {
            String::new()
        } else {
            format!(" and {}", short.join(", "))
        },
    );
    page += "`kubectl get` shows (those marked *wide* with `-o wide`):\n\n| column | from |\n|---|---|\n";
    for column in list(&version["additionalPrinterColumns"]) {
        let wide = if column["priority"].as_i64().unwrap_or(0) > 0 {
            " *(wide)*"
        } else {
            ""
        };
        let from = text(&column["jsonPath"]).trim_start_matches('.');
        let _ = writeln!(page, "| {}{wide} | `{from}` |", text(&column["name"]));
    }
    page.push('\n');
    let rules = rules_of(root);
    if !rules.is_empty() {
        page += "Rules of the whole object:\n\n";
        page += &rules;
        page.push('\n');
    }
    for part in ["spec", "status"] {
        section(&mut page, part, &root["properties"][part]);
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// The section of an object, and after it those of the objects in it.
fn section(page: &mut String, path: &str, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    let _ = writeln!(page, "## {path}\n");
    let said = prose(schema);
    if !said.is_empty() {
        let _ = writeln!(page, "{said}\n");
    }
    let required: Vec<&str> = list(&schema["required"]).map(text).collect();
    *page += "| field | type | default | bounds | meaning |\n|---|---|---|---|---|\n";
    let mut rules = rules_of(schema);
    let mut inner = Vec::new();
    for (name, field) in properties {
        let below = format!("{path}.{name}");
        let (kind, within) = kind(field);
        let kind = match within {
            Some((suffix, object)) => {
                let below = format!("{below}{suffix}");
                let link = format!("[{kind}](#{})", anchor(&below));
                inner.push((below, object));
                link
            }
            None => kind,
        };
        let mut bounds = bounds(field);
        if required.contains(&name.as_str()) {
            bounds.insert(0, "**required**".to_owned());
        }
        let default = match &field["default"] {
            Value::Null => String::new(),
            given => code(&given.to_string()),
        };
        let _ = writeln!(
            page,
            "| `{name}` | {kind} | {default} | {} | {} |",
            bounds.join("; "),
            prose(field)
        );
        let described = inner
            .last()
            .is_some_and(|(_, object)| std::ptr::eq(*object, field));
        if !described {
            rules += &rules_of(field);
        }
    }
    page.push('\n');
    if !rules.is_empty() {
        *page += "Rules, each with what the apiserver says of what breaks it:\n\n";
        *page += &rules;
        page.push('\n');
    }
    for (path, object) in inner {
        section(page, &path, object);
    }
}

/// The name of a type and, where it is made of objects, how their path goes on and what they have.
fn kind(field: &Value) -> (String, Option<(&'static str, &Value)>) {
    if field["x-kubernetes-int-or-string"] == true {
        return ("integer or string".to_owned(), None);
    }
    match text(&field["type"]) {
        "array" => {
            let (kind, within) = kind(&field["items"]);
            (
                format!("list of {kind}"),
                within.map(|(_, object)| ("[]", object)),
            )
        }
        "object" if field["properties"].is_object() => ("object".to_owned(), Some(("", field))),
        "object" => match &field["additionalProperties"] {
            values if values.is_object() => {
                let (kind, within) = kind(values);
                (
                    format!("map to {kind}"),
                    within.map(|(_, object)| (".*", object)),
                )
            }
            _ => ("object".to_owned(), None),
        },
        "string" if field["format"] == "date-time" => ("time".to_owned(), None),
        other => (other.to_owned(), None),
    }
}

/// What the schema bounds, in words.
fn bounds(field: &Value) -> Vec<String> {
    let mut bounds = Vec::new();
    let values: Vec<String> = list(&field["enum"])
        .filter(|value| !value.is_null())
        .map(|value| {
            code(
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
                    .as_str(),
            )
        })
        .collect();
    if !values.is_empty() {
        bounds.push(values.join(", "));
    }
    let whole = |key: &str| field[key].as_f64().map(|number| number.to_string());
    let mut range = |min: &str, max: &str, unit: &str| match (whole(min), whole(max)) {
        (None, None) => {}
        (Some(min), None) => bounds.push(format!("at least {min}{unit}")),
        (None, Some(max)) => bounds.push(format!("at most {max}{unit}")),
        (Some(min), Some(max)) => bounds.push(format!("{min} to {max}{unit}")),
    };
    range("minimum", "maximum", "");
    range("minLength", "maxLength", " characters");
    range("minItems", "maxItems", " entries");
    range("minProperties", "maxProperties", " keys");
    if let Some(pattern) = field["pattern"].as_str() {
        bounds.push(code(&pattern.replace('|', "\\|")));
    }
    bounds
}

/// The rules of a schema that stand in no table, a line each.
fn rules_of(schema: &Value) -> String {
    let mut lines = String::new();
    for rule in list(&schema["x-kubernetes-validations"]) {
        let said = match (&rule["message"], &rule["messageExpression"]) {
            (Value::String(said), _) => plain(said),
            (_, Value::String(expression)) => code(expression),
            _ => String::new(),
        };
        let expression = code(&one_line(text(&rule["rule"])));
        let _ = writeln!(lines, "- {said}: {expression}");
    }
    lines
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn code(text: &str) -> String {
    // A text with a backtick stands between two of them.
    if text.contains('`') {
        format!("`` {text} ``")
    } else {
        format!("`{text}`")
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The description, in one line, with what would be markup as it is.
fn prose(schema: &Value) -> String {
    plain(text(&schema["description"]))
}

fn plain(text: &str) -> String {
    let mut escaped = String::new();
    let mut in_code = false;
    for sign in one_line(text).chars() {
        in_code ^= sign == '`';
        let markup = !in_code && matches!(sign, '*' | '<' | '[' | ']') || sign == '|';
        if markup {
            escaped.push('\\');
        }
        escaped.push(sign);
    }
    escaped
}

/// By which the heading of a section is linked.
fn anchor(path: &str) -> String {
    let kept = path.to_lowercase();
    kept.chars().filter(|sign| sign.is_alphanumeric()).collect()
}
