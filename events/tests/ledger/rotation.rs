//! The master key is rotated while servers go on, and whatever it is killed at; what is destroyed is gone from the files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keyledger_events::id;
use keyledger_events::keys::{
    KeyLink, KeyRing, MasterKey, MasterKeyError, RotateError, SharedKeyVault, SqliteKeys, Wanted, WrappedKey,
};
use keyledger_events::sealed::DataKey;
use uuid::Uuid;

use crate::contract::stories;
use crate::support::{BreakingKeys, Home, TestResult};

stories!(
    a_rotation_that_is_killed_anywhere_is_finished_by_the_next,
    servers_go_on_while_the_master_key_is_rotated,
    a_key_from_the_environment_is_rotated_into_a_file,
    a_wrong_master_key_is_refused_at_once,
    of_two_rotations_at_once_one_is_done,
    what_is_destroyed_is_gone_with_its_links,
);

/// Data keys of a story: more than one page of them.
const KEYS: usize = 300;
const AT_ONCE: Wanted<'static> = Wanted { new_file: None, hand_over: Duration::ZERO };

type Plain = HashMap<Uuid, [u8; 32]>;

async fn fill(ring: &KeyRing, count: usize) -> TestResult<Plain> {
    let made: Vec<(DataKey, WrappedKey)> = (0..count).map(|_| ring.generate(id::fresh())).collect();
    let (plain, wrapped): (Plain, Vec<_>) =
        made.into_iter().map(|(key, wrapped)| ((key.id(), *key.secret()), wrapped)).unzip();
    ring.store().insert(&wrapped, &[]).await?;
    Ok(plain)
}

async fn check_all(ring: &KeyRing, plain: &Plain) -> TestResult {
    for (id, bytes) in plain {
        assert_eq!(ring.key(*id).await?.secret(), bytes, "{id}");
    }
    Ok(())
}

fn print(ring: &KeyRing) -> [u8; 32] {
    ring.fingerprint("email", &[b"ada@example.com"])
}

fn file(folder: &Path) -> PathBuf {
    folder.join("master.key")
}

async fn a_rotation_that_is_killed_anywhere_is_finished_by_the_next(home: Arc<Home>) -> TestResult {
    let folder = tempfile::tempdir()?;
    let file = file(folder.path());
    let plain = {
        let ring = KeyRing::open_with_file(&file, home.keys.clone()).await?;
        fill(&ring, KEYS).await?
    };
    let before = print(&KeyRing::open_with_file(&file, home.keys.clone()).await?);
    for moments in 0.. {
        let first = MasterKey::load_or_create(&file)?;
        let breaking = Arc::new(BreakingKeys::after(moments, home.keys.clone()));
        let ring = KeyRing::open_with_file(&file, breaking.clone()).await?;
        let rotated = ring.rotate(AT_ONCE, |_| ()).await;
        // Whatever it was killed at: who starts now can go on, with what lies in the file.
        let after = KeyRing::open_with_file(&file, home.keys.clone()).await?;
        check_all(&after, &plain).await?;
        assert_eq!(print(&after), before, "fingerprints stay after {moments} moments");
        if !breaking.broke() {
            rotated?;
            assert!(moments > 6, "it was killed at every moment");
            return Ok(());
        }
        assert!(rotated.is_err(), "{moments}");
        let begun = home.keys.master().await?.is_some_and(|record| record.handed_over.is_some());
        let done = after.rotate(AT_ONCE, |_| ()).await?;
        assert_eq!(done.resumed, begun, "after {moments} moments");
        let old = KeyRing::open_with_key(first, "the test", home.keys.clone()).await.map(drop);
        assert!(
            matches!(old, Err(MasterKeyError::Rotated { .. })),
            "the old key opens nothing after {moments} moments"
        );
        check_all(&KeyRing::open_with_file(&file, home.keys.clone()).await?, &plain).await?;
    }
    Ok(())
}

/// Guards: a server wraps a key with the old master key just before the new one is in force, and stores it just after.
async fn servers_go_on_while_the_master_key_is_rotated(home: Arc<Home>) -> TestResult {
    let folder = tempfile::tempdir()?;
    let file = file(folder.path());
    let admin = KeyRing::open_with_file(&file, home.keys.clone()).await?;
    let given = MasterKey::load_or_create(&file)?;
    let servers = [
        KeyRing::open_with_file(&file, home.keys.clone()).await?,
        KeyRing::open_with_key(given.clone(), "the environment", home.keys.clone()).await?,
    ];
    let asleep = KeyRing::open_with_key(given, "the environment", home.keys.clone()).await?;
    let mut plain = fill(&admin, KEYS).await?;
    let (stale_key, stale) = servers[1].generate(id::fresh());
    let wanted = Wanted { hand_over: Duration::from_millis(600), ..AT_ONCE };
    let work = async {
        let mut made = Plain::new();
        for round in 0..40 {
            for server in &servers {
                made.extend(fill(server, 2).await?);
            }
            if round == 20 {
                servers[1].store().insert(std::slice::from_ref(&stale), &[]).await?;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(made)
    };
    let (rotated, made) = tokio::join!(admin.rotate(wanted, |_| ()), work);
    let rotated = rotated?;
    plain.extend(made?);
    plain.insert(stale_key.id(), *stale_key.secret());
    assert!(rotated.keys >= KEYS as u64 && !rotated.resumed);
    for ring in servers.iter().chain([&admin, &KeyRing::open_with_file(&file, home.keys.clone()).await?]) {
        check_all(ring, &plain).await?;
        assert_eq!(print(ring), print(&asleep));
    }
    // Who slept through the handing over is told what to do.
    let told = asleep.refresh().await.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(told.contains("the environment") && told.contains("rotated"), "{told}");
    Ok(())
}

async fn a_key_from_the_environment_is_rotated_into_a_file(home: Arc<Home>) -> TestResult {
    let folder = tempfile::tempdir()?;
    let (one, other) = (folder.path().join("new.key"), folder.path().join("other.key"));
    let ring =
        KeyRing::open_with_key(MasterKey::from_hex(&"5a".repeat(32), "test")?, "test", home.keys.clone()).await?;
    let plain = fill(&ring, 3).await?;
    let wanted = Wanted { new_file: Some(&one), hand_over: Duration::ZERO };
    let rotated = ring.rotate(wanted, |_| ()).await?;
    assert_eq!((rotated.file.as_deref(), rotated.before), (Some(one.as_path()), None));
    let next = MasterKey::load_or_create(&one)?;
    assert_eq!(next.id(), rotated.id);
    check_all(&KeyRing::open_with_key(next, "test", home.keys.clone()).await?, &plain).await?;
    // The key in force is no new one.
    assert!(matches!(ring.rotate(wanted, |_| ()).await, Err(RotateError::File(_))));
    MasterKey::load_or_create(&other)?;
    ring.rotate(Wanted { new_file: Some(&other), ..wanted }, |_| ()).await?;
    check_all(&KeyRing::open_with_key(MasterKey::load_or_create(&other)?, "test", home.keys.clone()).await?, &plain)
        .await
}

async fn a_wrong_master_key_is_refused_at_once(home: Arc<Home>) -> TestResult {
    let right = MasterKey::from_hex(&"5a".repeat(32), "test")?;
    // A keys store from before master keys were told apart.
    let old = KeyRing::new(right.clone(), home.keys.clone());
    let (key, wrapped) = old.generate(id::fresh());
    let plain = Plain::from([(key.id(), *key.secret())]);
    home.keys.insert(&[WrappedKey { id: wrapped.id, wrapped: wrapped.wrapped[16..].to_vec() }], &[]).await?;
    let wrong = MasterKey::from_hex(&"77".repeat(32), "test")?;
    for _ in 0..2 {
        let refused = KeyRing::open_with_key(wrong.clone(), "test", home.keys.clone()).await.map(drop);
        assert!(matches!(refused, Err(MasterKeyError::Other(_))), "{refused:?}");
    }
    let ring = KeyRing::open_with_key(right, "test", home.keys.clone()).await?;
    let refused = KeyRing::open_with_key(wrong, "KEYLEDGER_MASTER_KEY", home.keys.clone()).await.err();
    let refused = refused.map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("KEYLEDGER_MASTER_KEY"), "{refused}");
    check_all(&ring, &plain).await?;
    let folder = tempfile::tempdir()?;
    let new_file = folder.path().join("new.key");
    let rotated = ring.rotate(Wanted { new_file: Some(&new_file), ..AT_ONCE }, |_| ()).await?;
    assert_eq!(rotated.keys, 1, "what was wrapped before is wrapped anew");
    check_all(&ring, &plain).await
}

/// Guards: both find no rotation under way and both put a key of their own in force.
async fn of_two_rotations_at_once_one_is_done(home: Arc<Home>) -> TestResult {
    let folder = tempfile::tempdir()?;
    let file = file(folder.path());
    let one = KeyRing::open_with_file(&file, home.keys.clone()).await?;
    let other = KeyRing::open_with_file(&file, home.keys.clone()).await?;
    let plain = fill(&one, 5).await?;
    let (first, second) = tokio::join!(one.rotate(AT_ONCE, |_| ()), other.rotate(AT_ONCE, |_| ()));
    assert!(first.is_ok() || second.is_ok(), "{first:?} {second:?}");
    // One more, alone: nothing is left in between.
    let ring = KeyRing::open_with_file(&file, home.keys.clone()).await?;
    ring.rotate(AT_ONCE, |_| ()).await?;
    check_all(&KeyRing::open_with_file(&file, home.keys.clone()).await?, &plain).await
}

async fn what_is_destroyed_is_gone_with_its_links(home: Arc<Home>) -> TestResult {
    let ring = KeyRing::new(MasterKey::generate(), home.keys.clone());
    let (ada, grace) = (id::fresh(), id::fresh());
    let keys: Vec<_> = (0..3).map(|_| ring.generate(id::fresh()).1).collect();
    let link = |key: &WrappedKey, customer_id| KeyLink { key_id: key.id, customer_id };
    let links = [link(&keys[0], ada), link(&keys[1], ada), link(&keys[1], grace), link(&keys[2], grace)];
    home.keys.insert(&keys, &links).await?;
    let mut of_ada = home.keys.linked(&[ada]).await?;
    of_ada.sort_unstable();
    assert_eq!(of_ada, [keys[0].id, keys[1].id]);
    assert_eq!(home.keys.linked(&[ada, grace]).await?.len(), 3, "each key once");
    assert_eq!(home.keys.destroy(&of_ada, &[ada]).await?, 2);
    assert_eq!(home.keys.destroy(&of_ada, &[ada]).await?, 0);
    assert_eq!(home.keys.existing(&[keys[0].id, keys[1].id, keys[2].id]).await?, [keys[2].id]);
    assert!(home.keys.linked(&[ada]).await?.is_empty());
    assert!(ring.key_unless_gone(keys[0].id).await?.is_none() && ring.key_unless_gone(keys[2].id).await?.is_some());
    // Somebody new under the same id is linked anew.
    let (_, back) = ring.generate(id::fresh());
    home.keys.insert(std::slice::from_ref(&back), &[link(&back, ada)]).await?;
    assert_eq!(home.keys.linked(&[ada]).await?, [back.id]);
    Ok(())
}

/// Guards: pages that were split or merged keep copies of rows that moved; deleting a row wipes only where it stands.
#[tokio::test]
async fn no_file_holds_a_destroyed_key_or_what_a_rotated_master_key_wrapped() -> TestResult {
    let folder = tempfile::tempdir()?;
    let vault: SharedKeyVault = Arc::new(SqliteKeys::open(&folder.path().join("keys.db")).await?);
    let ring = KeyRing::open_with_file(&file(folder.path()), vault.clone()).await?;
    // Random ids split pages in their middle.
    let keys: Vec<WrappedKey> = (0..5_000).map(|_| ring.generate(Uuid::new_v4()).1).collect();
    for chunk in keys.chunks(50) {
        vault.insert(chunk, &[]).await?;
    }
    let holds = |key: &WrappedKey| -> TestResult<bool> {
        let mut found = false;
        for entry in std::fs::read_dir(folder.path())? {
            let bytes = std::fs::read(entry?.path())?;
            found |= bytes.windows(32).any(|window| window == &key.wrapped[key.wrapped.len() - 32..]);
        }
        Ok(found)
    };
    let (gone, left) = keys.split_at(40);
    assert!(holds(&gone[0])?, "what is there is found");
    let ids: Vec<Uuid> = gone.iter().map(|key| key.id).collect();
    assert_eq!(vault.destroy(&ids, &[]).await?, 40);
    for key in gone {
        assert!(!holds(key)?, "{} is left in a file", key.id);
    }
    for key in &left[..100] {
        assert!(ring.key_unless_gone(key.id).await?.is_some());
    }
    assert!(holds(&left[0])?);
    ring.rotate(AT_ONCE, |_| ()).await?;
    for key in &left[..40] {
        assert!(!holds(key)?, "{} is left as the old master key wrapped it", key.id);
        assert!(ring.key_unless_gone(key.id).await?.is_some());
    }
    Ok(())
}
