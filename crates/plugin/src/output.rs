//! Objects as documents: `-o json`, `-o yaml`, `-o name`.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cli::Output;
use crate::terminal::print;

/// One document on several lines.
///
/// # Errors
/// When it is none.
pub fn text(document: &Value, output: Output) -> Result<String> {
    match output {
        Output::Yaml => serde_saphyr::to_string(document).context("cannot be written as YAML"),
        _ => serde_json::to_string_pretty(document).context("cannot be written as JSON"),
    }
}

/// Prints one document.
///
/// # Errors
/// When nobody reads it.
pub fn document(document: &Value, output: Output) -> Result<()> {
    let text = text(document, output)?;
    print(&[text.trim_end().to_owned()])
}

/// Prints one of many documents that come one after the other: JSON on a line of its own, YAML between `---`.
///
/// # Errors
/// When nobody reads it.
pub fn next_document(document: &Value, output: Output) -> Result<()> {
    match output {
        Output::Yaml => print(&[
            "---".to_owned(),
            text(document, output)?.trim_end().to_owned(),
        ]),
        _ => print(&[document.to_string()]),
    }
}

/// Prints a list as kubectl does.
///
/// # Errors
/// When nobody reads it.
pub fn list(items: Vec<Value>, output: Output) -> Result<()> {
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items});
    document(&list, output)
}

/// Whether it is a document, and not lines for people.
pub fn is_document(output: Option<Output>) -> Option<Output> {
    output.filter(|output| matches!(output, Output::Json | Output::Yaml))
}
