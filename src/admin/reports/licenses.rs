//! Licences issued, renewed, ended, run out, refunded and revoked, by product and month (UTC) of when it happened.
//!
//! What happened in a month lies in the stretch of the ledger that was recorded in it, except what was told late (or by
//! a provider whose clock is ahead), which the view `timeline` knows. A page of events is in memory at a time.

use std::collections::{HashMap, HashSet};

use keyledger_events::{Position, RecordedEvent, StreamId, StreamKind, TeamId};
use keyledger_projections::{Day, License, view};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::tally::{COUNTED, Counts, Refunds, Tally};
use super::{Month, Months, csv};
use crate::admin::AdminError;
use crate::admin::events::{EventFilter, Reader};
use crate::app::App;

/// Events looked at together.
const EVENTS_PER_BATCH: usize = 500;
/// Licences whose streams are read at once.
const LICENSES_PER_READ: usize = 64;

/// What happened in a month to licences for a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LicenseReportRow)]
pub struct Row {
    /// The month, as 2026-01.
    #[schema(value_type = String)]
    pub month: Month,
    /// The product; null for licences without one.
    pub product_id: Option<Uuid>,
    /// Its name.
    pub product: Option<String>,
    /// How often.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What happened in a month, every licence counted once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LicenseReportTotal)]
pub struct Total {
    /// The month, as 2026-01.
    #[schema(value_type = String)]
    pub month: Month,
    /// How often.
    #[serde(flatten)]
    pub counts: Counts,
}

/// The report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicenseReport {
    /// Whose.
    #[schema(value_type = Uuid)]
    pub team_id: TeamId,
    /// The first month.
    #[schema(value_type = String)]
    pub from: Month,
    /// The last month.
    #[schema(value_type = String)]
    pub until: Month,
    /// Which time decides the month: when it happened, not when it was recorded.
    pub by: &'static str,
    /// The end of the ledger when this was counted: what comes later may still belong into a month that is told here.
    #[schema(value_type = i64)]
    pub position: Position,
    /// By month and product.
    pub rows: Vec<Row>,
    /// By month; a licence for several products counts once here, and in each of their rows above.
    pub totals: Vec<Total>,
}

impl LicenseReport {
    /// The rows for a spreadsheet, without the totals: those are the sums, where a licence has one product.
    pub fn csv(&self) -> String {
        let mut text = csv::line([
            "month",
            "productId",
            "product",
            "issued",
            "renewed",
            "ended",
            "expired",
            "refunded",
            "refundedInFull",
            "revoked",
        ]);
        for Row { month, product_id, product, counts } in &self.rows {
            let mut cells = vec![
                month.to_string(),
                product_id.map(|id| id.to_string()).unwrap_or_default(),
                product.clone().unwrap_or_default(),
            ];
            cells.extend(counts.figures().map(|figure| figure.to_string()));
            text.push_str(&csv::line(cells));
        }
        text
    }
}

/// Counts what happened to a team's licences.
///
/// # Errors
/// When the ledger or the views do not answer or cannot be read.
pub async fn report(app: &App, team: TeamId, months: Months) -> Result<LicenseReport, AdminError> {
    let head = app.catch_up(&[view::TIMELINE, view::PRODUCTS]).await?;
    let mut counting = Counting { app, team, months, tally: Tally::default(), batch: Vec::new() };
    let after = app.ledger.last_before(months.begin()).await?;
    let last = app.ledger.last_before(months.end()).await?.min(head);
    counting.told_another_day(after, last, head).await?;
    counting.recorded_then(after, last).await?;
    counting.count().await?;
    let Tally { by_product, totals } = counting.tally;
    let ids: HashSet<Uuid> = by_product.keys().filter_map(|(_, product)| *product).collect();
    let names = app.views.team(team).product_names(&ids.into_iter().collect::<Vec<_>>()).await?;
    let mut rows: Vec<_> = by_product
        .into_iter()
        .map(|((month, product_id), counts)| {
            let product = product_id.and_then(|id| names.get(&id).cloned());
            Row { month, product_id, product, counts }
        })
        .collect();
    rows.sort_by(|one, two| (one.month, &one.product, one.product_id).cmp(&(two.month, &two.product, two.product_id)));
    let totals = totals.into_iter().map(|(month, counts)| Total { month, counts }).collect();
    let Months { first: from, last: until } = months;
    Ok(LicenseReport { team_id: team, from, until, by: "occurredAt", position: head, rows, totals })
}

struct Counting<'a> {
    app: &'a App,
    team: TeamId,
    months: Months,
    tally: Tally,
    batch: Vec<RecordedEvent>,
}

impl Counting<'_> {
    /// What was recorded in these months, most of which happened in them.
    async fn recorded_then(&mut self, after: Position, last: Position) -> Result<(), AdminError> {
        let types = COUNTED.iter().map(|name| (*name).to_owned()).collect();
        let filter = EventFilter { team: Some(self.team), types, ..EventFilter::default() };
        let mut reader = Reader::new(self.app.ledger.clone(), filter, after.next());
        while let Some(event) = reader.next(last).await? {
            self.take(event).await?;
        }
        Ok(())
    }

    /// What happened in these months and was recorded before or after them.
    async fn told_another_day(&mut self, after: Position, last: Position, head: Position) -> Result<(), AdminError> {
        let (from, until) = (Day::of(self.months.begin()), Day::of(self.months.end()));
        let limit = u32::try_from(EVENTS_PER_BATCH).unwrap_or(u32::MAX);
        let mut seen = Position::START;
        loop {
            let views = self.app.views.team(self.team);
            let mut positions = views.told_another_day(from, until, seen, limit).await?;
            let Some(end) = positions.last().copied() else { return Ok(()) };
            seen = end;
            // The months' own stretch of the ledger is read as a whole.
            positions.retain(|position| (*position <= after || *position > last) && *position <= head);
            for event in self.app.ledger.read_at(&positions).await? {
                if event.team == self.team && COUNTED.contains(&event.event_type.as_str()) {
                    self.take(event).await?;
                }
            }
        }
    }

    async fn take(&mut self, event: RecordedEvent) -> Result<(), AdminError> {
        if event.occurred_at < self.months.begin() || event.occurred_at >= self.months.end() {
            return Ok(());
        }
        self.batch.push(event);
        if self.batch.len() >= EVENTS_PER_BATCH { self.count().await } else { Ok(()) }
    }

    /// Counts the batch. What an event means, and for which products, its licence's stream up to there tells.
    async fn count(&mut self) -> Result<(), AdminError> {
        let mut wanted: HashMap<StreamId, HashSet<i64>> = HashMap::new();
        for event in std::mem::take(&mut self.batch) {
            if event.stream.kind != StreamKind::License {
                continue;
            }
            if event.stream_version == 1 {
                // The first event is enough to know the licence, and the most frequent one here.
                self.judge(std::slice::from_ref(&event), &HashSet::from([1]))?;
            } else {
                wanted.entry(event.stream).or_default().insert(event.stream_version);
            }
        }
        let streams: Vec<StreamId> = wanted.keys().copied().collect();
        for chunk in streams.chunks(LICENSES_PER_READ) {
            let mut histories: HashMap<StreamId, Vec<RecordedEvent>> = HashMap::new();
            for event in self.app.ledger.read_streams(self.team, chunk).await? {
                histories.entry(event.stream).or_default().push(event);
            }
            for (stream, history) in histories {
                if let Some(versions) = wanted.get(&stream) {
                    self.judge(&history, versions)?;
                }
            }
        }
        Ok(())
    }

    /// Folds a licence's stream and counts the events of these versions.
    fn judge(&mut self, history: &[RecordedEvent], versions: &HashSet<i64>) -> Result<(), AdminError> {
        let (mut license, mut refunds) = (None, Refunds::default());
        for recorded in history {
            let event = recorded.decode()?;
            let what = refunds.judge(license.as_ref(), &event);
            license = License::evolve(license, recorded, &event);
            if let (Some(what), Some(license)) = (what, &license)
                && versions.contains(&recorded.stream_version)
            {
                self.tally.add(Month::of(recorded.occurred_at), license.product_ids(), what);
            }
        }
        Ok(())
    }
}
