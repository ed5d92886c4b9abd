//! What is read: files, folders, standard input.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::yaml::Broken;

/// The most bytes of a file. An apiserver takes 3 MiB of one object.
const BYTES_MAX: u64 = 32 << 20;

/// A file, or what keeps it from being read.
pub struct Source {
    /// As it was named, below the folder that was named.
    pub name: String,
    /// What is in it, or why that is not known, and the cure.
    pub text: Result<String, Broken>,
}

/// What these arguments name: `-` is standard input, and of a folder all YAML and JSON files below it, in the order of their
/// names. One that is named twice is read once.
pub fn read(arguments: &[PathBuf]) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for argument in arguments {
        let mut found = Vec::new();
        if argument.as_os_str() == "-" {
            let text = bounded(std::io::stdin().lock());
            found.push(source("-".to_owned(), text));
        } else if argument.is_dir() {
            below(argument, &mut found);
        } else {
            found.push(file(argument));
        }
        let new = |one: &Source| sources.iter().all(|other| other.name != one.name);
        let new: Vec<Source> = found.into_iter().filter(new).collect();
        sources.extend(new);
    }
    sources
}

/// Links to folders are not followed: they may lead in a circle.
fn below(folder: &Path, found: &mut Vec<Source>) {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => {
            found.push(source(folder.display().to_string(), Err(error)));
            return;
        }
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            below(&path, found);
        } else if is_manifest(&path) && !path.is_dir() {
            found.push(file(&path));
        }
    }
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| {
        ["yaml", "yml", "json"]
            .iter()
            .any(|k| e.eq_ignore_ascii_case(k))
    })
}

fn file(path: &Path) -> Source {
    let text = fs::File::open(path).and_then(bounded);
    source(path.display().to_string(), text)
}

fn bounded(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn source(name: String, bytes: std::io::Result<Vec<u8>>) -> Source {
    let text = match bytes {
        Err(error) => Err(Broken {
            line: 0,
            message: format!("cannot be read: {error}"),
        }),
        Ok(bytes) => text(bytes),
    };
    Source { name, text }
}

fn text(bytes: Vec<u8>) -> Result<String, Broken> {
    if bytes.len() as u64 > BYTES_MAX {
        let message = format!(
            "has more than {} MiB, which no apiserver takes: name the files that hold manifests",
            BYTES_MAX >> 20
        );
        return Err(Broken { line: 0, message });
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let message = "is not UTF-8 from here on: save it as UTF-8".to_owned();
        Broken { line, message }
    })?;
    // Editors of Windows put a byte order mark there.
    match text.strip_prefix('\u{feff}') {
        Some(rest) => Ok(rest.to_owned()),
        None => Ok(text),
    }
}
