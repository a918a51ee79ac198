//! `keyledger report …`

use clap::{Args, Subcommand, ValueEnum};
use keyledger_events::{Position, TeamId, Timestamp};
use keyledger_projections::Outcome;
use serde_json::json;

use super::args::{AnyTeamArg, time};
use super::cell;
use super::global::{Global, Reads, usage};
use super::output::{Output, note};
use crate::admin::reports::licenses::{LicenseReport, report};
use crate::admin::reports::purchases::{self, COLUMNS, Period, ROWS_MAX, Row};
use crate::admin::reports::{Month, Months, csv};
use crate::admin::teams;
use crate::app::App;

#[derive(Debug, Subcommand)]
pub(super) enum ReportCommand {
    /// Licences issued, renewed, ended, run out, refunded and revoked, by product and month (UTC) of when it happened.
    Licenses(LicensesArgs),
    /// Purchases against licences: each provider event, what came of it, and the licences it touched.
    Purchases(PurchasesArgs),
}

#[derive(Debug, Args)]
pub(super) struct LicensesArgs {
    #[command(flatten)]
    team: AnyTeamArg,
    /// One month, as 2026-01 [default: this month].
    #[arg(long, value_name = "MONTH", conflicts_with_all = ["from", "until"])]
    month: Option<Month>,
    /// The first month of several.
    #[arg(long, value_name = "MONTH", requires = "until")]
    from: Option<Month>,
    /// The last month of several.
    #[arg(long, value_name = "MONTH", requires = "from")]
    until: Option<Month>,
    /// As comma-separated values for a spreadsheet.
    #[arg(long)]
    csv: bool,
}

#[derive(Debug, Args)]
pub(super) struct PurchasesArgs {
    #[command(flatten)]
    team: AnyTeamArg,
    /// Only what came in in this month (UTC), as 2026-01.
    #[arg(long, value_name = "MONTH", conflicts_with_all = ["from", "until"])]
    month: Option<Month>,
    /// Only what came in at this time or later.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Only what came in before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Only what ended so.
    #[arg(long)]
    outcome: Option<OutcomeArg>,
    /// As comma-separated values for a spreadsheet.
    #[arg(long)]
    csv: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OutcomeArg {
    /// Not concluded yet.
    Pending,
    /// It had its effect.
    Applied,
    /// We have no use for it.
    Ignored,
    /// It cannot be honoured, or not all of it.
    Rejected,
}

impl From<OutcomeArg> for Outcome {
    fn from(outcome: OutcomeArg) -> Self {
        match outcome {
            OutcomeArg::Pending => Self::Pending,
            OutcomeArg::Applied => Self::Applied,
            OutcomeArg::Ignored => Self::Ignored,
            OutcomeArg::Rejected => Self::Rejected,
        }
    }
}

impl ReportCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let csv = match &self {
            Self::Licenses(args) => args.csv,
            Self::Purchases(args) => args.csv,
        };
        if csv && global.json {
            usage(&"--csv and --json are two forms of the same report; give one of them");
        }
        global
            .with_app(Reads::Views, async |app, output| match self {
                Self::Licenses(args) => licenses(app, &args, output).await,
                Self::Purchases(args) => against_licenses(app, &args, output).await,
            })
            .await
    }
}

async fn licenses(app: &App, args: &LicensesArgs, output: &mut Output) -> anyhow::Result<()> {
    let months = match (args.from, args.until) {
        (Some(first), Some(last)) => Months { first, last },
        _ => Months::one(args.month.unwrap_or_else(|| Month::of(app.clock.now()))),
    };
    if months.count() == 0 {
        usage(&format!("--until {} is before --from {}", months.last, months.first));
    }
    let report = report(app, teams::one(app, args.team.team).await?, months).await?;
    if output.json {
        return Ok(output.document(&report)?);
    }
    if args.csv {
        return Ok(output.text(&report.csv())?);
    }
    print(&report, output)
}

fn print(report: &LicenseReport, output: &mut Output) -> anyhow::Result<()> {
    let columns =
        ["MONTH", "PRODUCT", "ISSUED", "RENEWED", "ENDED", "EXPIRED", "REFUNDED", "IN FULL", "REVOKED", "PRODUCT ID"];
    let mut table = cell::table(&columns);
    for row in &report.rows {
        let product = row.product.as_deref().map_or_else(|| "(none)".to_owned(), cell::text);
        let id = row.product_id.map(|id| id.to_string()).unwrap_or_default();
        let mut cells = vec![row.month.to_string(), product];
        cells.extend(row.counts.figures().map(|figure| figure.to_string()));
        cells.push(id);
        table.add_row(cells);
    }
    for total in &report.totals {
        let mut cells = vec![total.month.to_string(), "all together".to_owned()];
        cells.extend(total.counts.figures().map(|figure| figure.to_string()));
        table.add_row(cells);
    }
    output.table(&table, "nothing happened to licences then")?;
    note(
        "a month is told by when things happened, not by when they were recorded; a licence for several products \
          counts in each of their rows and once in all",
    );
    Ok(())
}

async fn against_licenses(app: &App, args: &PurchasesArgs, output: &mut Output) -> anyhow::Result<()> {
    let team = teams::one(app, args.team.team).await?;
    let (from, until) = match args.month {
        Some(month) => (Some(month.begin()), Some(month.next().begin())),
        None => (args.from, args.until),
    };
    let period = Period::find(app, from, until).await?;
    let summary = purchases::summary(app, team, period).await?;
    let outcome = args.outcome.map(Outcome::from);
    if output.json {
        let head = json!({ "teamId": team, "from": from, "until": until, "by": "receivedAt", "summary": summary });
        let mut array = output.array_in(&head, "rows")?;
        each(app, team, period, outcome, |row| Ok(array.push(row)?)).await?;
        return Ok(array.finish()?);
    }
    if args.csv {
        output.text(&csv::line(COLUMNS))?;
        return each(app, team, period, outcome, |row| Ok(output.text(&csv::line(row.cells()))?)).await;
    }
    let mut table = cell::table(&["RECEIVED", "PROVIDER EVENT", "TYPE", "OUTCOME", "REASON", "LICENCES"]);
    each(app, team, period, outcome, |row| {
        table.add_row([
            cell::time(row.received_at),
            cell::text(&row.provider_event_id),
            cell::text(&row.event_type),
            row.outcome.as_str().to_owned(),
            row.reason.as_deref().map(cell::text).unwrap_or_default(),
            row.license_ids.len().to_string(),
        ]);
        Ok(())
    })
    .await?;
    output.table(&table, "no deliveries")?;
    let purchases::Summary { received, outcomes, .. } = &summary;
    note(&format!(
        "{received} received: {} applied, {} ignored, {} rejected, {} without a conclusion",
        outcomes.applied, outcomes.ignored, outcomes.rejected, outcomes.pending
    ));
    if outcomes.pending > 0 {
        note(&format!("without a conclusion yet: {}", cell::text(&summary.pending_ids.join(", "))));
    }
    Ok(())
}

/// Every provider event of a period, a page of them in memory at a time.
async fn each(
    app: &App,
    team: TeamId,
    period: Period,
    outcome: Option<Outcome>,
    mut with: impl FnMut(&Row) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut after = Position::START;
    loop {
        let page = purchases::page(app, team, period, outcome, after, ROWS_MAX).await?;
        page.rows.iter().try_for_each(&mut with)?;
        match page.next_after {
            Some(next) => after = next,
            None => return Ok(()),
        }
    }
}
