//! Data keys are durable before the events that they seal.

use std::sync::Arc;
use std::time::Duration;

use keyledger_events::keys::{KeyLink, WrappedKey};
use keyledger_events::{AppendOutcome, Position, TeamId, Writer, WriterError, id};

use super::stories;
use crate::support::{GatedKeys, Home, TestResult, check_ledger, on_any, on_version, queue_up, stream};

stories!(
    no_event_is_visible_before_its_key,
    nothing_is_appended_when_the_keys_store_fails,
    the_key_of_a_refused_request_is_not_kept,
    another_key_under_a_taken_id_is_refused,
    keys_under_different_master_keys_are_all_kept_while_none_is_in_force,
);

fn key(wrapped: u8) -> WrappedKey {
    WrappedKey { id: id::fresh(), wrapped: vec![wrapped; 72] }
}

async fn no_event_is_visible_before_its_key(home: Arc<Home>) -> TestResult {
    // Guards: a crash between the two commits must leave a key without an event, never an event without its key.
    let ledger = home.ledger().await?;
    let gate = Arc::new(GatedKeys::shut(home.keys.clone()));
    let (writer, _) = Writer::start(ledger.clone(), gate.clone(), home.clock.clone());
    let key = key(1);
    let mut sealed = on_any(TeamId(id::fresh()), stream(), "sealed");
    sealed.keys.push(key.clone());
    sealed.links.push(KeyLink { key_id: key.id, customer_id: id::fresh() });
    let waiting = queue_up(&writer, vec![sealed]).await.remove(0);
    gate.until_reached().await;
    // Long enough for the ledger's part of the batch to be done and to wait for the keys.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(ledger.head().await?.position, Position::START);
    assert_eq!(home.keys.find(key.id).await?, None);
    gate.open();
    assert_eq!(waiting.await??, AppendOutcome::Appended { last: Position(1) });
    assert_eq!(home.keys.find(key.id).await?, Some(key));
    Ok(())
}

async fn nothing_is_appended_when_the_keys_store_fails(home: Arc<Home>) -> TestResult {
    let ledger = home.ledger().await?;
    let gate = Arc::new(GatedKeys::shut(home.keys.clone()));
    gate.open();
    let (writer, _) = Writer::start(ledger.clone(), gate.clone(), home.clock.clone());
    let (team, key) = (TeamId(id::fresh()), key(1));
    let mut sealed = on_any(team, stream(), "sealed");
    sealed.keys.push(key.clone());
    gate.set_broken(true);
    let failed = writer.append(sealed.clone()).await;
    assert!(matches!(failed, Err(WriterError::Keys(_))), "{failed:?}");
    assert_eq!(ledger.head().await?.position, Position::START);
    gate.set_broken(false);
    assert_eq!(writer.append(sealed).await?, AppendOutcome::Appended { last: Position(1) });
    assert_eq!(home.keys.find(key.id).await?, Some(key));
    check_ledger(&*ledger).await?;
    Ok(())
}

async fn the_key_of_a_refused_request_is_not_kept(home: Arc<Home>) -> TestResult {
    let (_ledger, writer) = home.writer().await?;
    let (team, stream, key) = (TeamId(id::fresh()), stream(), key(1));
    let mut stale = on_version(team, stream, 3, "stale");
    stale.keys.push(key.clone());
    assert_eq!(writer.append(stale).await?, AppendOutcome::Conflict { stream, actual: 0 });
    assert_eq!(home.keys.find(key.id).await?, None);
    Ok(())
}

async fn another_key_under_a_taken_id_is_refused(home: Arc<Home>) -> TestResult {
    // Guards: a node stores a key and dies before its ledger commit; the request comes again with a second key under
    // the same id, and what is sealed with that could never be opened, because the first one stays.
    let (ledger, writer) = home.writer().await?;
    let (team, first) = (TeamId(id::fresh()), key(1));
    home.keys.insert(std::slice::from_ref(&first), &[]).await?;
    let mut second = on_any(team, stream(), "sealed with another key");
    second.keys.push(WrappedKey { id: first.id, wrapped: vec![2; 72] });
    let mut neighbour = on_any(team, stream(), "neighbour");
    neighbour.keys.push(key(3));
    let mut answers = queue_up(&writer, vec![second, neighbour]).await;
    assert!(matches!(answers.remove(0).await?, Err(WriterError::Keys(_))));
    assert_eq!(answers.remove(0).await??, AppendOutcome::Appended { last: Position(1) });
    let mut same = on_any(team, stream(), "sealed with the stored key");
    same.keys.push(first.clone());
    assert_eq!(writer.append(same).await?, AppendOutcome::Appended { last: Position(2) });
    assert_eq!(home.keys.find(first.id).await?, Some(first));
    assert_eq!(check_ledger(&*ledger).await?.len(), 2);
    Ok(())
}

/// A copy that was taken while the master key was being rotated, or since the first release, holds keys of both kinds.
async fn keys_under_different_master_keys_are_all_kept_while_none_is_in_force(home: Arc<Home>) -> TestResult {
    let under = |master: u8| WrappedKey { id: id::fresh(), wrapped: [vec![master; 16], vec![7; 72]].concat() };
    let keys = [key(1), under(2), under(3), key(4)];
    home.keys.insert(&keys, &[]).await?;
    for key in keys {
        assert_eq!(home.keys.find(key.id).await?, Some(key));
    }
    Ok(())
}
