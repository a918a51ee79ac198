//! How licences stand at a moment: counted, and listed.

use keyledger_events::{Position, Timestamp, clock};
use uuid::Uuid;

use super::{License, LicenseFilter, LicensesFold};
use crate::db::Value;
use crate::error::QueryError;
use crate::fold::Fold as _;
use crate::page::Page;
use crate::team_views::{TeamViews, state};

/// A licence expires soon when it has less than this left, in microseconds: thirty days, as its status says.
const EXPIRING_US: i64 = 30 * clock::DAY_US;
/// Rows of one list at most.
const ROWS_MAX: u32 = 1_000;
/// The order of lists whose ends do not matter.
const NEWEST_FIRST: &str = "created_position DESC";

/// How a licence stands, as far as no clock is needed to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Revoked,
    Suspended,
    Upcoming,
    /// It has an end, which may have passed.
    Timed,
    Endless,
}

impl Class {
    pub(super) fn of(license: &License) -> Self {
        if license.revoked() {
            Self::Revoked
        } else if license.suspended() {
            Self::Suspended
        } else if license.expires_at().is_some() {
            Self::Timed
        } else if license.awaits_activation() {
            Self::Upcoming
        } else {
            Self::Endless
        }
    }

    /// As it is stored.
    pub(super) fn number(self) -> i64 {
        match self {
            Self::Revoked => 1,
            Self::Suspended => 2,
            Self::Upcoming => 3,
            Self::Timed => 4,
            Self::Endless => 5,
        }
    }
}

/// How a licence stands at a moment. Whether it was used lately is not asked: in force is ACTIVE and INACTIVE together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Valid, and not for less than thirty days only.
    InForce,
    /// Less than thirty days left.
    Expiring,
    /// An ACTIVATION licence whose clock has not begun.
    Upcoming,
    /// Past its end.
    Expired,
    /// Not valid for the time being.
    Suspended,
    /// Void for good.
    Revoked,
}

impl Standing {
    /// All of them, as lists show them.
    pub const ALL: [Self; 6] =
        [Self::InForce, Self::Expiring, Self::Upcoming, Self::Expired, Self::Suspended, Self::Revoked];

    /// How a licence stands at a moment.
    pub fn of(license: &License, now: Timestamp) -> Self {
        match (Class::of(license), license.expires_at()) {
            (Class::Revoked, _) => Self::Revoked,
            (Class::Suspended, _) => Self::Suspended,
            (Class::Upcoming, _) => Self::Upcoming,
            (Class::Timed, Some(end)) if end <= now => Self::Expired,
            (Class::Timed, Some(end)) if end.as_microsecond() - now.as_microsecond() < EXPIRING_US => Self::Expiring,
            (Class::Timed | Class::Endless, _) => Self::InForce,
        }
    }

    /// The word in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InForce => "in-force",
            Self::Expiring => "expiring",
            Self::Upcoming => "upcoming",
            Self::Expired => "expired",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
        }
    }
}

/// How many licences stand how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LicenseCounts {
    /// Valid, and not for less than thirty days only.
    pub in_force: u64,
    /// Less than thirty days left.
    pub expiring: u64,
    /// ACTIVATION licences whose clock has not begun.
    pub upcoming: u64,
    /// Past their end.
    pub expired: u64,
    /// Not valid for the time being.
    pub suspended: u64,
    /// Void for good.
    pub revoked: u64,
}

impl LicenseCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.in_force + self.expiring + self.upcoming + self.expired + self.suspended + self.revoked
    }
}

impl TeamViews<'_> {
    /// How many licences stand how at `now`. It counts rows of an index, so a million take a moment: keep the answer.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn license_counts(&self, now: Timestamp) -> Result<LicenseCounts, QueryError> {
        let sql = "SELECT class, COUNT(*) FROM {table} WHERE team = $1 GROUP BY class";
        let (mut counts, mut timed) = (LicenseCounts::default(), 0);
        for row in self.views.query(LicensesFold::NAME, sql, vec![self.team.into()]).await? {
            let count = row.int(1)?.unsigned_abs();
            match row.int(0)? {
                class if class == Class::Revoked.number() => counts.revoked = count,
                class if class == Class::Suspended.number() => counts.suspended = count,
                class if class == Class::Upcoming.number() => counts.upcoming = count,
                class if class == Class::Timed.number() => timed = count,
                _ => counts.in_force = count,
            }
        }
        counts.expired = self.ending(i64::MIN, now.as_microsecond()).await?;
        counts.expiring =
            self.ending(now.as_microsecond(), now.as_microsecond().saturating_add(EXPIRING_US - 1)).await?;
        counts.in_force += timed.saturating_sub(counts.expired + counts.expiring);
        Ok(counts)
    }

    /// How many licences that are neither revoked nor suspended end after `from` and at `until` or before; for the
    /// past, at `until` counts as passed.
    async fn ending(&self, from: i64, until: i64) -> Result<u64, QueryError> {
        let sql = "SELECT COUNT(*) FROM {table} WHERE team = $1 AND class = $2 AND ends_at IS NOT NULL \
                   AND ends_at > $3 AND ends_at <= $4";
        let args = vec![self.team.into(), Class::Timed.number().into(), from.into(), until.into()];
        let rows = self.views.query(LicensesFold::NAME, sql, args).await?;
        Ok(rows.first().map_or(Ok(0), |row| row.int(0))?.unsigned_abs())
    }

    /// Licences that a filter wants and that stand so at `now`: those that expire the nearest end first, those that expired
    /// the latest end first, others the newest first. `page.before` is the row before the page by its
    /// [`License::created_position`].
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn licenses_standing(
        &self,
        filter: &LicenseFilter,
        standing: Standing,
        now: Timestamp,
        page: Page,
    ) -> Result<Vec<License>, QueryError> {
        let now = now.as_microsecond();
        let part = Part { filter, limit: page.limit.unwrap_or(ROWS_MAX).min(ROWS_MAX) };
        match standing {
            Standing::Revoked => self.of_class(Class::Revoked, page.before, part).await,
            Standing::Suspended => self.of_class(Class::Suspended, page.before, part).await,
            Standing::Upcoming => self.of_class(Class::Upcoming, page.before, part).await,
            Standing::InForce => self.in_force(now, page.before, part).await,
            Standing::Expired => {
                let ended = "ends_at IS NOT NULL AND ends_at <= $3 \
                             AND (ends_at < $4 OR (ends_at = $4 AND created_position < $5))";
                let (end, position) = self.end_of(page.before).await?.unwrap_or((i64::MAX, i64::MAX));
                let bounds = vec![now.into(), end.into(), position.into()];
                self.list(Class::Timed, ended, bounds, "ends_at DESC, created_position DESC", part).await
            }
            Standing::Expiring => {
                let ending = "ends_at IS NOT NULL AND ends_at <= $3 \
                              AND (ends_at > $4 OR (ends_at = $4 AND created_position > $5))";
                let until = now.saturating_add(EXPIRING_US - 1);
                let (end, position) = self.end_of(page.before).await?.unwrap_or((now, i64::MAX));
                let bounds = vec![until.into(), end.into(), position.into()];
                self.list(Class::Timed, ending, bounds, "ends_at, created_position", part).await
            }
        }
    }

    async fn of_class(
        &self,
        class: Class,
        before: Option<Position>,
        part: Part<'_>,
    ) -> Result<Vec<License>, QueryError> {
        let before = before.map_or(i64::MAX, |before| before.0);
        self.list(class, "created_position < $3", vec![before.into()], NEWEST_FIRST, part).await
    }

    /// The endless ones and those whose end is far, each newest first, merged.
    async fn in_force(&self, now: i64, before: Option<Position>, part: Part<'_>) -> Result<Vec<License>, QueryError> {
        let mut found = self.of_class(Class::Endless, before, part).await?;
        let far = now.saturating_add(EXPIRING_US - 1);
        let bounds = vec![before.map_or(i64::MAX, |before| before.0).into(), far.into()];
        found.extend(
            self.list(Class::Timed, "created_position < $3 AND ends_at > $4", bounds, NEWEST_FIRST, part).await?,
        );
        found.sort_by_key(|license| std::cmp::Reverse(license.created_position));
        found.truncate(usize::try_from(part.limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    /// Those of a class within bounds, whose arguments are `$3` and the following.
    async fn list(
        &self,
        class: Class,
        within: &str,
        bounds: Vec<Value>,
        order: &str,
        Part { filter, limit }: Part<'_>,
    ) -> Result<Vec<License>, QueryError> {
        let mut args = vec![self.team.into(), class.number().into()];
        args.extend(bounds);
        let wanted = also_wanted(filter, &mut args);
        let sql = format!(
            "SELECT doc FROM {{table}} WHERE team = $1 AND class = $2 AND {within}{wanted} ORDER BY {order} LIMIT {limit}"
        );
        let rows = self.views.query(LicensesFold::NAME, &sql, args).await?;
        rows.iter().map(state::<LicensesFold>).collect()
    }

    /// When the licence at a place of lists ends; also of one that was suspended or revoked since the list showed it.
    async fn end_of(&self, position: Option<Position>) -> Result<Option<(i64, i64)>, QueryError> {
        let Some(position) = position else { return Ok(None) };
        let sql = "SELECT ends_at FROM {table} WHERE team = $1 AND created_position = $2";
        let rows = self.views.query(LicensesFold::NAME, sql, vec![self.team.into(), position.into()]).await?;
        Ok(rows.first().map(|row| row.optional_int(0)).transpose()?.flatten().map(|end| (end, position.0)))
    }
}

/// Which of the licences of a standing are wanted, and how many at most.
#[derive(Clone, Copy)]
struct Part<'a> {
    filter: &'a LicenseFilter,
    limit: u32,
}

/// What a filter wants, behind other conditions; its arguments go behind theirs.
fn also_wanted(filter: &LicenseFilter, args: &mut Vec<Value>) -> String {
    let mut sql = String::new();
    let mut place = |value: Value| {
        args.push(value);
        format!("${}", args.len())
    };
    if let Some(purchase) = filter.purchase {
        sql.push_str(&format!(" AND purchase = {}", place(Value::text(purchase.to_string()))));
    }
    if let Some(provider) = filter.provider {
        sql.push_str(&format!(" AND provider = {}", place(Value::text(provider.as_str()))));
    }
    for (column, ids) in [("customers", &filter.customer_ids), ("products", &filter.product_ids)] {
        let named = |id: &Uuid| format!("{column} LIKE {}", place(Value::text(format!("%{id}%"))));
        let named: Vec<_> = ids.iter().map(named).collect();
        if !named.is_empty() {
            sql.push_str(&format!(" AND ({})", named.join(" OR ")));
        }
    }
    sql
}
