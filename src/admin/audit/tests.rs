//! Somebody changes the ledger by hand, in every way there is: verification names the place.

use keyledger_events::{Event, RecordedEvent, StreamId, StreamKind, id};
use keyledger_proof::Checkpoint;
use uuid::Uuid;

use super::{KeptNote, Verified, keep, load, verify};
use crate::app::{App, refuse_without_keys};
use crate::proofs::{LogKey, sign_now};
use crate::test_support::{Attacker, Home, TestResult, all, stories};

stories!(
    every_column_of_every_row_is_watched,
    rows_that_go_or_change_places_are_missed,
    the_head_row_fits_the_events,
    checkpoints_and_tiles_fit_the_events,
    an_event_that_cannot_be_read_is_named,
    history_that_is_rewritten_consistently_is_found_by_what_was_signed,
    a_folder_of_kept_checkpoints_finds_it_every_day,
    a_ledger_that_grows_meanwhile_verifies,
);

async fn check(app: &App, kept: Vec<KeptNote>) -> TestResult<Verified> {
    let key = LogKey::open(&app.keys).await?;
    Ok(verify(app, key.key(), kept, |_, _| {}).await?)
}

async fn assert_good(app: &App) -> TestResult<Verified> {
    let verified = check(app, Vec::new()).await?;
    assert_eq!((verified.ok, &verified.problem), (true, &None));
    assert_eq!((verified.events, verified.bad_position), (verified.head.0, None));
    Ok(verified)
}

/// What is wrong at `position`.
async fn assert_bad(app: &App, position: i64, because: &str) -> TestResult<String> {
    let verified = check(app, Vec::new()).await?;
    let problem = verified.problem.unwrap_or_default();
    assert!(!verified.ok, "{because}");
    assert_eq!(verified.bad_position.map(|bad| bad.0), Some(position), "{because}: {problem}");
    Ok(problem)
}

/// A team, a product and events over some streams; several pages of them.
async fn history(home: &Home) -> TestResult<i64> {
    Ok(home.grow(1_100, 40).await?.0)
}

/// The same with fewer events, for those who write each of them anew.
async fn short_history(home: &Home) -> TestResult<i64> {
    Ok(home.grow(350, 20).await?.0)
}

/// What a column is changed to: one forgery or more for each of them.
fn forgeries(attacker: &Attacker, column: &str) -> Vec<String> {
    let foreign = Uuid::from_u128(7);
    let texts: &[&str] = match column {
        "position" => &["position + 1000000"],
        "stream_version" => &["stream_version + 1", "stream_version - 1"],
        "schema_version" => &["schema_version + 1", "0"],
        "occurred_at" => &["occurred_at - 1", "9223372036854775807"],
        "recorded_at" => &["recorded_at + 1", "-9223372036854775807"],
        "stream" => &["'license-00000000-0000-0000-0000-000000000007'", "upper(stream)", "''"],
        "type" => &["'LicenseReinstated'", "'Nonsense'"],
        "actor" => &["'nobody'", "''"],
        "causation_id" | "correlation_id" => &["event_id"],
        _ => &[],
    };
    let mut forgeries: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    match column {
        "team" | "event_id" => forgeries.push(attacker.id(foreign)),
        "payload" => forgeries.extend([b"{}".as_slice(), b"", b"\xff"].map(|bytes| attacker.bytes(bytes))),
        "leaf_hash" => forgeries.push(attacker.bytes(&[0; 32])),
        _ => {}
    }
    // SQLite would even keep what is no id at all.
    if let (Attacker::Sqlite(_), "team" | "event_id" | "causation_id" | "leaf_hash") = (attacker, column) {
        forgeries.push(attacker.bytes(&[1, 2, 3]));
    }
    forgeries
}

async fn every_column_of_every_row_is_watched(home: Home) -> TestResult {
    let last = history(&home).await?;
    assert_good(&home.app).await?;
    let attacker = home.attacker().await?;
    let columns = attacker.columns().await?;
    assert!(columns.len() >= 14, "{columns:?}");
    for position in [1, 555, last] {
        for column in &columns {
            let forgeries = forgeries(&attacker, column);
            assert!(!forgeries.is_empty(), "nobody tries to change {column}");
            for forgery in forgeries {
                let change = format!("UPDATE @event SET {column} = {forgery} WHERE position = {position}");
                attacker.change(&change).await?;
                assert_bad(&home.app, position, &change).await?;
                let now_at = if column == "position" { position + 1_000_000 } else { position };
                attacker.restore(column, now_at, position).await?;
            }
        }
    }
    assert_good(&home.app).await?;
    Ok(())
}

async fn rows_that_go_or_change_places_are_missed(home: Home) -> TestResult {
    let last = history(&home).await?;
    let attacker = home.attacker().await?;
    let swap = async |one: i64, other: i64| {
        attacker.change(&format!("UPDATE @event SET position = -1 WHERE position = {one}")).await?;
        attacker.change(&format!("UPDATE @event SET position = {one} WHERE position = {other}")).await?;
        attacker.change(&format!("UPDATE @event SET position = {other} WHERE position = -1")).await
    };
    for (one, other) in [(10, 11), (499, 502), (1, last)] {
        swap(one, other).await?;
        assert_bad(&home.app, one, "swapped").await?;
        swap(one, other).await?;
    }
    assert_good(&home.app).await?;
    for position in [1, 500, 501, last] {
        attacker.change(&format!("DELETE FROM @event WHERE position = {position}")).await?;
        let problem = assert_bad(&home.app, position, "deleted").await?;
        assert!(problem.contains("missing"), "{problem}");
        let back = format!("INSERT INTO @event SELECT * FROM @before WHERE position = {position}");
        attacker.change(&back).await?;
    }
    // An event before the first one, and one that the head row does not know.
    let copy = |position: i64| {
        let columns = "team, stream, stream_version + 100000, ";
        format!(
            "INSERT INTO @event SELECT {position}, {columns} {}, type, schema_version, occurred_at, recorded_at, \
             causation_id, correlation_id, actor, payload, leaf_hash FROM @before WHERE position = 5",
            attacker.id(Uuid::from_u128(9))
        )
    };
    for (position, bad) in [(0, 0), (-5, -5), (last + 1, last + 1), (last + 100, last + 1)] {
        attacker.change(&copy(position)).await?;
        assert_bad(&home.app, bad, "inserted").await?;
        attacker.change(&format!("DELETE FROM @event WHERE position = {position}")).await?;
    }
    // So far away that nobody lives to see all that is missing in between.
    let far = i64::MAX;
    attacker.change(&copy(far)).await?;
    attacker.change(&format!("UPDATE @ledger_head SET position = {far}")).await?;
    assert_bad(&home.app, last + 1, "inserted far away").await?;
    attacker.change(&format!("UPDATE @ledger_head SET position = {last}")).await?;
    attacker.change(&format!("DELETE FROM @event WHERE position = {far}")).await?;
    assert_good(&home.app).await?;
    Ok(())
}

async fn the_head_row_fits_the_events(home: Home) -> TestResult {
    let last = history(&home).await?;
    let attacker = home.attacker().await?;
    attacker.run("CREATE TABLE @head_before AS SELECT * FROM @ledger_head").await?;
    let zeros = attacker.bytes(&[0; 64]);
    if matches!(attacker, Attacker::Postgres(_)) {
        attacker.run("ALTER TABLE @ledger_head DROP CONSTRAINT ledger_head_restoring_check").await?;
    }
    let (mark, other) = (attacker.bytes(&[0; 40]), attacker.bytes(&[1]));
    let changes = [
        ("position = 9223372036854775807", last + 1),
        ("position = -1", 1),
        (&format!("restoring = {mark}"), last),
        (&format!("restoring = {other}"), last),
        ("position = position - 1", last),
        ("position = position + 1", last + 1),
        ("position = 0", 1),
        ("recorded_at = recorded_at + 1", last),
        ("recorded_at = 0", last),
        (&format!("frontier = {zeros}"), last),
        (&format!("frontier = {}", attacker.bytes(&[1])), last),
    ];
    for (change, bad) in changes {
        attacker.change(&format!("UPDATE @ledger_head SET {change}")).await?;
        assert_bad(&home.app, bad, change).await?;
        // Whoever is to say so must get in.
        refuse_without_keys(&*home.app.ledger, &**home.app.keys.vault()).await?;
        assert_bad(&home.audited().await?, bad, change).await?;
        attacker.run("DELETE FROM @ledger_head").await?;
        assert_bad(&home.app, last, "the row is gone").await?;
        assert_bad(&home.audited().await?, last, "the row is gone").await?;
        let refused = home.another().await.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains("audit verify"), "nothing else is done with it: {refused}");
        attacker.change("INSERT INTO @ledger_head SELECT * FROM @head_before").await?;
    }
    assert_good(&home.app).await?;
    Ok(())
}

async fn checkpoints_and_tiles_fit_the_events(home: Home) -> TestResult {
    let key = LogKey::open(&home.app.keys).await?;
    home.grow(300, 3).await?;
    let first = sign_now(&home.app, &key).await?;
    let last = history(&home).await?;
    let second = sign_now(&home.app, &key).await?;
    assert_eq!(assert_good(&home.app).await?.checkpoints, 2);
    let attacker = home.attacker().await?;
    let (size, root) = (first.size, attacker.bytes(&[0; 32]));
    attacker.run("CREATE TABLE @checkpoint_before AS SELECT * FROM @checkpoint").await?;
    attacker.run("CREATE TABLE @tile_before AS SELECT * FROM @merkle_tile").await?;
    let at = i64::try_from(size)?;
    let changes = [
        ("checkpoint", format!("SET root = {root} WHERE size = {size}"), at),
        ("checkpoint", format!("SET note = 'nonsense' WHERE size = {size}"), at),
        ("checkpoint", format!("SET note = replace(note, '{size}', '299') WHERE size = {size}"), at),
        ("checkpoint", format!("SET signed_at = 0 WHERE size = {size}"), at),
        ("checkpoint", format!("SET size = 200 WHERE size = {size}"), 200),
        ("checkpoint", format!("SET size = {} WHERE size = {}", last + 5, second.size), last + 1),
        ("merkle_tile", format!("SET hash = {root} WHERE idx = 0"), 1),
        ("merkle_tile", format!("SET hash = {root} WHERE idx = 2"), 513),
        ("merkle_tile", "SET idx = 100 WHERE idx = 2".to_owned(), 513),
        ("merkle_tile", "SET level = 3 WHERE idx = 0".to_owned(), 1),
    ];
    for (table, change, bad) in changes {
        attacker.change(&format!("UPDATE @{table} {change}")).await?;
        assert_bad(&home.app, bad, &change).await?;
        for (table, before) in [("checkpoint", "checkpoint_before"), ("merkle_tile", "tile_before")] {
            attacker.run(&format!("DELETE FROM @{table}")).await?;
            attacker.run(&format!("INSERT INTO @{table} SELECT * FROM @{before}")).await?;
        }
    }
    assert_good(&home.app).await?;
    // Made up for events that are yet to come: once they are there, nothing could be proved any more.
    let kept = last / 256;
    for (level, index) in [(1, kept), (2, 0), (9, 0)] {
        let planted = format!("INSERT INTO @merkle_tile (level, idx, hash) VALUES ({level}, {index}, {root})");
        attacker.change(&planted).await?;
        let problem = assert_bad(&home.app, last + 1, &planted).await?;
        assert!(problem.contains(&format!("level {level}")), "{problem}");
        attacker.change(&format!("DELETE FROM @merkle_tile WHERE level = {level} AND idx = {index}")).await?;
    }
    // A hash that is none. PostgreSQL's own rules do not let it in.
    if matches!(attacker, Attacker::Sqlite(_)) {
        attacker.change("UPDATE @merkle_tile SET hash = x'01' WHERE level = 1 AND idx = 2").await?;
        assert_bad(&home.app, 513, "a short hash").await?;
        let before = "(SELECT hash FROM @tile_before WHERE level = 1 AND idx = 2)";
        attacker.change(&format!("UPDATE @merkle_tile SET hash = {before} WHERE level = 1 AND idx = 2")).await?;
    }
    assert_good(&home.app).await?;
    // Another log's checkpoint, signed well.
    let foreign = keyledger_proof::NoteSigner::from_seed(&[9; 32], |_| key.key().name().to_owned())?;
    let note = Checkpoint::sign(&foreign, size, &first.root);
    attacker.change(&format!("UPDATE @checkpoint SET note = '{note}' WHERE size = {size}")).await?;
    assert_bad(&home.app, at, "signed by another key").await?;
    Ok(())
}

/// Changes an event.
type Forge = fn(&mut RecordedEvent);

async fn an_event_that_cannot_be_read_is_named(home: Home) -> TestResult {
    let last = short_history(&home).await?;
    let attacker = home.attacker().await?;
    let events = all(&home.app).await?;
    let forged = |forge: Forge| {
        let mut events = events.clone();
        forge(&mut events[299]);
        events
    };
    // Every hash is right, and yet this build cannot read it.
    let cases: [(Forge, &str); 3] = [
        (|event| event.event_type = "Nonsense".to_owned(), "`Nonsense` is unknown"),
        (|event| event.payload = b"{\"reason\":".to_vec(), "cannot be read"),
        (|event| event.payload = b"[1]".to_vec(), "cannot be read"),
    ];
    for (forge, said) in cases {
        attacker.rewrite(forged(forge)).await?;
        let problem = assert_bad(&home.app, 300, said).await?;
        assert!(problem.contains(said), "{problem}");
    }
    attacker.rewrite(events).await?;
    assert_eq!(assert_good(&home.app).await?.events, last);
    Ok(())
}

fn kept(checkpoint: &keyledger_events::store::proofs::StoredCheckpoint) -> KeptNote {
    let checkpoint = Checkpoint { origin: String::new(), size: checkpoint.size, root: checkpoint.root };
    KeptNote { name: "yesterday.checkpoint".to_owned(), checkpoint }
}

async fn history_that_is_rewritten_consistently_is_found_by_what_was_signed(home: Home) -> TestResult {
    let key = LogKey::open(&home.app.keys).await?;
    short_history(&home).await?;
    let yesterday = sign_now(&home.app, &key).await?;
    home.grow(300, 3).await?;
    let today = sign_now(&home.app, &key).await?;
    home.grow(10, 1).await?;
    let attacker = home.attacker().await?;
    let mut events = all(&home.app).await?;
    let good = check(&home.app, vec![kept(&yesterday), kept(&today)]).await?;
    assert_eq!((good.ok, good.kept, good.checkpoints), (true, 2, 2));

    // A payload in today's part, with everything hashed again.
    let at = usize::try_from(yesterday.size)? + 20;
    let honest = events[at].payload.clone();
    events[at].payload = br#"{"reason":"forged"}"#.to_vec();
    attacker.rewrite(events.clone()).await?;
    let after = i64::try_from(yesterday.size)? + 1;
    let problem = assert_bad(&home.app, after, "found by the stored checkpoint").await?;
    assert!(problem.contains("rewritten"), "{problem}");
    // Nothing of this may ever be signed.
    assert!(sign_now(&home.app, &key).await.is_err());

    // The attacker throws the stored checkpoints and tiles away as well: the ledger alone shows nothing any more.
    attacker.run("DELETE FROM @checkpoint").await?;
    attacker.run("DELETE FROM @merkle_tile").await?;
    assert_good(&home.app).await?;
    let found = check(&home.app, vec![kept(&today), kept(&yesterday)]).await?;
    assert_eq!((found.ok, found.bad_position.map(|bad| bad.0)), (false, Some(after)));
    assert!(found.problem.is_some_and(|problem| problem.contains("yesterday.checkpoint")));

    // Cut off instead of changed.
    events[at].payload = honest;
    let short = usize::try_from(today.size)? - 1;
    attacker.rewrite(events[..short].to_vec()).await?;
    assert_good(&home.app).await?;
    let found = check(&home.app, vec![kept(&yesterday), kept(&today)]).await?;
    assert_eq!((found.kept, found.bad_position.map(|bad| bad.0)), (1, Some(i64::try_from(today.size)?)));
    assert!(found.problem.is_some_and(|problem| problem.contains("cut off")));
    Ok(())
}

async fn a_folder_of_kept_checkpoints_finds_it_every_day(home: Home) -> TestResult {
    let key = LogKey::open(&home.app.keys).await?;
    let folder = home.folder.path().join("kept");
    let none = keep(&home.app, &key, &folder, |_, _| {}).await?;
    assert_eq!((none.verified.ok, none.verified.kept), (true, 0));
    short_history(&home).await?;
    let first = keep(&home.app, &key, &folder, |_, _| {}).await?;
    assert_eq!((first.verified.ok, first.verified.kept), (true, 1));
    // The same again changes nothing.
    let again = keep(&home.app, &key, &folder, |_, _| {}).await?;
    assert_eq!((again.verified.kept, &again.file), (2, &first.file));
    assert_eq!(load(&folder, key.key())?.len(), 2);
    let one = load(first.file.as_deref().ok_or("no file")?, key.key())?;
    assert_eq!(one.len(), 1);

    let attacker = home.attacker().await?;
    let mut events = all(&home.app).await?;
    events[100].provenance.actor = "nobody".to_owned();
    attacker.rewrite(events).await?;
    attacker.run("DELETE FROM @checkpoint").await?;
    attacker.run("DELETE FROM @merkle_tile").await?;
    let found = keep(&home.app, &key, &folder, |_, _| {}).await?;
    assert_eq!((found.verified.ok, &found.file), (false, &None));
    assert_eq!(load(&folder, key.key())?.len(), 2, "nothing is kept of a ledger that does not verify");

    // A checkpoint that somebody changed, and a key that is not the log's.
    let file = first.file.ok_or("no file")?;
    let note = std::fs::read_to_string(&file)?;
    std::fs::write(&file, note.replacen('\n', "\n9", 1))?;
    assert!(keep(&home.app, &key, &folder, |_, _| {}).await.is_err());
    std::fs::write(&file, note)?;
    std::fs::write(folder.join("log.key"), "example.com/other+00000000+AA==\n")?;
    let refused = keep(&home.app, &key, &folder, |_, _| {}).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("another ledger")));
    Ok(())
}

async fn a_ledger_that_grows_meanwhile_verifies(home: Home) -> TestResult {
    history(&home).await?;
    let key = LogKey::open(&home.app.keys).await?;
    let stream = StreamId::new(StreamKind::License, id::fresh());
    let suspended = || Event::from(keyledger_events::event::license::LicenseSuspended { reason: None });
    let growing = async {
        for _ in 0..40 {
            home.happen(stream, suspended()).await?;
            home.grow(30, 7).await?;
            sign_now(&home.app, &key).await?;
        }
        TestResult::Ok(())
    };
    let verifying = async {
        for _ in 0..6 {
            assert_good(&home.app).await?;
        }
        TestResult::Ok(())
    };
    let (grown, verified) = tokio::join!(growing, verifying);
    grown?;
    verified
}
