//! Whether an id, or a pattern of ids, may mean anything.

/// Whether an id looks like those that are made up during a run, and are the same in each run: 16
/// hexadecimal digits.
pub(crate) fn is_made_up(id: &str) -> bool {
    id.rsplit_once('-').is_some_and(|(_, digits)| {
        digits.len() == 16 && digits.chars().all(|c| c.is_ascii_hexdigit())
    })
}

/// Whether a pattern may mean something: one with `*` may mean what is made up during the run.
pub(crate) fn may_mean(pattern: Option<&String>, is_there: impl Fn(&str) -> bool) -> bool {
    pattern.is_none_or(|id| {
        // Patterns do not go by the case of letters, and ids of the services are in small ones.
        let is_described = is_there(id) || is_there(&id.to_ascii_lowercase());
        id.contains('*') || is_made_up(id) || is_described
    })
}
