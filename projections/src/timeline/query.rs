//! Reading links.

use keyledger_events::{Position, StreamId, StreamKind};
use uuid::Uuid;

use super::subject::{Related, Subject};
use super::{Day, TimelineProjection};
use crate::db::Value;
use crate::error::QueryError;
use crate::team_views::TeamViews;

/// Rows of one query at most.
const ROWS_PER_QUERY: usize = 1_000;
/// Subjects of one query at most.
const SUBJECTS_PER_QUERY: usize = 100;

impl TeamViews<'_> {
    /// The streams that concern a subject, beside its own.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn related_streams(&self, subject: Subject) -> Result<Vec<StreamId>, QueryError> {
        let mut streams = Vec::new();
        let mut after = Vec::new();
        loop {
            let sql = "SELECT related FROM {table} WHERE team = $1 AND subject = $2 AND related > $3 \
                       ORDER BY related LIMIT $4";
            let args = vec![self.team.into(), bytes(subject), Value::Bytes(Some(after)), row_limit()];
            let rows = self.views.query(TimelineProjection::NAME, sql, args).await?;
            for row in &rows {
                if let Related::Stream(stream) = related(row.values().first())? {
                    streams.push(stream);
                }
            }
            match rows.last().and_then(|row| row.optional_bytes(0).ok().flatten()) {
                Some(last) if rows.len() == ROWS_PER_QUERY => after = last.to_vec(),
                _ => return Ok(streams),
            }
        }
    }

    /// The ids of the licences that a customer holds or held, at most `limit`, in order of id.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub(crate) async fn licenses_ever_of(&self, customer_id: Uuid, limit: usize) -> Result<Vec<Uuid>, QueryError> {
        let license = |id| Related::Stream(StreamId::new(StreamKind::License, id)).to_bytes();
        let sql = "SELECT related FROM {table} WHERE team = $1 AND subject = $2 AND related >= $3 AND related <= $4 \
                   ORDER BY related LIMIT $5";
        let (first, last) = (Value::Bytes(license(Uuid::nil())), Value::Bytes(license(Uuid::max())));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let args = vec![self.team.into(), bytes(Subject::Customer(customer_id)), first, last, limit.into()];
        let mut ids = Vec::new();
        for row in self.views.query(TimelineProjection::NAME, sql, args).await? {
            if let Related::Stream(stream) = related(row.values().first())? {
                ids.push(stream.id);
            }
        }
        Ok(ids)
    }

    /// The streams in which events had their effect, by the event's id, in order of stream.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn effects_of(&self, causes: &[Uuid]) -> Result<Vec<(Uuid, StreamId)>, QueryError> {
        let mut effects = Vec::new();
        for chunk in causes.chunks(SUBJECTS_PER_QUERY) {
            let mut args = vec![Value::from(self.team)];
            args.extend(chunk.iter().map(|cause| bytes(Subject::Cause(*cause))));
            let places = (2..=args.len()).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ");
            let sql = format!(
                "SELECT subject, related FROM {{table}} WHERE team = $1 AND subject IN ({places}) \
                 ORDER BY subject, related"
            );
            for row in self.views.query(TimelineProjection::NAME, &sql, args).await? {
                let cause = row.optional_bytes(0)?.and_then(|bytes| Uuid::from_slice(bytes.get(1..)?).ok());
                let cause = cause.ok_or_else(|| corrupt("a subject is no id"))?;
                if let Related::Stream(stream) = related(row.values().get(1))? {
                    effects.push((cause, stream));
                }
            }
        }
        Ok(effects)
    }

    /// The positions behind `after` of what happened on one of these days but was recorded on another, in order, at most
    /// `limit`.
    ///
    /// # Errors
    /// When the view cannot be read.
    pub async fn told_another_day(
        &self,
        from: Day,
        until: Day,
        after: Position,
        limit: u32,
    ) -> Result<Vec<Position>, QueryError> {
        let first = Related::Event(after).to_bytes();
        let sql = "SELECT related FROM {table} WHERE team = $1 AND subject >= $2 AND subject < $3 AND related > $4 \
                   ORDER BY related LIMIT $5";
        let (from, until) = (bytes(Subject::Day(from)), bytes(Subject::Day(until)));
        let args = vec![self.team.into(), from, until, Value::Bytes(first), i64::from(limit).into()];
        let rows = self.views.query(TimelineProjection::NAME, sql, args).await?;
        let mut positions = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Related::Event(position) = related(row.values().first())? {
                positions.push(position);
            }
        }
        Ok(positions)
    }
}

fn bytes(subject: Subject) -> Value {
    Value::Bytes(Some(subject.to_bytes()))
}

fn row_limit() -> Value {
    i64::try_from(ROWS_PER_QUERY).unwrap_or(i64::MAX).into()
}

fn related(stored: Option<&Value>) -> Result<Related, QueryError> {
    match stored {
        Some(Value::Bytes(Some(bytes))) => Related::from_bytes(bytes),
        _ => None,
    }
    .ok_or_else(|| corrupt("what it links is neither a stream nor a position"))
}

fn corrupt(message: &str) -> QueryError {
    QueryError::Corrupt { view: TimelineProjection::NAME, message: message.to_owned() }
}
