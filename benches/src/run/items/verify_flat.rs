//! Growth: verifications with 100,000 licences that are all in use, beside the same with 1,000.

use super::verify::load;
use super::webhooks::failures;
use crate::run::context::Context;
use crate::run::item::{Bar, Row, rates, rounds};
use crate::run::keyledger::Load;
use crate::run::verified::Verified;

pub(super) fn measure(context: &Context) -> anyhow::Result<Vec<Row>> {
    let (many, few) = (context.scaled(100_000), context.scaled(1_000));
    let large = Verified::make(context, "verify-large", many)?;
    let small = Verified::make(context, "verify-small", few)?;
    let load = load(context, "verify");
    let pairs = rounds(
        context,
        |_| large.load(context, &Load { buyers: many, ..load }),
        |_| small.load(context, &Load { buyers: few, ..load }),
    )?;
    let all = || pairs.iter().flat_map(|(ours, reference)| [ours, reference]);
    Ok(vec![
        Row::ratio("verify, 100k / 1k licences", "req/s", &rates(&pairs), Bar::RatioAtLeast(0.9)).noting(all()),
        failures("verify, 100k and 1k, failed", all()),
    ])
}
