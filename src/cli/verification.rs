//! `keyledger team verification`

use clap::Args;
use keyledger_events::event::team::{ReturnedFields, VerificationSettingsUpdated};
use keyledger_projections::VerificationSettings;
use serde_json::{Value, json};

use super::args::TeamArg;
use super::output::Output;
use crate::admin::{ACTOR_CLI, teams, verifications};
use crate::app::App;

/// How verifications are answered. Without a setting it shows what is in force.
#[derive(Debug, Args)]
pub(super) struct VerificationArgs {
    #[command(flatten)]
    team: TeamArg,
    /// Whether a licence that has customers wants one of them named.
    #[arg(long, value_name = "true|false")]
    strict_customers: Option<bool>,
    /// Whether a licence that has products wants one of them named.
    #[arg(long, value_name = "true|false")]
    strict_products: Option<bool>,
    /// Minutes after which an address that is not seen frees its seat; 0 for never.
    #[arg(long, value_name = "MINUTES")]
    ip_timeout_minutes: Option<u32>,
    /// Minutes after which a device that is not seen frees its seat; 0 for never.
    #[arg(long, value_name = "MINUTES")]
    hwid_timeout_minutes: Option<u32>,
    /// What accepted verifications show, all of it, as JSON: {"licenseExpirationDate":true,"productName":true}.
    #[arg(long, value_name = "JSON", value_parser = returned_fields)]
    returned_fields: Option<ReturnedFields>,
}

fn returned_fields(text: &str) -> Result<ReturnedFields, serde_json::Error> {
    serde_json::from_str(text)
}

impl VerificationArgs {
    pub(super) async fn run(self, app: &App, output: &mut Output) -> anyhow::Result<()> {
        let change = VerificationSettingsUpdated {
            strict_customers: self.strict_customers,
            strict_products: self.strict_products,
            ip_timeout_minutes: self.ip_timeout_minutes,
            hwid_timeout_minutes: self.hwid_timeout_minutes,
            returned_fields: self.returned_fields,
        };
        let settings = if change == VerificationSettingsUpdated::default() {
            teams::find(app, self.team.team).await?.verification
        } else {
            verifications::update(app, ACTOR_CLI, self.team.team, change).await?
        };
        let document = describe(&settings);
        if output.json {
            return Ok(output.document(&document)?);
        }
        for (name, value) in document.as_object().into_iter().flatten() {
            output.line(&format!("{name:<22}  {value}"))?;
        }
        Ok(())
    }
}

fn describe(settings: &VerificationSettings) -> Value {
    json!({
        "strictCustomers": settings.strict_customers,
        "strictProducts": settings.strict_products,
        "ipTimeoutMinutes": settings.ip_timeout_minutes,
        "hwidTimeoutMinutes": settings.hwid_timeout_minutes,
        "returnedFields": settings.returned_fields,
    })
}
