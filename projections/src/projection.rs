//! What a view is to the runner: a name, a table, and a pure way from events to rows.

use async_trait::async_trait;
use keyledger_events::id::StreamKind;
use keyledger_events::{Event, Position, RecordedEvent};

use crate::db::{TableName, Tx};
use crate::error::ApplyError;
use crate::table::Table;

/// An event with its decoded payload.
pub type Decoded = (RecordedEvent, Event);

/// What applying a batch did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// The last event that changed a row; `None` when none did.
    pub changed: Option<Position>,
}

/// A view. It sees no clock, no network and no mailer, so that computing it again sends and asks nothing.
#[async_trait]
pub trait Projection: Send + Sync + 'static {
    /// Its name, which is its table's too.
    fn name(&self) -> &'static str;

    /// The version of its code. It rises whenever the same events would give other rows.
    fn version(&self) -> u32;

    /// The shape of its table.
    fn table(&self) -> &'static Table;

    /// Whether events of such streams can change it.
    fn concerns(&self, kind: StreamKind) -> bool;

    /// Applies events, in order, to the rows of `table`.
    ///
    /// # Errors
    /// When an event has no answer, or the database refuses.
    async fn apply(&self, tx: &mut Tx, table: &TableName, events: &[&Decoded]) -> Result<Applied, ApplyError>;
}
