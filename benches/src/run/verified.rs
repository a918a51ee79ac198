//! Licences in use: a ledger of them, and a server that has seen each with its device.

use std::time::Duration;

use anyhow::ensure;

use super::context::Context;
use super::keyledger::{Disk, Ledger, Load};
use super::process::Running;
use crate::load::question;
use crate::measure::Measure;

/// How long a pass over all licences may take, in seconds.
const PASS_SECONDS: f64 = 240.0;
/// Connections of a pass.
const CONNECTIONS: u32 = 64;
/// After a load the server writes down within a second what it noted; whoever is measured next is not to pay for it.
const SETTLE: Duration = Duration::from_millis(1_500);

/// A server whose licences all have their device.
pub(crate) struct Verified {
    ledger: Ledger,
    server: Running,
    licenses: u64,
}

impl Verified {
    /// Makes the ledger, serves it, and lets every licence's device take its seat.
    pub(crate) fn make(context: &Context, name: &str, licenses: u64) -> anyhow::Result<Self> {
        let ledger = ledger(context, name, licenses)?;
        let server = ledger.serve(context, Disk::Native)?;
        let verified = Self { ledger, server, licenses };
        let measure = verified.load(context, &pass(licenses, licenses))?;
        ensure!(
            measure.count == licenses,
            "only {} of {licenses} licences were verified in {PASS_SECONDS} s; {}",
            measure.count,
            measure.first_failure.unwrap_or_default()
        );
        verified.server.wait_ready()?;
        Ok(verified)
    }

    /// Asks it.
    pub(crate) fn load(&self, context: &Context, load: &Load<'_>) -> anyhow::Result<Measure> {
        let measure = self.ledger.load(context, &self.server, load)?;
        std::thread::sleep(SETTLE);
        Ok(measure)
    }

    /// The body of one answer.
    pub(crate) fn answer(&self) -> anyhow::Result<String> {
        let path = format!("/api/v1/client/teams/{}/verification/verify", self.ledger.team);
        let answer = self.server.post(&path, &question(0, self.licenses, false))?;
        ensure!(answer.contains(r#""code":"VALID""#), "a verification was answered {answer}");
        Ok(answer)
    }
}

/// A ledger with so many licences that nobody has used yet.
pub(crate) fn ledger(context: &Context, name: &str, licenses: u64) -> anyhow::Result<Ledger> {
    let ledger = Ledger::make(context, name)?;
    let (db, count) = (ledger.folder.to_string_lossy(), licenses.to_string());
    let owner = ["--team", &ledger.team, "--product", &ledger.product];
    context.measure(&[&["fill", "--db", &db, "--licenses", &count][..], &owner].concat())?;
    Ok(ledger)
}

/// A question about each of `count` different licences of so many.
pub(crate) fn pass(count: u64, licenses: u64) -> Load<'static> {
    Load {
        kind: "verify",
        connections: CONNECTIONS,
        count,
        seconds: PASS_SECONDS,
        first: 0,
        buyers: licenses,
        rate: None,
    }
}
