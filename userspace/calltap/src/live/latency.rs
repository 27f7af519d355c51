//! A latency as people and as Prometheus read it: percentiles, and a histogram of fixed steps.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::summary::Percentiles;

/// Upper edges of the histogram's steps, in microseconds: a media packet follows 20 ms behind.
pub const EDGES_US: [u64; 13] =
    [10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000];

/// Percentiles and histogram, since the capture began.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Latency {
    /// Percentiles, in microseconds.
    #[serde(flatten)]
    pub percentiles: Percentiles,
    /// The sum of all, in microseconds.
    pub sum_us: f64,
    /// How many were not above each edge of [`EDGES_US`].
    pub up_to_us: Vec<(u64, u64)>,
}

impl Latency {
    /// Of nothing.
    pub fn none() -> Self {
        Self { up_to_us: EDGES_US.iter().map(|edge| (*edge, 0)).collect(), ..Self::default() }
    }

    /// Of a histogram of nanoseconds; none of an empty one.
    pub fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let percentiles = Percentiles::of(histogram)?;
        let mut latency = Self { percentiles, ..Self::none() };
        for value in histogram.iter_recorded() {
            let (ns, count) = (value.value_iterated_to(), value.count_at_value());
            latency.sum_us += ns as f64 / 1e3 * count as f64;
            let above = latency.up_to_us.iter_mut().filter(|(edge, _)| ns <= *edge * 1_000);
            above.for_each(|(_, sum)| *sum += count);
        }
        Some(latency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_below_the_edges_above_it() {
        let mut histogram = Histogram::new(3).unwrap();
        assert!(Latency::of(&histogram).is_none());
        for us in [5_u64, 30, 30, 700, 2_000_000] {
            histogram.record(us * 1000).unwrap();
        }
        let latency = Latency::of(&histogram).unwrap();
        let below = |edge: u64| latency.up_to_us.iter().find(|(it, _)| *it == edge).unwrap().1;
        assert_eq!([10, 25, 50, 500, 1_000, 100_000].map(below), [1, 1, 3, 3, 4, 4]);
        assert_eq!(latency.percentiles.count, 5);
        let expected = 5.0 + 30.0 + 30.0 + 700.0 + 2e6;
        assert!((latency.sum_us - expected).abs() < expected * 2e-3, "{}", latency.sum_us);
    }
}
