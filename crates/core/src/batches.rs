//! How many batches, and who is expected in which.
//!
//! OOS divides the instances itself (`Fn::CalculateBatch`); what is computed here is the
//! expectation before the start. While a task runs, membership is read from `LoopBatchNumber`.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Batches when the spec says neither `batches` nor `batchSize` (the template's own default).
pub const DEFAULT_BATCHES: i32 = 5;
/// The most batches that the templates take.
pub const MAX_BATCHES: i32 = 100;

/// The number of batches to ask OOS for.
///
/// # Errors
/// A sentence for the user, when `batchSize` cannot be met.
pub fn count(
    batches: Option<i32>,
    batch_size: Option<&IntOrString>,
    instances: usize,
) -> Result<i32, String> {
    let Some(size) = batch_size else {
        return Ok(batches.unwrap_or(DEFAULT_BATCHES));
    };
    let size = match size {
        IntOrString::Int(count) => usize::try_from(*count).unwrap_or(0),
        IntOrString::String(text) => {
            let percent = text
                .strip_suffix('%')
                .and_then(|number| number.parse().ok());
            let percent = percent.filter(|percent| (1..=100).contains(percent));
            let percent: usize = percent.ok_or_else(|| {
                format!("spec.batchSize {text:?} is no percentage from 1% to 100%")
            })?;
            // Rounded down, as maxUnavailable is, but never to nothing.
            (instances * percent / 100).max(1)
        }
    };
    if size == 0 {
        return Err("spec.batchSize must be at least 1".to_owned());
    }
    let wanted = instances.div_ceil(size).max(1);
    let count = i32::try_from(wanted).ok();
    count.filter(|count| *count <= MAX_BATCHES).ok_or_else(|| {
        format!(
            "spec.batchSize gives {wanted} batches for {instances} instances, and OOS takes at most {MAX_BATCHES}: raise it to at least {}",
            instances.div_ceil(100)
        )
    })
}

/// The expected sizes: an even split, the first batches one larger where it does not come out.
pub fn sizes(instances: usize, batches: i32) -> Vec<usize> {
    let batches = usize::try_from(batches)
        .unwrap_or(1)
        .clamp(1, instances.max(1));
    let (base, larger) = (instances / batches, instances % batches);
    (0..batches)
        .map(|index| base + usize::from(index < larger))
        .filter(|size| *size > 0)
        .collect()
}

/// The batch, from 1, that each instance is expected in, in list order.
pub fn assign(instances: usize, batches: i32) -> Vec<i32> {
    sizes(instances, batches)
        .into_iter()
        .zip(1..)
        .flat_map(|(size, batch)| std::iter::repeat_n(batch, size))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_split_is_even_with_the_larger_batches_first() {
        assert_eq!(sizes(7, 3), [3, 2, 2]);
        assert_eq!(sizes(4, 5), [1, 1, 1, 1]);
        assert_eq!(sizes(10, 2), [5, 5]);
        assert_eq!(sizes(0, 5), Vec::<usize>::new());
        assert_eq!(assign(3, 2), [1, 1, 2]);
    }

    #[test]
    fn a_size_that_needs_too_many_batches_names_the_smallest_that_works() {
        let error = count(None, Some(&IntOrString::Int(1)), 1000).unwrap_err();
        assert!(error.contains("at least 10"), "{error}");
        assert_eq!(count(None, Some(&IntOrString::Int(10)), 1000), Ok(100));
    }

    proptest! {
        #![proptest_config(crate::seeded::config(256))]

        #[test]
        fn no_batch_is_larger_than_the_size_asked_for(instances in 1usize..1000, size in 1i32..1000) {
            if let Ok(batches) = count(None, Some(&IntOrString::Int(size)), instances) {
                let sizes = sizes(instances, batches);
                prop_assert_eq!(sizes.iter().sum::<usize>(), instances);
                prop_assert!(sizes.iter().all(|s| *s <= size as usize));
            }
        }

        #[test]
        fn every_instance_is_in_a_batch(instances in 0usize..1000, batches in 1i32..=100) {
            let assigned = assign(instances, batches);
            prop_assert_eq!(assigned.len(), instances);
            prop_assert!(assigned.is_sorted());
            prop_assert!(assigned.iter().all(|b| (1..=batches).contains(b)));
        }
    }
}
