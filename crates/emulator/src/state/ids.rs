//! Identifiers that look random and are not: the same seed and the same calls give the same ids. What is only asked meanwhile
//! makes no difference to the ids of what there is.

/// Gives out ids. Every id of a run is different, because the mixing step is a bijection of a
/// counter.
#[derive(Debug, Clone)]
pub struct Ids {
    seed: u64,
    count: u64,
    requests: u64,
    refused: u64,
}

/// Keeps the numbers of requests apart from those of everything else.
const REQUESTS: u64 = 1 << 63;

/// Keeps the numbers of requests that never became calls apart from both: a replay of a recording
/// does not have them, and its other requests have the same ids all the same.
const REFUSED: u64 = 1 << 62;

/// A bijection.
fn mixed(seed: u64, number: u64) -> u64 {
    let mut x = seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

impl Ids {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            count: 0,
            requests: REQUESTS,
            refused: REFUSED,
        }
    }

    /// `prefix` plus 16 hexadecimal digits.
    pub fn id(&mut self, prefix: &str) -> String {
        self.count = self.count.wrapping_add(1);
        format!("{prefix}{:016x}", mixed(self.seed, self.count))
    }

    /// A request id: an upper-case UUID shape, as every service answers it.
    pub fn request_id(&mut self) -> String {
        uuid(self.seed, &mut self.requests)
    }

    /// The id of a request that is refused before it is a call: a bad signature, no action.
    pub fn refused_request_id(&mut self) -> String {
        uuid(self.seed, &mut self.refused)
    }
}

fn uuid(seed: u64, counter: &mut u64) -> String {
    let mut next = || {
        *counter = counter.wrapping_add(1);
        mixed(seed, *counter)
    };
    let (a, b) = (next(), next());
    format!(
        "{:08X}-{:04X}-{:04X}-{:04X}-{:012X}",
        a >> 32,
        (a >> 16) & 0xFFFF,
        a & 0xFFFF,
        b >> 48,
        b & 0xFFFF_FFFF_FFFF
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_differ_within_a_run_and_agree_between_runs() {
        let (mut a, mut b) = (Ids::new(7), Ids::new(7));
        let ids: BTreeSet<_> = (0..1000).map(|_| a.id("i-")).collect();
        assert_eq!(ids.len(), 1000);
        assert!((0..1000).all(|_| ids.contains(&b.id("i-"))));
        b.request_id();
        assert_eq!(a.id("i-"), b.id("i-"));
        let refused = b.refused_request_id();
        a.request_id();
        let (next, same) = (a.request_id(), b.request_id());
        assert_eq!(next, same, "a refused request takes no id of the others");
        assert_ne!(refused, same);
        assert_ne!(Ids::new(8).id("i-"), Ids::new(7).id("i-"));
    }
}
