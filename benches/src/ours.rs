//! keyledger's own stores and Writer, opened the way the product opens them.

use std::path::Path;
use std::sync::Arc;

use keyledger_events::keys::SqliteKeys;
use keyledger_events::store::SqliteLedger;
use keyledger_events::{SharedLedger, SystemClock, Writer};
use tokio::task::JoinHandle;

/// The ledger of a folder.
pub(crate) async fn sqlite_ledger(folder: &Path) -> anyhow::Result<SharedLedger> {
    std::fs::create_dir_all(folder)?;
    Ok(Arc::new(SqliteLedger::open(&folder.join("ledger.db")).await?))
}

/// A Writer over `ledger`. Nothing here makes data keys, so the keys store in `folder` is opened and never used.
pub(crate) async fn writer(ledger: SharedLedger, folder: &Path) -> anyhow::Result<(Writer, JoinHandle<()>)> {
    std::fs::create_dir_all(folder)?;
    let keys = Arc::new(SqliteKeys::open(&folder.join("keys.db")).await?);
    Ok(Writer::start(ledger, keys, Arc::new(SystemClock)))
}
