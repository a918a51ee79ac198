//! An item, its rows, and how a row is judged.

use serde::Serialize;

use super::context::Context;
use crate::measure::{Measure, median};

/// Something that can be measured by name.
pub(crate) struct Item {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) measure: fn(&Context) -> anyhow::Result<Vec<Row>>,
}

/// What a row must reach.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bar {
    /// Nothing; it is shown for comparison.
    None,
    /// The median ratio is at least this.
    RatioAtLeast(f64),
    /// Ours is below this.
    Below(f64),
    /// Ours is at most this.
    AtMost(f64),
}

/// A line of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    /// Each round's figure; the table shows the median.
    pub(crate) ours: Vec<f64>,
    pub(crate) reference: Vec<f64>,
    /// Each round's ours / reference.
    pub(crate) ratios: Vec<f64>,
    pub(crate) ratio: Option<f64>,
    pub(crate) bar: Bar,
    pub(crate) ok: bool,
    /// Why it could not be measured, or what went wrong on the way.
    pub(crate) note: Option<String>,
}

impl Row {
    /// Ours beside a reference, round by round.
    pub(crate) fn ratio(name: &str, unit: &'static str, pairs: &[(f64, f64)], bar: Bar) -> Self {
        let ratios: Vec<f64> = pairs.iter().map(|(ours, reference)| ours / reference.max(1e-9)).collect();
        let (ours, reference) = pairs.iter().copied().unzip();
        let ratio = median(&ratios);
        Self { name: name.to_owned(), unit, ours, reference, ratio, ratios, bar, ok: false, note: None }.judged()
    }

    /// A figure of ours alone, round by round.
    pub(crate) fn value(name: &str, unit: &'static str, ours: Vec<f64>, bar: Bar) -> Self {
        let (reference, ratios) = (Vec::new(), Vec::new());
        Self { name: name.to_owned(), unit, ours, reference, ratios, ratio: None, bar, ok: false, note: None }.judged()
    }

    /// An item that could not be measured.
    pub(crate) fn failed(name: &str, error: &anyhow::Error) -> Self {
        let mut row = Self::value(name, "", Vec::new(), Bar::None);
        (row.ok, row.note) = (false, Some(format!("{error:#}")));
        row
    }

    /// With the first failure of a load, if there was one.
    pub(crate) fn noting<'a>(mut self, measures: impl IntoIterator<Item = &'a Measure>) -> Self {
        self.note = measures.into_iter().find_map(|measure| measure.first_failure.clone());
        self
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.ok
    }

    fn judged(mut self) -> Self {
        let ours = median(&self.ours);
        self.ok = match self.bar {
            Bar::None => true,
            Bar::RatioAtLeast(bar) => self.ratio.is_some_and(|ratio| ratio >= bar),
            Bar::Below(bar) => ours.is_some_and(|ours| ours < bar),
            Bar::AtMost(bar) => ours.is_some_and(|ours| ours <= bar),
        };
        self
    }
}

/// Takes both measures in every round; which one goes first changes, so that neither always follows the other.
pub(crate) fn rounds(
    context: &Context,
    mut ours: impl FnMut(u32) -> anyhow::Result<Measure>,
    mut reference: impl FnMut(u32) -> anyhow::Result<Measure>,
) -> anyhow::Result<Vec<(Measure, Measure)>> {
    let mut pairs = Vec::new();
    for round in 0..context.rounds {
        pairs.push(if round % 2 == 0 {
            let first = reference(round)?;
            (ours(round)?, first)
        } else {
            (ours(round)?, reference(round)?)
        });
    }
    Ok(pairs)
}

/// The rates of each round.
pub(crate) fn rates(pairs: &[(Measure, Measure)]) -> Vec<(f64, f64)> {
    pairs.iter().map(|(ours, reference)| (ours.per_second, reference.per_second)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_the_ratios_is_judged_not_the_ratio_of_the_medians() {
        let row = Row::ratio("x", "", &[(1.0, 10.0), (3.0, 1.0), (4.0, 2.0)], Bar::RatioAtLeast(2.0));
        assert_eq!((row.ratio, row.ok), (Some(2.0), true));
        assert!(!Row::ratio("x", "", &[(1.0, 10.0)], Bar::RatioAtLeast(0.2)).ok);
        assert!(!Row::value("x", "", vec![50.0], Bar::Below(50.0)).ok);
        assert!(Row::value("x", "", vec![0.0], Bar::AtMost(0.0)).ok);
        assert!(!Row::value("x", "", Vec::new(), Bar::Below(50.0)).ok);
    }
}
