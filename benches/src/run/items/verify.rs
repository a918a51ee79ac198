//! Verifications that change nothing, beside a bare server that reads the question and says the very same; and how
//! long they take at a load that the server can bear.

use super::references::{CONNECTIONS, REFERENCE_PER_SECOND};
use super::webhooks::failures;
use crate::measure::{Measure, median};
use crate::run::context::Context;
use crate::run::item::{Bar, Row, rates, rounds};
use crate::run::keyledger::Load;
use crate::run::verified::Verified;

/// Licences that are asked about.
pub(super) const LICENSES: u64 = 1_000;
/// The share of the load that was reached at which the time of an answer is judged.
const BEARABLE: f64 = 0.7;

pub(super) fn measure(context: &Context) -> anyhow::Result<Vec<Row>> {
    let ours = Verified::make(context, "verify", LICENSES)?;
    let answer = context.folder("answer")?.join("answer.json");
    std::fs::write(&answer, ours.answer()?)?;
    let bare = context.serve(&["reference-http", "--mode", "same", "--answer", &answer.to_string_lossy()])?;

    let load = load(context, "verify");
    let pairs = rounds(context, |_| ours.load(context, &load), |_| context.load(&bare.url, &load))?;
    let reached: Vec<f64> = pairs.iter().map(|(ours, _)| ours.per_second).collect();
    let rate = BEARABLE * median(&reached).unwrap_or_default();
    let bearable = Load { rate: Some(rate), ..load };
    let paced = rounds(context, |_| ours.load(context, &bearable), |_| context.load(&bare.url, &bearable))?;

    let all = || pairs.iter().chain(&paced).map(|(ours, _)| ours);
    let p99 = |measures: Vec<&Measure>| measures.iter().filter_map(|measure| measure.p99_ms).collect();
    Ok(vec![
        Row::ratio("verify / bare", "req/s", &rates(&pairs), Bar::RatioAtLeast(0.30)).noting(all()),
        failures("verify failed", all()),
        Row::value(
            "verify p99 at 70 % of that",
            "ms",
            p99(paced.iter().map(|(ours, _)| ours).collect()),
            Bar::Below(10.0),
        ),
        // What the machine and the generator have to do with it.
        Row::value("bare p99 at the same load", "ms", p99(paced.iter().map(|(_, bare)| bare).collect()), Bar::None),
    ])
}

/// One cell of questions about [`LICENSES`] licences.
pub(super) fn load<'a>(context: &Context, kind: &'a str) -> Load<'a> {
    Load {
        kind,
        connections: CONNECTIONS,
        count: context.requests(REFERENCE_PER_SECOND),
        seconds: context.seconds,
        first: 0,
        buyers: LICENSES,
        rate: None,
    }
}
