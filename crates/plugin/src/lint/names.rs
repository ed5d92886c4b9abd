//! What may have been meant by a misspelt name.

/// The name that is so near that it must have been meant.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let bare = bare(given);
    let distance = |name: &str| strsim::damerau_levenshtein(&bare, &self::bare(name));
    // In short words one letter makes another word.
    let tolerated = match bare.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    let distances = known.into_iter().map(|name| (distance(name), name));
    let nearest = distances.min_by_key(|(distance, _)| *distance)?;
    (nearest.0 <= tolerated).then_some(nearest.1)
}

/// The only name that the given one is a part of.
pub fn containing<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let bare = bare(given);
    let contains = |name: &&str| bare.len() >= 5 && self::bare(name).contains(&bare);
    let mut found = known.into_iter().filter(contains);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// Without what people write in one way or another.
fn bare(name: &str) -> String {
    let plain = name.chars().filter(|c| !"-_ ".contains(*c));
    plain.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_obvious_is_found_and_nothing_else() {
        let known = ["imageId", "batches", "batchSize", "name", "to"];
        for (given, meant) in [
            ("imageID", Some("imageId")),
            ("image_id", Some("imageId")),
            ("bachtes", Some("batches")),
            ("batch-size", Some("batchSize")),
            ("nmae", Some("name")),
            ("game", Some("name")),
            ("at", None),
            ("image", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, known), meant, "{given}");
        }
        let words = ["LinuxShell", "WindowsBat", "WindowsPowerShell"];
        for (given, meant) in [
            ("powershell", Some("WindowsPowerShell")),
            ("windows", None),
            ("bat", None),
        ] {
            assert_eq!(containing(given, words), meant, "{given}");
        }
    }
}
