//! What may have been meant by a misspelt name.

use strsim::osa_distance;

/// The known name that is one slip away: a letter too many, too few, another one or two exchanged, or
/// the case of letters.
pub(super) fn nearest<'k>(
    given: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<&'k str> {
    let given = given.to_lowercase();
    // In short words one letter makes another word.
    let tolerated = usize::from(given.chars().count() > 2);
    let distances = known
        .into_iter()
        .map(|name| (osa_distance(&given, &name.to_lowercase()), name));
    let (distance, name) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= tolerated).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn one_slip_is_found_and_another_word_is_none() {
        let known = ["product", "name", "id"];
        for (given, meant) in [
            ("prodcut", Some("product")),
            ("Product", Some("product")),
            ("names", Some("name")),
            ("is", None),
            ("ID", Some("id")),
            ("produkts", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, known), meant, "{given}");
        }
    }
}
