//! What one cell of a benchmark measured, as its program prints it, and the two statistics used on it.

use std::io::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What one program measured in one round: one line of JSON on its standard output.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Measure {
    /// Operations done well, for each second of the clock.
    pub(crate) per_second: f64,
    /// Operations done well.
    pub(crate) count: u64,
    /// Time on the clock.
    pub(crate) seconds: f64,
    /// Operations that were refused, answered wrongly or not at all.
    #[serde(default)]
    pub(crate) failed: u64,
    /// What the first failed operation was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_failure: Option<String>,
    /// Half of the operations took at most this long; `None` where only the total was timed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) p50_ms: Option<f64>,
    /// 99 of 100 operations took at most this long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) p99_ms: Option<f64>,
}

impl Measure {
    /// `count` operations in `elapsed`.
    pub(crate) fn of(count: u64, elapsed: Duration) -> Self {
        let seconds = elapsed.as_secs_f64();
        Self { per_second: as_f64(count) / seconds.max(1e-9), count, seconds, ..Self::default() }
    }

    /// Adds the latencies, in microseconds, of all operations.
    pub(crate) fn with_latencies(mut self, mut latencies_us: Vec<u32>) -> Self {
        latencies_us.sort_unstable();
        let at = |percent: usize| {
            let index = (latencies_us.len() * percent / 100).min(latencies_us.len().saturating_sub(1));
            latencies_us.get(index).map(|us| f64::from(*us) / 1_000.0)
        };
        (self.p50_ms, self.p99_ms) = (at(50), at(99));
        self
    }

    /// Prints the line.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, self)?;
        Ok(writeln!(out)?)
    }
}

/// The middle value; the mean of the two middle ones of an even number; `None` of none.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    sorted.get(sorted.len() / 2 - 1).map(|lower| f64::midpoint(*lower, upper))
}

/// A count as a number to divide by; counts here are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark stay far below 2^53")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn latencies_give_the_percentiles() {
        let measure = Measure::of(100, Duration::from_secs(2)).with_latencies((1..=100).map(|n| n * 1_000).collect());
        assert_eq!((measure.per_second, measure.p50_ms, measure.p99_ms), (50.0, Some(51.0), Some(100.0)));
    }
}
