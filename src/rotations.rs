//! A server notices that the master key or its own signing key was rotated by another process, and goes on with the new one.

use std::time::Duration;

use keyledger_events::keys::MasterKeyError;

use crate::app::App;
use crate::stop::Stopping;
use crate::verification::ServerKeys;

/// How often the keys store is asked: well within the time for which a rotated master key is handed over.
const POLL: Duration = Duration::from_secs(1);

/// Follows until told to stop.
pub async fn follow(app: App, server_keys: ServerKeys, mut stopping: Stopping) {
    let (mut without_master, mut without_server_keys) = (false, false);
    while tokio::time::timeout(POLL, stopping.requested()).await.is_err() {
        match app.keys.refresh().await {
            Ok(true) => tracing::info!("the master key was rotated: going on with the new one"),
            Ok(false) => without_master = false,
            // Once is enough: what cannot be read any more says so where it is read.
            Err(MasterKeyError::Store(error)) => tracing::debug!(%error, "the keys store does not answer for now"),
            Err(error) if !without_master => {
                without_master = true;
                tracing::error!(%error, "the master key was rotated, and the new one did not get here; start this process again with it");
            }
            Err(_) => {}
        }
        match server_keys.refresh().await {
            Ok(_) => without_server_keys = false,
            Err(error) if !without_server_keys => {
                without_server_keys = true;
                tracing::warn!(%error, "the server's signing keys cannot be read; this is tried again all the time");
            }
            Err(_) => {}
        }
    }
}
