//! What is over is kept for a while: a schedule that runs a command each second makes millions of
//! invocations in a year, and each list looks at all of them.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// So many of a kind may be there before the older half of those that are over is let go of: those
/// of many updates of the largest group.
const KEPT: usize = 20_000;

/// Makes room for one more. `ended` says whether one is over, and since when.
pub(crate) fn make_room<T>(
    kept: &mut BTreeMap<String, T>,
    ended: impl Fn(&T) -> Option<Timestamp>,
) {
    if kept.len() < KEPT {
        return;
    }
    let over = kept
        .iter()
        .filter_map(|(id, one)| Some((ended(one)?, id.clone())));
    let mut over: Vec<(Timestamp, String)> = over.collect();
    over.sort();
    for (_, id) in over.iter().take(over.len().div_ceil(2)) {
        kept.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_half_of_what_is_over_goes() {
        let mut kept: BTreeMap<String, Option<Timestamp>> = BTreeMap::new();
        let at = |n: usize| Timestamp::new(i64::try_from(n).unwrap_or_default(), 0).ok();
        for n in 0..KEPT {
            make_room(&mut kept, |ended| *ended);
            // Those that are not over are older than all others.
            kept.insert(format!("{n:05}"), at(n).filter(|_| n >= 10));
        }
        assert_eq!(kept.len(), KEPT);
        make_room(&mut kept, |ended| *ended);
        let left: Vec<&String> = kept.keys().collect();
        assert_eq!(left.len(), 10 + (KEPT - 10) / 2);
        assert_eq!((left[9], left[10]), (&"00009".into(), &"10005".into()));
    }
}
