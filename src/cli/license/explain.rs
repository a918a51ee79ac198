//! `keyledger license explain`

use std::net::IpAddr;

use clap::Args;
use uuid::Uuid;

use crate::admin::verifications;
use crate::app::App;
use crate::cli::args::TeamArg;
use crate::cli::cell;
use crate::cli::output::Output;
use crate::verification::explain::{Outcome, Question};

#[derive(Debug, Args)]
pub(in crate::cli) struct ExplainArgs {
    /// The licence key.
    key: String,
    #[command(flatten)]
    team: TeamArg,
    /// The hardware identifier that would be sent.
    #[arg(long, value_name = "TEXT")]
    device: Option<String>,
    /// The product that would be named.
    #[arg(long, value_name = "ID")]
    product: Option<Uuid>,
    /// The customer who would be named.
    #[arg(long, value_name = "ID")]
    customer: Option<Uuid>,
    /// The address that would ask.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<IpAddr>,
    /// The country that it would ask from, in two letters.
    #[arg(long, value_name = "XX")]
    country: Option<String>,
}

impl ExplainArgs {
    pub(super) async fn run(self, app: &App, output: &mut Output) -> anyhow::Result<()> {
        let question = Question {
            license_key: self.key.to_uppercase(),
            hardware_identifier: self.device,
            product_id: self.product,
            customer_id: self.customer,
            address: self.address,
            country: self.country.map(|country| country.to_uppercase()),
        };
        let explained = verifications::explain(app, self.team.team, &question).await?;
        if output.json {
            return Ok(output.document(&explained)?);
        }
        for step in &explained.steps {
            let word = match step.outcome {
                Outcome::Passes => "passes",
                Outcome::Fails => "FAILS",
                Outcome::NotReached => "-",
            };
            output.line(&format!("{:<22}  {word:<7} {}", step.check, cell::text(&step.because)))?;
        }
        output.line(&format!("{:<22}  {}: {}", "answer", explained.code, explained.details))?;
        for effect in &explained.effects {
            output.line(&format!("{:<22}  {effect}", "accepting it"))?;
        }
        Ok(())
    }
}
