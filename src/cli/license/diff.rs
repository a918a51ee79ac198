//! `keyledger license diff`

use clap::Args;
use serde_json::Value;

use crate::admin::as_of::AsOf;
use crate::admin::licenses::{KeyShown, diff};
use crate::app::App;
use crate::cli::args::AnyTeamArg;
use crate::cli::cell;
use crate::cli::output::{Output, note};

#[derive(Debug, Args)]
pub(in crate::cli) struct DiffArgs {
    /// The licence's id or its key.
    id_or_key: String,
    #[command(flatten)]
    team: AnyTeamArg,
    /// The earlier moment: a time like 2026-01-31T12:00:00Z, or a position.
    #[arg(long, value_name = "TIME|POSITION")]
    from: AsOf,
    /// The later moment.
    #[arg(long, value_name = "TIME|POSITION")]
    to: AsOf,
}

impl DiffArgs {
    pub(super) async fn run(self, app: &App, output: &mut Output) -> anyhow::Result<()> {
        let moments = (self.from, self.to);
        let diff = diff(app, self.team.team, &self.id_or_key, moments, KeyShown::Open).await?;
        if output.json {
            return Ok(output.document(&diff)?);
        }
        if diff.from.license.is_none() && diff.to.license.is_none() {
            note("the licence was not issued yet, then and then");
        }
        let mut table = cell::table(&["FIELD", "THEN", "LATER"]);
        for change in &diff.changes {
            table.add_row([change.field.clone(), value(&change.from), value(&change.to)]);
        }
        output.table(&table, "nothing is different")?;
        for entry in &diff.events {
            let (position, at) = (entry.event.position, cell::time(entry.event.recorded_at));
            let because = entry.because.as_ref().map(|it| format!(" ({})", it.provider_event_id)).unwrap_or_default();
            output.line(&format!("{position:>8}  {at}  {}{}", cell::text(&entry.what), cell::text(&because)))?;
        }
        Ok(())
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => cell::text(text),
        other => cell::text(&other.to_string()),
    }
}
