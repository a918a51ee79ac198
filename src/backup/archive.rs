//! The two stores that a copy is taken of and restored into, without the views and the Writer that serve.

use std::sync::Arc;

use keyledger_events::SharedLedger;
use keyledger_events::keys::KeyArchive;
use keyledger_events::store::RestoreDoor;

use crate::app::{OpenAppError, open_archive};
use crate::config::DatabaseUrl;

/// A ledger and its keys.
#[derive(Clone)]
pub struct Archive {
    /// The events.
    pub ledger: SharedLedger,
    /// The way in for a restore.
    pub door: Arc<dyn RestoreDoor>,
    /// The keys.
    pub keys: Arc<dyn KeyArchive>,
}

impl Archive {
    /// Opens the database, bringing it up to date first.
    ///
    /// # Errors
    /// When folder or database are not usable.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, OpenAppError> {
        open_archive(url).await
    }
}
