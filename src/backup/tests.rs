//! A backup while the master key is rotated.

use std::time::Duration;

use keyledger_events::keys::Wanted;

use super::{BackupError, Progress, Stage, To, take};
use crate::config::{HexKey, MasterKeySource};
use crate::test_support::{Home, TestResult, noon_and, stories};

stories!(a_master_key_that_is_rotated_meanwhile_is_not_in_the_copy);

/// Interleaving: the text of the master key is read, the events are copied, a whole rotation comes and goes, the keys are
/// copied. The copy would have the key that opens none of them.
async fn a_master_key_that_is_rotated_meanwhile_is_not_in_the_copy(home: Home) -> TestResult {
    home.grow(10, 1).await?;
    let archive = home.archive().await?;
    let new_file = home.folder.path().join("next.key");
    let to = To {
        ledger: home.folder.path().join("copy"),
        keys: None,
        master_key: Some(MasterKeySource::Hex(HexKey::new("5a".repeat(32)))),
    };
    let (mut rotation, mut rotated) = (Some(Wanted { new_file: Some(&new_file), hand_over: Duration::ZERO }), false);
    let rotate_once = |progress: Progress| {
        if let Some(wanted) = rotation.take_if(|_| progress.stage == Stage::CopyEvents) {
            let rotate = home.app.keys.rotate(wanted, |_| {});
            rotated = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(rotate)).is_ok();
        }
    };
    let taken = take(&archive, &to, noon_and(0), rotate_once).await;
    assert!(rotated && matches!(taken, Err(BackupError::Rotating)), "{taken:?}");
    assert!(!to.ledger.exists());
    Ok(())
}
