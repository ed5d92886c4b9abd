//! Identifiers that look random and are not: the same seed and the same calls give the same ids.

/// Gives out ids. Every id of a run is different, because the mixing step is a bijection of a
/// counter.
#[derive(Debug, Clone)]
pub struct Ids {
    seed: u64,
    count: u64,
}

impl Ids {
    pub fn new(seed: u64) -> Self {
        Self { seed, count: 0 }
    }

    fn next(&mut self) -> u64 {
        self.count = self.count.wrapping_add(1);
        let mut x = self
            .seed
            .wrapping_add(self.count.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    /// `prefix` plus 16 hexadecimal digits.
    pub fn id(&mut self, prefix: &str) -> String {
        format!("{prefix}{:016x}", self.next())
    }

    /// A request id: an upper-case UUID shape, as every service answers it.
    pub fn request_id(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08X}-{:04X}-{:04X}-{:04X}-{:012X}",
            a >> 32,
            (a >> 16) & 0xFFFF,
            a & 0xFFFF,
            b >> 48,
            b & 0xFFFF_FFFF_FFFF
        )
    }
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
        assert_ne!(Ids::new(8).id("i-"), Ids::new(7).id("i-"));
    }
}
