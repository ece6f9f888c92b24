//! Medians and quantiles of samples.

/// Returns the median, which is the mean of the two in the middle of an even number; NaN of no samples.
pub(crate) fn median(samples: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = samples.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.as_slice() {
        [] => f64::NAN,
        odd if odd.len() % 2 == 1 => odd[middle],
        even => (even[middle - 1] + even[middle]) / 2.0,
    }
}

/// Returns the smallest sample that is at least as large as the share `q` of all samples, which are sorted; NaN of no
/// samples.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let rank = (sorted.len() as f64 * q).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_the_middle_or_the_mean_of_the_middle_two() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]), 2.5);
        assert!(median([]).is_nan());
    }

    #[test]
    fn quantile_is_a_sample_with_that_share_of_samples_up_to_it() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!([0.5, 0.99, 1.0].map(|q| quantile(&hundred, q)), [50.0, 99.0, 100.0]);
        assert_eq!(quantile(&[7.0], 0.5), 7.0);
        assert_eq!(quantile(&[7.0], 0.0), 7.0);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
