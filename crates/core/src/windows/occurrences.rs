//! Spans of time in which a window is active.

/// How far ahead a change is looked for, in days: four years.
pub const HORIZON_DAYS: i64 = 4 * 365 + 1;

/// The second up to which a change is looked for from this one.
pub(super) fn horizon(at: i64) -> i64 {
    at.saturating_add(HORIZON_DAYS * 24 * 60 * 60)
}

/// Occurrences that overlap or follow each other without a gap, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) start: i64,
    pub(super) end: i64,
}

/// Puts together what is one. `starts` in order.
pub(super) fn blocks(starts: impl Iterator<Item = i64>, duration: i64) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for start in starts {
        let end = start.saturating_add(duration);
        match blocks.last_mut() {
            Some(last) if start <= last.end => last.end = end,
            _ => blocks.push(Block { start, end }),
        }
    }
    blocks
}
