//! How large a system disk may be.

use super::args::invalid;
use crate::error::ApiError;

/// GiB of a system disk, at most.
pub(super) const MOST: i64 = 2048;

/// GiB of a system disk, at least, by its category and performance level (API references of RunInstances and
/// CreateScalingConfiguration). An ESSD is a PL1 unless it says otherwise.
pub(super) fn least(category: Option<&str>, level: Option<&str>) -> i64 {
    match (category, level) {
        (Some("cloud_auto"), _) | (Some("cloud_essd"), Some("PL0")) => 1,
        (Some("cloud_essd"), Some("PL2")) => 461,
        (Some("cloud_essd"), Some("PL3")) => 1261,
        _ => 20,
    }
}

/// `Err` for a size that no system disk of this kind has.
pub(super) fn check(
    size: Option<i64>,
    category: Option<&str>,
    level: Option<&str>,
) -> Result<(), ApiError> {
    let least = least(category, level);
    match size {
        Some(size) if size < least => {
            let of = match (category, level) {
                (Some(category), Some(level)) => format!("a disk of {category} {level}"),
                (Some(category), None) => format!("a disk of {category}"),
                (None, _) => "a system disk that names no category".to_owned(),
            };
            let why = format!("{of} has from {least} to {MOST} GiB");
            Err(invalid("SystemDisk.Size", &why))
        }
        _ => Ok(()),
    }
}
