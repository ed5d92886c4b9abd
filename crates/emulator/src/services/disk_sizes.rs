//! How large a system disk may be.

use std::ops::RangeInclusive;

use super::args::invalid;
use crate::error::ApiError;

/// GiB of a system disk, at most.
pub(super) const MOST: i64 = 2048;

/// GiB of a system disk, by its category and performance level (SDK models of RunInstances and
/// ModifyScalingConfiguration). An ESSD is a PL1 unless it says otherwise.
fn sizes(category: Option<&str>, level: Option<&str>) -> RangeInclusive<i64> {
    match (category, level) {
        (Some("cloud"), _) => 20..=500,
        (Some("cloud_auto"), _) | (Some("cloud_essd"), Some("PL0")) => 1..=MOST,
        (Some("cloud_essd"), Some("PL2")) => 461..=MOST,
        (Some("cloud_essd"), Some("PL3")) => 1261..=MOST,
        _ => 20..=MOST,
    }
}

/// `Err` for a size that no system disk of this kind has.
pub(super) fn check(
    size: Option<i64>,
    category: Option<&str>,
    level: Option<&str>,
) -> Result<(), ApiError> {
    let sizes = sizes(category, level);
    match size {
        Some(size) if !sizes.contains(&size) => {
            let of = match (category, level) {
                (Some(category), Some(level)) => format!("a disk of {category} {level}"),
                (Some(category), None) => format!("a disk of {category}"),
                (None, _) => "a system disk that names no category".to_owned(),
            };
            let (least, most) = sizes.into_inner();
            let why = format!("{of} has from {least} to {most} GiB");
            Err(invalid("SystemDisk.Size", &why))
        }
        _ => Ok(()),
    }
}
