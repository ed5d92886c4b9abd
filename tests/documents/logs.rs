//! The page of the log's keys, beside the lines that the programs log.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Result, ensure};
use ess_rollout_test_support::source_root;

/// The arguments of each line of the log in a source file, spans among them. What only tests log is left out.
fn log_lines(source: &str) -> Vec<Vec<String>> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut lines = Vec::new();
    for level in ["error", "warn", "info", "debug", "trace", "info_span"] {
        for rest in source.split(&format!("tracing::{level}!(")).skip(1) {
            let (mut depth, mut quoted, mut escaped) = (1, false, false);
            let mut arguments = vec![String::new()];
            for c in rest.chars() {
                match c {
                    _ if escaped => escaped = false,
                    '\\' if quoted => escaped = true,
                    '"' => quoted = !quoted,
                    _ if quoted => {}
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth -= 1,
                    ',' if depth == 1 => {
                        arguments.push(String::new());
                        continue;
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
                if let Some(last) = arguments.last_mut() {
                    last.push(c);
                }
            }
            let code = |argument: String| {
                let lines = argument.lines().map(str::trim);
                let code = lines.filter(|line| !line.starts_with("//"));
                code.collect::<Vec<_>>().join(" ").trim().to_owned()
            };
            let arguments = arguments.into_iter().map(code);
            lines.push(arguments.filter(|a| !a.is_empty()).collect());
        }
    }
    lines
}

fn sources(directory: &std::path::Path, found: &mut Vec<std::path::PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

#[test]
fn the_page_of_logs_has_each_key_and_no_other_and_a_message_is_constant() -> Result<()> {
    let root = source_root();
    let mut files = Vec::new();
    for directory in ["src", "crates/aliyun/src"] {
        sources(&root.join(directory), &mut files)?;
    }
    // Of every line.
    let mut keys: BTreeSet<String> = ["ts", "level", "msg", "target"].map(str::to_owned).into();
    let mut lines = 0;
    for file in files.iter().filter(|f| !f.ends_with("tests.rs")) {
        for arguments in log_lines(&fs::read_to_string(file)?) {
            lines += 1;
            for argument in arguments {
                if argument.starts_with('"') {
                    ensure!(
                        !argument.contains('{'),
                        "{}: something is put into the message {argument}",
                        file.display()
                    );
                    continue;
                }
                let key = argument.split(" = ").next().unwrap_or_default();
                keys.insert(key.trim_start_matches(['%', '?']).to_owned());
            }
        }
    }
    ensure!(lines > 40, "found {lines} lines of the log");
    let page = fs::read_to_string(root.join("docs/logs.md"))?;
    let table = page.split("\n## Keys").nth(1).unwrap_or_default();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let first = rows.filter_map(|row| row.split(" | ").next());
    let documented: BTreeSet<String> = first
        .flat_map(|cell| cell.split(['`', ',', ' ']))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    ensure!(
        keys == documented,
        "docs/logs.md lacks {:?} and has {:?}, which there are not",
        keys.difference(&documented).collect::<Vec<_>>(),
        documented.difference(&keys).collect::<Vec<_>>()
    );
    Ok(())
}
