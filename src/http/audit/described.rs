//! What the description says of an auditor's paths, queries and answers.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::admin::reports::purchases::Row;
use crate::admin::timeline::Because;

/// An event by its place.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described")]
#[expect(non_snake_case, reason = "the names in the URL")]
pub(in crate::http) struct EventPath {
    /// The team's id.
    teamId: Uuid,
    /// Its place in the ledger.
    #[param(minimum = 0)]
    position: i64,
}

macro_rules! queries {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* },)*) => {$(
        $(#[$doc])*
        #[derive(IntoParams)]
        #[into_params(parameter_in = Query, rename_all = "camelCase")]
        #[expect(dead_code, reason = "only described")]
        pub(in crate::http) struct $name {
            $($(#[$field_meta])* $field: $type,)*
        }
    )*};
}

queries! {
    /// Which events.
    EventParams {
        /// Recorded at this time or later.
        #[param(required = false, format = DateTime)]
        from: Option<String>,
        /// Recorded before this time.
        #[param(required = false, format = DateTime)]
        until: Option<String>,
        /// Of these types, with commas between them: LicenseIssued,SubscriptionRenewed.
        #[param(required = false)]
        r#type: Option<String>,
        /// Of this stream: license-0197c5a2-…
        #[param(required = false)]
        stream: Option<String>,
        /// Of this licence's own stream.
        #[param(required = false)]
        license: Option<Uuid>,
        /// Behind this position: `nextAfter` of the page before.
        #[param(required = false, minimum = 0)]
        after: Option<i64>,
        /// At most so many; a page may be shorter and yet not the last one.
        #[param(required = false, minimum = 1, maximum = 1000)]
        limit: Option<u32>,
    },
    /// Which events are followed.
    StreamParams {
        /// Of these types, with commas between them.
        #[param(required = false)]
        r#type: Option<String>,
        /// Of this stream.
        #[param(required = false)]
        stream: Option<String>,
        /// Of this licence's own stream.
        #[param(required = false)]
        license: Option<Uuid>,
        /// Begin behind this position; the header Last-Event-ID outranks it. Without either, with what happens next.
        #[param(required = false, minimum = 0)]
        after: Option<i64>,
    },
    /// What a timeline is about: exactly one of license, customer, providerEvent, day and settings.
    TimelineParams {
        /// A licence, by its id.
        #[param(required = false)]
        license: Option<Uuid>,
        /// A customer, by their id.
        #[param(required = false)]
        customer: Option<Uuid>,
        /// A provider event, by the provider's id or ours.
        #[param(required = false)]
        provider_event: Option<String>,
        /// What happened or was recorded on a day (UTC).
        #[param(required = false, format = Date)]
        day: Option<String>,
        /// The team's settings, products and connections: true.
        #[param(required = false)]
        settings: Option<SettingsMeant>,
        /// Behind this position: `nextAfter` of the page before.
        #[param(required = false, minimum = 0)]
        after: Option<i64>,
        /// At most so many.
        #[param(required = false, minimum = 1, maximum = 500)]
        limit: Option<u32>,
    },
    /// A moment.
    AsOfParams {
        /// A time like 2026-01-31T12:00:00Z, or a position; now, unless one is given.
        #[param(required = false)]
        as_of: Option<String>,
    },
    /// Two moments.
    DiffParams {
        /// The earlier one: a time, or a position.
        from: String,
        /// The later one.
        to: String,
    },
    /// Which months: `month`, or `from` and `until`; this month unless something else is asked for.
    LicenseReportParams {
        /// One month, by the time when things happened (UTC).
        #[param(required = false, pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$")]
        month: Option<String>,
        /// The first month.
        #[param(required = false, pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$")]
        from: Option<String>,
        /// The last month, 11 after the first at most.
        #[param(required = false, pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$")]
        until: Option<String>,
        /// json or csv.
        #[param(required = false)]
        format: Option<ReportFormat>,
    },
    /// Which provider events.
    PurchaseReportParams {
        /// Those recorded in this month (UTC).
        #[param(required = false, pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$")]
        month: Option<String>,
        /// Those recorded at this time or later.
        #[param(required = false, format = DateTime)]
        from: Option<String>,
        /// Those recorded before this time.
        #[param(required = false, format = DateTime)]
        until: Option<String>,
        /// Those with this outcome.
        #[param(required = false)]
        outcome: Option<OutcomeWord>,
        /// Behind this position: `nextAfter` of the page before.
        #[param(required = false, minimum = 0)]
        after: Option<i64>,
        /// At most so many.
        #[param(required = false, minimum = 1, maximum = 200)]
        limit: Option<u32>,
        /// json or csv.
        #[param(required = false)]
        format: Option<ReportFormat>,
    },
}

/// The form of a report.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only described")]
pub(in crate::http) enum ReportFormat {
    Json,
    Csv,
}

/// What became of a provider event.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only described")]
pub(in crate::http) enum OutcomeWord {
    Pending,
    Applied,
    Ignored,
    Rejected,
}

/// That settings are meant.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only described")]
pub(in crate::http) enum SettingsMeant {
    True,
}

/// An event; sealed values show as `{"sealed":"…"}`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct EventShown {
    position: i64,
    r#type: String,
    /// Of the payload's schema.
    version: u16,
    stream: String,
    stream_version: i64,
    team_id: Uuid,
    event_id: Uuid,
    /// When it happened.
    #[schema(format = DateTime)]
    occurred_at: String,
    /// When it was recorded.
    #[schema(format = DateTime)]
    recorded_at: String,
    /// stripe, polymart, scheduler, mailer, client, cli, api:<key id>.
    actor: String,
    /// The id of the event that led to it.
    causation: Option<Uuid>,
    /// The id of the event that began the story.
    correlation: Option<Uuid>,
    /// Hex of its leaf of the Merkle tree.
    leaf_hash: String,
    data: serde_json::Value,
}

/// A page of events.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct EventPage {
    events: Vec<EventShown>,
    has_next_page: bool,
    /// The next page's `after`.
    next_after: Option<i64>,
}

/// Who did what, when, and because of what.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct TimelineEntry {
    #[serde(flatten)]
    event: EventShown,
    /// Who did it, in words.
    who: String,
    /// What happened, in a sentence.
    what: String,
    /// The provider event that led to it; null where there was none.
    because: Option<Because>,
}

/// A page of a timeline.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct EntryPage {
    entries: Vec<TimelineEntry>,
    has_next_page: bool,
    /// The next page's `after`.
    next_after: Option<i64>,
}

/// A licence at a moment, its key sealed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct LicenseShown {
    id: Uuid,
    team_id: Uuid,
    key: BTreeMap<String, String>,
    status: String,
    product_ids: Vec<Uuid>,
    ip_limit: Option<u32>,
    hwid_limit: Option<u32>,
    expiration_days: Option<u32>,
    expiration_start: String,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    #[schema(format = DateTime)]
    paid_until: Option<String>,
    #[schema(format = DateTime)]
    activated_at: Option<String>,
    livemode: Option<bool>,
    provider: String,
    references: BTreeMap<String, String>,
    customer_id: Option<Uuid>,
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
    #[schema(format = DateTime)]
    purchased_at: String,
    #[schema(format = DateTime)]
    created_at: String,
    version: i64,
}

/// A licence at one of two moments.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct SideShown {
    as_of: String,
    #[schema(format = DateTime)]
    time: String,
    /// Null when it was not issued yet.
    license: Option<LicenseShown>,
}

/// A field that is not what it was.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ChangeShown {
    field: String,
    from: serde_json::Value,
    to: serde_json::Value,
}

/// What became of a licence between two moments.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct DiffShown {
    id: Uuid,
    team_id: Uuid,
    from: SideShown,
    to: SideShown,
    changes: Vec<ChangeShown>,
    /// The licence's events in between.
    events: Vec<TimelineEntry>,
    more_events: bool,
}

/// How the provider events of a period ended.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct SummaryShown {
    received: u64,
    applied: u64,
    ignored: u64,
    rejected: u64,
    pending: u64,
    without_conclusion: u64,
    /// The oldest of those without a conclusion, by the provider's ids.
    pending_ids: Vec<String>,
}

/// A page of provider events with what came of them; the summary is of the whole period.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct PurchasePage {
    /// Which time decides the period.
    by: String,
    summary: SummaryShown,
    rows: Vec<Row>,
    has_next_page: bool,
    /// The next page's `after`.
    next_after: Option<i64>,
}
