//! The HTTP references beside each other: what a signature, a parse and a durable row cost on this machine. They have
//! no bar; they show whether the machine is in a state to be measured on.

use crate::measure::Measure;
use crate::run::context::Context;
use crate::run::item::{Bar, Row};
use crate::run::keyledger::Load;

/// Requests a second that no reference here exceeds for long.
pub(super) const REFERENCE_PER_SECOND: u32 = 90_000;
/// Connections of the items that serve.
pub(super) const CONNECTIONS: u32 = 64;

pub(super) fn measure(context: &Context) -> anyhow::Result<Vec<Row>> {
    let mut rates = Vec::new();
    for _ in 0..context.rounds {
        let cell = |mode| Ok::<_, anyhow::Error>(reference(context, mode, "polymart", CONNECTIONS)?.per_second);
        rates.push((cell("bare")?, cell("hmac")?, cell("durable")?));
    }
    let to_bare =
        |pick: fn(&(f64, f64, f64)) -> f64| rates.iter().map(|round| (pick(round), round.0)).collect::<Vec<_>>();
    Ok(vec![
        Row::ratio("reference hmac / bare", "req/s", &to_bare(|round| round.1), Bar::None),
        Row::ratio("reference durable / bare", "req/s", &to_bare(|round| round.2), Bar::None),
    ])
}

/// One cell of a reference, on a server and a database of its own.
pub(super) fn reference(context: &Context, mode: &str, kind: &str, connections: u32) -> anyhow::Result<Measure> {
    let folder = context.folder("reference")?;
    let server = context.serve(&["reference-http", "--mode", mode, "--db", &folder.to_string_lossy()])?;
    let load = Load {
        kind,
        connections,
        count: context.requests(REFERENCE_PER_SECOND),
        seconds: context.seconds,
        first: 0,
        buyers: 1,
        rate: None,
    };
    context.load(&server.url, &load)
}
