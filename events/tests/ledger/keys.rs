//! Sealed values in the ledger, from the master key in its file to a value that is opened again.

use std::sync::Arc;

use keyledger_events::event::product::ProductRegistered;
use keyledger_events::event::team::TeamRegistered;
use keyledger_events::keys::{KeyRing, KeyRingError, MasterKey, MasterKeyError};
use keyledger_events::sealed::{OpenError, SealContext};
use keyledger_events::{AppendOutcome, Event, NewEvent, Position, StreamId, StreamKind, TeamId, id};

use crate::contract::stories;
use crate::support::{Home, TestResult, noon, request};

stories!(a_sealed_value_opens_in_its_place_and_nowhere_else, a_key_that_is_asked_for_at_once_is_made_once);

async fn a_sealed_value_opens_in_its_place_and_nowhere_else(home: Arc<Home>) -> TestResult {
    let (ledger, writer) = home.writer().await?;
    let folder = tempfile::tempdir()?;
    let master = MasterKey::load_or_create(&folder.path().join("master.key"))?;
    let ring = KeyRing::new(master, home.keys.clone());
    let team = TeamId(id::fresh());
    let stream = StreamId::new(StreamKind::Team, team.0);
    let mut registered = NewEvent::new(stream, noon(), ProductRegistered { name: String::new() });
    let place = SealContext { team, event_id: registered.event_id, field: "private_key" };
    let (key, wrapped) = ring.generate(team.0);
    let private_key = key.seal(place, b"the private key");
    registered.event = TeamRegistered { name: "Acme".to_owned(), public_key: "LS0t".to_owned(), private_key }.into();
    let mut found = request(team).event(registered);
    found.keys.push(wrapped);
    assert_eq!(writer.append(found).await?, AppendOutcome::Appended { last: Position(1) });

    let stored = ledger.read_streams(team, &[stream]).await?.remove(0);
    assert!(!String::from_utf8_lossy(&stored.payload).contains("the private key"));
    let Event::TeamRegistered(stored) = stored.decode()? else { return Err("another event".into()) };
    // A ring that starts afresh, as after a restart.
    let again = KeyRing::new(MasterKey::load_or_create(&folder.path().join("master.key"))?, home.keys.clone());
    assert_eq!(again.open(place, &stored.private_key).await?, b"the private key");
    let elsewhere = SealContext { event_id: id::fresh(), ..place };
    let moved = again.open(elsewhere, &stored.private_key).await;
    assert!(matches!(moved, Err(KeyRingError::Open(OpenError::Tampered))), "{moved:?}");
    let other_master = KeyRing::new(MasterKey::from_hex(&"77".repeat(32), "test")?, home.keys.clone());
    let wrong = other_master.open(place, &stored.private_key).await;
    assert!(matches!(wrong, Err(KeyRingError::Master(MasterKeyError::Other(of))) if of == team.0), "{wrong:?}");
    let gone = again.key(id::fresh()).await.map(drop);
    assert!(matches!(gone, Err(KeyRingError::Gone(_))), "{gone:?}");
    Ok(())
}

async fn a_key_that_is_asked_for_at_once_is_made_once(home: Arc<Home>) -> TestResult {
    // Guards: two requests about the same new customer both find no key, both make one; both must go on with the
    // one that was stored first.
    let ring = KeyRing::new(MasterKey::from_hex(&"5a".repeat(32), "test")?, home.keys.clone());
    let customer = id::fresh();
    let (one, other) = tokio::join!(ring.key_or_new(customer), ring.key_or_new(customer));
    let place = SealContext { team: TeamId(id::fresh()), event_id: id::fresh(), field: "email" };
    let sealed = one?.seal(place, b"buyer@example.com");
    assert_eq!(other?.open(place, &sealed)?, b"buyer@example.com");
    assert_eq!(ring.open(place, &sealed).await?, b"buyer@example.com");
    Ok(())
}

#[test]
fn a_master_key_file_that_is_damaged_says_so() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("master.key");
    std::fs::write(&path, "not a key")?;
    let message = MasterKey::load_or_create(&path).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains("master.key is not 64 hexadecimal digits"), "{message}");
    assert_eq!(std::fs::read_to_string(&path)?, "not a key", "a damaged key is never overwritten");
    let nowhere = MasterKey::load_or_create(&folder.path().join("no/such/folder/master.key")).err();
    assert!(nowhere.is_some_and(|error| error.to_string().contains("no/such/folder")));
    let given = format!(" {}\n", "AB".repeat(32));
    assert!(MasterKey::from_hex(&given, "KEYLEDGER_MASTER_KEY").is_ok(), "white space around it is ignored");
    Ok(())
}
