//! Files that are written at the end of a long run.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Opens a file as it will be written, before the run rather than after it. What is in it stays, and one
/// that was not there is not there afterwards.
///
/// # Errors
/// When it cannot be written.
pub fn check_writable(file: &Path) -> std::io::Result<()> {
    let mut open = OpenOptions::new();
    match open.write(true).create_new(true).open(file) {
        Ok(_) => std::fs::remove_file(file),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            OpenOptions::new().append(true).open(file).map(drop)
        }
        Err(error) => Err(error),
    }
}

/// The same for one that is written beside itself and renamed, so that it is whole or as it was.
///
/// # Errors
/// When it cannot be written, or is a folder.
pub fn check_replaceable(file: &Path) -> std::io::Result<()> {
    if file.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    check_writable(&beside(file))
}

/// Where it is written first: `FILE.part`.
pub fn beside(file: &Path) -> PathBuf {
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    part.into()
}
