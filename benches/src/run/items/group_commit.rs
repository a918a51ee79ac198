//! Group commit, with a millisecond added to every sync: many connections must share their commits. The reference is
//! ourselves with one connection.

use super::references::CONNECTIONS;
use super::webhooks::ours;
use crate::run::context::Context;
use crate::run::item::{Bar, Row, rates, rounds};
use crate::run::keyledger::{Disk, Ledger};

pub(super) fn measure(context: &Context) -> anyhow::Result<Vec<Row>> {
    let template = Ledger::make(context, "template-slow")?;
    let fake = context.serve(&["fake-stripe", "--product", &template.product])?;
    template.connect_stripe(context, &fake.url)?;
    let row = |kind: &str| {
        let pairs = rounds(
            context,
            |_| ours(context, &template, kind, CONNECTIONS, Disk::Slow),
            |_| ours(context, &template, kind, 1, Disk::Slow),
        )?;
        let name = format!("{kind}, slow sync, 64 / 1 conn.");
        anyhow::Ok(
            Row::ratio(&name, "req/s", &rates(&pairs), Bar::RatioAtLeast(10.0))
                .noting(pairs.iter().map(|(ours, _)| ours)),
        )
    };
    Ok(vec![row("stripe")?, row("polymart")?])
}
