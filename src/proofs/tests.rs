//! What the log signs, when, and what it never signs; and that its proofs are proofs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use keyledger_events::Position;
use keyledger_proof::merkle::{Frontier, Hash};
use keyledger_proof::{Checkpoint, check};

use super::checkpointer::sign_if_due;
use super::{LogKey, ProofsError, consistency, inclusion, sign_now};
use crate::test_support::{DAY, Home, TestResult, all, stories};

stories!(
    a_checkpoint_is_signed_every_minute_in_which_the_ledger_grew,
    a_clock_that_was_set_back_is_not_waited_for,
    a_thousand_events_are_signed_at_once,
    of_several_nodes_one_signs_a_size,
    every_event_and_every_tree_is_proved,
    what_contradicts_a_checkpoint_is_never_signed,
);

async fn sizes(home: &Home) -> TestResult<Vec<u64>> {
    Ok(home.app.proofs.checkpoints(0, 1_000).await?.iter().map(|checkpoint| checkpoint.size).collect())
}

async fn a_checkpoint_is_signed_every_minute_in_which_the_ledger_grew(home: Home) -> TestResult {
    let key = LogKey::open(&home.app.keys).await?;
    sign_if_due(&home.app, &key).await?;
    assert_eq!(sizes(&home).await?, [2], "the first events are signed at once");
    home.clock.advance_seconds(600);
    sign_if_due(&home.app, &key).await?;
    assert_eq!(sizes(&home).await?, [2], "nothing has happened since");
    home.grow(1, 1).await?;
    sign_if_due(&home.app, &key).await?;
    assert_eq!(sizes(&home).await?, [2, 3]);
    home.grow(1, 1).await?;
    home.clock.advance_seconds(59);
    sign_if_due(&home.app, &key).await?;
    assert_eq!(sizes(&home).await?, [2, 3], "a minute is not over");
    home.clock.advance_seconds(1);
    sign_if_due(&home.app, &key).await?;
    assert_eq!(sizes(&home).await?, [2, 3, 4]);
    let newest = home.app.proofs.newest_checkpoint().await?.ok_or("none")?;
    let opened = Checkpoint::open(key.key(), &newest.note)?;
    assert_eq!((opened.size, opened.root), (4, home.app.ledger.head().await?.frontier.root()));
    assert_eq!(newest.root, opened.root);
    // Another process has the same key.
    let (other, _) = home.another().await?;
    assert_eq!(LogKey::open(&other.keys).await?.key(), key.key());
    Ok(())
}

async fn a_clock_that_was_set_back_is_not_waited_for(home: Home) -> TestResult {
    let key = LogKey::open(&home.app.keys).await?;
    home.clock.advance_seconds(7 * DAY);
    sign_if_due(&home.app, &key).await?;
    home.clock.advance_seconds(-7 * DAY);
    home.grow(1, 1).await?;
    sign_if_due(&home.app, &key).await?;
    assert_eq!(sizes(&home).await?, [2, 3]);
    Ok(())
}

async fn a_thousand_events_are_signed_at_once(home: Home) -> TestResult {
    let key = LogKey::open(&home.app.keys).await?;
    sign_if_due(&home.app, &key).await?;
    home.grow(999, 9).await?;
    sign_if_due(&home.app, &key).await?;
    assert_eq!(sizes(&home).await?, [2]);
    home.grow(1, 1).await?;
    sign_if_due(&home.app, &key).await?;
    assert_eq!(sizes(&home).await?, [2, 1_002]);
    Ok(())
}

async fn of_several_nodes_one_signs_a_size(home: Home) -> TestResult {
    let key = LogKey::open(&home.app.keys).await?;
    let (other, _) = home.another().await?;
    for _ in 0..5 {
        home.grow(70, 3).await?;
        let (ours, theirs) = tokio::join!(sign_now(&home.app, &key), sign_now(&other, &key));
        assert_eq!(ours?, theirs?);
    }
    assert_eq!(sizes(&home).await?, [72, 142, 212, 282, 352]);
    Ok(())
}

async fn every_event_and_every_tree_is_proved(home: Home) -> TestResult {
    let key = LogKey::open(&home.app.keys).await?;
    let app = &home.app;
    let early = inclusion(app, &key, None, Position(1), None).await;
    assert!(matches!(early, Err(ProofsError::NotYet { position: 1, size: 0 })));
    home.grow(298, 3).await?;
    sign_now(app, &key).await?;
    home.grow(500, 3).await?;
    let newest = sign_now(app, &key).await?;
    assert_eq!(newest.size, 800);
    let mut roots: Vec<Hash> = vec![Frontier::default().root()];
    let mut tree = Frontier::default();
    let events = all(app).await?;
    for event in &events {
        tree.push(event.leaf_hash);
        roots.push(tree.root());
    }
    let path = |encoded: &[String]| -> TestResult<Vec<Hash>> {
        encoded.iter().map(|hash| Ok(BASE64.decode(hash)?.try_into().map_err(|_| "not 32 bytes")?)).collect()
    };
    for position in [1, 2, 255, 256, 257, 300, 511, 512, 513, 768, 769, 799, 800] {
        let proof = inclusion(app, &key, Some(home.team), Position(position), None).await?;
        let index = u64::try_from(position)? - 1;
        let leaf = &events[usize::try_from(index)?].leaf_hash;
        let path = path(&proof.path)?;
        check::inclusion(leaf, index, 800, &roots[800], &path)?;
        assert!(check::inclusion(leaf, index ^ 1, 800, &roots[800], &path).is_err());
        assert_eq!((proof.leaf_hash, proof.checkpoint.size), (hex::encode(leaf), 800));
        let old = inclusion(app, &key, None, Position(position), Some(300)).await;
        assert_eq!(old.is_ok(), position <= 300, "{position}");
    }
    for from in [1, 2, 255, 256, 257, 300, 512, 799, 800] {
        for to in [Some(300), Some(513), None] {
            let end = to.unwrap_or(800);
            let proof = match consistency(app, &key, from, to).await {
                Err(ProofsError::Order { .. }) if from > end => continue,
                proof => proof?,
            };
            let (old, new) = (&roots[usize::try_from(from)?], &roots[usize::try_from(end)?]);
            check::consistency(from, old, end, new, &path(&proof.path)?)?;
            assert_eq!((proof.from_root, proof.to_root), (hex::encode(old), hex::encode(new)));
            assert_eq!((proof.from_note.is_some(), proof.to_note.is_some()), (from == 300 || from == 800, end != 513));
        }
    }
    let other = keyledger_events::TeamId(uuid::Uuid::from_u128(7));
    for (team, position) in [(Some(other), 5), (None, 801), (None, 0), (None, -1), (None, i64::MIN)] {
        let none = inclusion(app, &key, team, Position(position), None).await;
        assert!(matches!(none, Err(ProofsError::NoEvent(_))), "{position}: {none:?}");
    }
    assert!(matches!(inclusion(app, &key, None, Position(1), Some(77)).await, Err(ProofsError::NoCheckpoint(77))));
    assert!(matches!(consistency(app, &key, 0, None).await, Err(ProofsError::Order { .. })));
    assert!(matches!(consistency(app, &key, 1, Some(900)).await, Err(ProofsError::NotYet { .. })));
    Ok(())
}

async fn what_contradicts_a_checkpoint_is_never_signed(home: Home) -> TestResult {
    let key = LogKey::open(&home.app.keys).await?;
    home.grow(598, 9).await?;
    sign_now(&home.app, &key).await?;
    home.grow(10, 1).await?;
    let attacker = home.attacker().await?;
    let zeros = attacker.bytes(&[0; 32]);
    let refused = async || matches!(sign_now(&home.app, &key).await, Err(ProofsError::Inconsistent(_)));
    // A leaf that no tile holds yet; the Writer's own tree says otherwise.
    attacker.change(&format!("UPDATE @event SET leaf_hash = {zeros} WHERE position = 605")).await?;
    assert!(refused().await);
    attacker.restore("leaf_hash", 605, 605).await?;
    // A leaf and the head row: the last checkpoint says otherwise.
    let mut events = all(&home.app).await?;
    events[570].provenance.actor = "nobody".to_owned();
    attacker.rewrite(events.clone()).await?;
    assert!(refused().await);
    events[570].provenance.actor = "test".to_owned();
    attacker.rewrite(events).await?;
    sign_now(&home.app, &key).await?;
    assert_eq!(sizes(&home).await?, [600, 610]);
    // A row that is gone.
    home.grow(300, 1).await?;
    attacker.change("DELETE FROM @event WHERE position = 650").await?;
    assert!(matches!(sign_now(&home.app, &key).await, Err(ProofsError::Missing { level: 0, index: 649 })));
    Ok(())
}
