//! One row a team and day.

use keyledger_events::id::StreamKind;
use keyledger_events::{Event, RecordedEvent};
use serde::{Deserialize, Serialize};

use crate::db::Value;
use crate::fold::{Fold, Key, from_json, to_json};
use crate::table::{Column, Table};
use crate::timeline::Day;

/// What happened on a day (UTC): licences by when it happened, whenever it became known; deliveries and mails by when they
/// came and went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DayCounts {
    /// Licences issued.
    pub issued: u64,
    /// Further periods paid.
    pub renewed: u64,
    /// Subscriptions that ended.
    pub ended: u64,
    /// Licences that ran out.
    pub expired: u64,
    /// Licences made void.
    pub revoked: u64,
    /// Deliveries of providers that were verified and recorded.
    pub received: u64,
    /// Deliveries that had their effect.
    pub applied: u64,
    /// Deliveries of no use.
    pub ignored: u64,
    /// Deliveries that could not be honoured.
    pub rejected: u64,
    /// Mails that a mail server accepted.
    pub mails_sent: u64,
    /// Attempts at mails that failed.
    pub mails_failed: u64,
    /// Mails that were given up.
    pub mails_abandoned: u64,
}

impl DayCounts {
    /// The count that an event belongs to; `None` for what is not counted.
    fn of(&mut self, event: &Event) -> Option<&mut u64> {
        Some(match event {
            Event::LicenseIssued(_) => &mut self.issued,
            Event::SubscriptionRenewed(_) => &mut self.renewed,
            Event::SubscriptionEnded(_) => &mut self.ended,
            Event::LicenseExpired(_) => &mut self.expired,
            Event::LicenseRevoked(_) => &mut self.revoked,
            Event::ProviderEventReceived(_) => &mut self.received,
            Event::ProviderEventApplied(_) => &mut self.applied,
            Event::ProviderEventIgnored(_) => &mut self.ignored,
            Event::ProviderEventRejected(_) => &mut self.rejected,
            Event::MailSent(_) => &mut self.mails_sent,
            Event::MailFailed(_) => &mut self.mails_failed,
            Event::MailAbandoned(_) => &mut self.mails_abandoned,
            _ => return None,
        })
    }
}

/// The view `statistics`.
pub struct StatisticsFold;

impl Fold for StatisticsFold {
    const NAME: &'static str = "statistics";
    const VERSION: u32 = 2;
    const TABLE: &'static Table = &Table {
        columns: &[Column::bytes("team"), Column::text("day"), Column::text("doc")],
        key_columns: 2,
        indexes: &[],
    };
    const STREAMS: &'static [StreamKind] = &[StreamKind::License, StreamKind::Inbox, StreamKind::Delivery];
    type State = DayCounts;

    fn key(recorded: &RecordedEvent, event: &Event) -> Option<Key> {
        DayCounts::default().of(event)?;
        let at = match recorded.stream.kind {
            StreamKind::License => recorded.occurred_at,
            // A provider's event happened when it made it, which may be long before it delivered it.
            _ => recorded.recorded_at,
        };
        Some(Key::Named(recorded.team, Day::of(at).to_string()))
    }

    /// A day's row begins with whichever event is first.
    fn begins(_: &RecordedEvent) -> bool {
        false
    }

    fn evolve(state: Option<DayCounts>, _: &RecordedEvent, event: &Event) -> Result<Option<DayCounts>, String> {
        let mut counts = state.unwrap_or_default();
        if let Some(count) = counts.of(event) {
            *count += 1;
        }
        Ok(Some(counts))
    }

    fn encode(counts: &DayCounts) -> Result<Vec<Value>, String> {
        Ok(vec![to_json(counts)?])
    }

    fn decode(stored: &Value) -> Result<DayCounts, String> {
        from_json(stored)
    }
}
