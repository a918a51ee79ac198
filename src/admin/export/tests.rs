//! What is taken away verifies without the ledger, whole or in part, and nothing of it can be changed.

use keyledger_events::event::license::LicenseSuspended;
use keyledger_events::{AppendRequest, LedgerError, NewEvent, Position, Provenance, StreamId, StreamKind, TeamId, id};
use keyledger_proof::bundle::{self, BundleError, Filter, Verdict};
use keyledger_proof::{Checkpoint, VerifierKey};

use super::{Export, ExportError, Format};
use crate::proofs::{LogKey, sign_now};
use crate::test_support::{Home, TestResult, all, noon_and, stories};

stories!(
    a_whole_bundle_verifies_and_no_byte_of_it_can_be_changed,
    a_filtered_bundle_proves_each_event,
    a_table_has_a_row_an_event,
    large_events_come_in_small_pieces,
    a_changed_ledger_is_not_exported,
    an_export_without_an_event_that_there_was_is_none,
);

async fn export(home: &Home, format: Format, filter: &Filter) -> Result<Vec<u8>, ExportError> {
    let key = LogKey::open(&home.app.keys).await?;
    let checkpoint = sign_now(&home.app, &key).await?;
    let mut export = Export::begin(&home.app, key, format, filter.clone(), checkpoint).await?;
    let mut whole = Vec::new();
    while let Some(piece) = export.next().await? {
        whole.extend(piece);
    }
    Ok(whole)
}

async fn key(home: &Home) -> TestResult<VerifierKey> {
    Ok(LogKey::open(&home.app.keys).await?.key().clone())
}

fn verify(bundle: &[u8], key: &VerifierKey) -> Result<Verdict, BundleError> {
    bundle::verify(bundle, Some(key), &[])
}

async fn a_whole_bundle_verifies_and_no_byte_of_it_can_be_changed(home: Home) -> TestResult {
    home.grow(6, 2).await?;
    let (bundle, key) = (export(&home, Format::Jsonl, &Filter::default()).await?, key(&home).await?);
    let verdict = verify(&bundle, &key)?;
    assert_eq!((verdict.events, verdict.first, verdict.last, verdict.size), (8, Some(1), Some(8), 8));
    assert_eq!(verdict.root, hex::encode(home.app.ledger.head().await?.frontier.root()));
    assert!(verdict.filter.is_everything());
    for at in 0..bundle.len() {
        let mut changed = bundle.clone();
        changed[at] ^= 1;
        assert!(verify(&changed, &key).is_err(), "byte {at} of {}", bundle.len());
        assert!(bundle::verify(&changed[..], None, &[]).is_err(), "byte {at}, whoever signed");
        assert!(verify(&bundle[..at], &key).is_err(), "cut off at {at}");
    }
    assert!(verify(&[&bundle[..], b"\n"].concat(), &key).is_err(), "something follows");
    let lines: Vec<&[u8]> = bundle.split_inclusive(|byte| *byte == b'\n').collect();
    for at in 0..lines.len() {
        let without: Vec<u8> = [&lines[..at], &lines[at + 1..]].concat().concat();
        assert!(verify(&without, &key).is_err(), "without line {at}");
        let twice: Vec<u8> = [&lines[..=at], &lines[at..]].concat().concat();
        assert!(verify(&twice, &key).is_err(), "line {at} twice");
        if at > 0 {
            let mut swapped = lines.clone();
            swapped.swap(at - 1, at);
            assert!(verify(&swapped.concat(), &key).is_err(), "lines {} and {at} swapped", at - 1);
        }
    }
    // A checkpoint from before is the beginning of this one; one of another history is not.
    let kept = |size, root| Checkpoint { origin: String::new(), size, root };
    let head = home.app.ledger.head().await?.frontier.root();
    assert!(bundle::verify(&bundle[..], Some(&key), &[kept(8, head)]).is_ok());
    for other in [kept(8, [0; 32]), kept(5, head), kept(9, head)] {
        assert!(bundle::verify(&bundle[..], Some(&key), &[other]).is_err());
    }
    let stranger = keyledger_proof::NoteSigner::from_seed(&[9; 32], |_| key.name().to_owned())?;
    let refused = verify(&bundle, stranger.key()).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("not of"), "{refused}");
    Ok(())
}

async fn a_filtered_bundle_proves_each_event(home: Home) -> TestResult {
    home.grow(300, 4).await?;
    home.clock.advance_seconds(60);
    home.grow(250, 4).await?;
    home.clock.advance_seconds(60);
    let theirs = TeamId(id::fresh());
    let stream = StreamId::new(StreamKind::License, id::fresh());
    let event = NewEvent::new(stream, noon_and(0), LicenseSuspended { reason: None });
    let request = AppendRequest::new(theirs, Provenance::of("test")).event(event);
    assert!(matches!(home.app.writer.append(request).await?, keyledger_events::AppendOutcome::Appended { .. }));
    home.grow(5, 1).await?;
    let key = key(&home).await?;
    let ours = Some(home.team.0);
    let cases = [
        (Filter { team: ours, ..Filter::default() }, 557, 1, 558),
        (Filter { team: Some(theirs.0), ..Filter::default() }, 1, 553, 553),
        (
            Filter { types: vec!["TeamRegistered".to_owned(), "ProductRegistered".to_owned()], ..Filter::default() },
            2,
            1,
            2,
        ),
        (Filter { from: Some(noon_and(60)), ..Filter::default() }, 256, 303, 558),
        (Filter { from: Some(noon_and(1)), until: Some(noon_and(61)), ..Filter::default() }, 250, 303, 552),
        (Filter { until: Some(noon_and(1)), team: ours, ..Filter::default() }, 302, 1, 302),
        (Filter { after: Some(500), team: ours, ..Filter::default() }, 57, 501, 558),
    ];
    for (filter, events, first, last) in cases {
        let bundle = export(&home, Format::Jsonl, &filter).await?;
        let verdict = verify(&bundle, &key)?;
        assert_eq!((verdict.events, verdict.first, verdict.last), (events, Some(first), Some(last)), "{filter:?}");
        assert_eq!((&verdict.filter, verdict.size), (&filter, 558));
        // Fewer events, with everything else as it was: the log signed how many there are.
        let lines: Vec<&[u8]> = bundle.split_inclusive(|byte| *byte == b'\n').collect();
        let fewer = [&lines[..1], &lines[2..]].concat().concat();
        assert!(verify(&fewer, &key).is_err(), "{filter:?}");
        let text = String::from_utf8(bundle)?;
        let forged = text.replacen("reason 1", "reason 7", 1).replacen("Software", "Hardware", 1);
        let problem = verify(forged.as_bytes(), &key).err().map(|error| error.to_string());
        assert!(forged == text || problem.is_some_and(|problem| problem.contains("position")), "{filter:?}");
    }
    let none = Filter { from: Some(noon_and(9_999)), ..Filter::default() };
    let verdict = verify(&export(&home, Format::Jsonl, &none).await?, &key)?;
    assert_eq!((verdict.events, verdict.first), (0, None));
    let unknown = Filter { types: vec!["Nonsense".to_owned()], ..Filter::default() };
    assert!(matches!(export(&home, Format::Jsonl, &unknown).await, Err(ExportError::UnknownType(_))));
    Ok(())
}

async fn a_table_has_a_row_an_event(home: Home) -> TestResult {
    let stream = StreamId::new(StreamKind::License, id::fresh());
    let mean = "two\nlines, \"quoted\"".to_owned();
    home.happen(stream, LicenseSuspended { reason: Some(mean) }).await?;
    let table = String::from_utf8(export(&home, Format::Csv, &Filter::default()).await?)?;
    let rows: Vec<&str> = table.split_terminator("\r\n").collect();
    assert_eq!(rows.len(), 4, "{table}");
    assert!(rows[0].starts_with("position,type,version,stream,"));
    assert!(rows[3].starts_with(&format!("3,\"LicenseSuspended\",1,\"{stream}\",1,\"{}\",", home.team)), "{}", rows[3]);
    assert!(rows[3].ends_with(r#""{""reason"":""two\nlines, \""quoted\""""}""#), "{}", rows[3]);
    Ok(())
}

async fn large_events_come_in_small_pieces(home: Home) -> TestResult {
    home.grow(300, 2).await?;
    let stream = StreamId::new(StreamKind::License, id::fresh());
    let large = "x".repeat(100_000);
    for _ in 0..30 {
        let events: Vec<_> = (0..10)
            .map(|_| NewEvent::new(stream, noon_and(0), LicenseSuspended { reason: Some(large.clone()) }))
            .collect();
        home.append(events, Vec::new()).await?;
    }
    let key = LogKey::open(&home.app.keys).await?;
    let checkpoint = sign_now(&home.app, &key).await?;
    let everything = Filter::default();
    let mut export = Export::begin(&home.app, key, Format::Jsonl, everything, checkpoint).await?;
    let (mut whole, mut largest) = (0, 0);
    while let Some(piece) = export.next().await? {
        whole += piece.len();
        largest = largest.max(piece.len());
    }
    assert!(whole > 30_000_000, "{whole}");
    assert!(largest < 1_500_000, "{largest}");
    assert_eq!(export.written(), 602);
    Ok(())
}

async fn a_changed_ledger_is_not_exported(home: Home) -> TestResult {
    home.grow(30, 2).await?;
    let attacker = home.attacker().await?;
    let key = LogKey::open(&home.app.keys).await?;
    sign_now(&home.app, &key).await?;
    for format in [Format::Jsonl, Format::Csv] {
        attacker.change("UPDATE @event SET actor = 'nobody' WHERE position = 20").await?;
        assert!(matches!(
            export(&home, format, &Filter::default()).await,
            Err(ExportError::Ledger(LedgerError::Hash(_)))
        ));
        attacker.restore("actor", 20, 20).await?;
        assert!(export(&home, format, &Filter::default()).await.is_ok());
    }
    attacker.change("DELETE FROM @event WHERE position = 20").await?;
    let broken = export(&home, Format::Jsonl, &Filter::default()).await;
    assert!(matches!(broken, Err(ExportError::Proofs(_) | ExportError::Changed)), "{broken:?}");
    Ok(())
}

async fn an_export_without_an_event_that_there_was_is_none(home: Home) -> TestResult {
    // More than a full tile, whose kept hash hides from the checkpoint what becomes of the events under it.
    home.grow(600, 3).await?;
    let key = LogKey::open(&home.app.keys).await?;
    sign_now(&home.app, &key).await?;
    let attacker = home.attacker().await?;
    let few = Filter { types: vec!["TeamRegistered".to_owned()], ..Filter::default() };
    let cases = [
        (Format::Csv, Filter::default()),
        (Format::Jsonl, Filter::default()),
        (Format::Csv, few.clone()),
        (Format::Jsonl, few.clone()),
        (Format::Jsonl, Filter { after: Some(20), ..few.clone() }),
        (Format::Jsonl, Filter { until: Some(noon_and(1)), ..few.clone() }),
    ];
    for position in [40, 256, 257] {
        attacker.change(&format!("DELETE FROM @event WHERE position = {position}")).await?;
        for (format, filter) in &cases {
            let made = export(&home, *format, filter).await;
            let missing = matches!(&made, Err(ExportError::Missing(Position(at))) if *at == position);
            // Behind the last full tile, signing the checkpoint finds it.
            assert!(missing || matches!(made, Err(ExportError::Proofs(_))), "{position}, {format:?}, {filter:?}");
            assert!(missing || position > 256, "{position}, {format:?}, {filter:?}");
        }
        attacker.change(&format!("INSERT INTO @event SELECT * FROM @before WHERE position = {position}")).await?;
    }
    // Made to be of another type, which the filter leaves out: with the hash that it had, and with the one that fits.
    let unwanted = Filter { types: vec!["LicenseSuspended".to_owned()], ..Filter::default() };
    let mut forged = all(&home.app).await?.swap_remove(39);
    forged.event_type = "LicenseReinstated".to_owned();
    let hash = attacker.bytes(&forged.expected_leaf_hash());
    attacker.change("UPDATE @event SET type = 'LicenseReinstated' WHERE position = 40").await?;
    let made = export(&home, Format::Jsonl, &unwanted).await;
    assert!(matches!(made, Err(ExportError::Ledger(LedgerError::Hash(_)))), "{made:?}");
    attacker.change(&format!("UPDATE @event SET leaf_hash = {hash} WHERE position = 40")).await?;
    for (format, filter) in [(Format::Csv, &unwanted), (Format::Jsonl, &few)] {
        let made = export(&home, format, filter).await;
        assert!(matches!(made, Err(ExportError::Changed)), "{format:?}, {filter:?}");
    }
    attacker.restore("type", 40, 40).await?;
    attacker.restore("leaf_hash", 40, 40).await?;
    for (format, filter) in &cases {
        export(&home, *format, filter).await?;
    }
    Ok(())
}
