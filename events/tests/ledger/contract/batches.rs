//! Requests that share a batch: judged in order, none harmed by its neighbours.
//!
//! The first request of each story stands at the gate of the keys store, within its own batch; what is queued
//! meanwhile forms the next one.

use std::sync::Arc;

use keyledger_events::keys::WrappedKey;
use keyledger_events::{AppendOutcome, AppendRequest, Position, SharedLedger, TeamId, Writer, WriterError, id};
use tokio::task::JoinHandle;

use super::stories;
use crate::support::{
    CountingLedger, GatedKeys, Home, TestResult, check_ledger, event, on_any, on_version, queue_up, request, stream,
};

stories!(
    a_conflict_harms_no_neighbour,
    a_duplicate_in_the_same_batch_is_applied_once,
    a_stream_moves_on_within_a_batch,
    a_poisonous_request_fails_alone,
);

/// A Writer held within the batch of one request, at position 1.
struct Held {
    ledger: SharedLedger,
    counting: Arc<CountingLedger>,
    keys: Arc<GatedKeys>,
    writer: Writer,
    first: JoinHandle<Result<AppendOutcome, WriterError>>,
    team: TeamId,
}

async fn hold(home: &Home) -> TestResult<Held> {
    let ledger = home.ledger().await?;
    let counting = Arc::new(CountingLedger::new(ledger.clone()));
    let keys = Arc::new(GatedKeys::shut(home.keys.clone()));
    let (writer, _) = Writer::start(counting.clone(), keys.clone(), home.clock.clone());
    let team = TeamId(id::fresh());
    let mut first = on_any(team, stream(), "holds the Writer");
    first.keys.push(WrappedKey { id: id::fresh(), wrapped: vec![1] });
    let first = queue_up(&writer, vec![first]).await.remove(0);
    keys.until_reached().await;
    Ok(Held { ledger, counting, keys, writer, first, team })
}

impl Held {
    /// Queues requests behind the first, lets go, and gives their answers.
    async fn then(self, requests: Vec<AppendRequest>) -> TestResult<Vec<Result<AppendOutcome, WriterError>>> {
        let waiting = queue_up(&self.writer, requests).await;
        self.keys.open();
        assert_eq!(self.first.await??, AppendOutcome::Appended { last: Position(1) });
        let mut answers = Vec::new();
        for answer in waiting {
            answers.push(answer.await?);
        }
        Ok(answers)
    }
}

fn outcomes(answers: Vec<Result<AppendOutcome, WriterError>>) -> TestResult<Vec<AppendOutcome>> {
    Ok(answers.into_iter().collect::<Result<_, _>>()?)
}

async fn a_conflict_harms_no_neighbour(home: Arc<Home>) -> TestResult {
    let held = hold(&home).await?;
    let (ledger, counting, team, refused) = (held.ledger.clone(), held.counting.clone(), held.team, stream());
    let answers = held
        .then(vec![
            on_any(team, stream(), "before"),
            on_version(team, refused, 7, "refused"),
            on_any(team, stream(), "after"),
        ])
        .await?;
    assert_eq!(
        outcomes(answers)?,
        [
            AppendOutcome::Appended { last: Position(2) },
            AppendOutcome::Conflict { stream: refused, actual: 0 },
            AppendOutcome::Appended { last: Position(3) },
        ]
    );
    assert_eq!(counting.begun(), 2, "the three shared one transaction");
    assert_eq!(check_ledger(&*ledger).await?.len(), 3);
    Ok(())
}

async fn a_duplicate_in_the_same_batch_is_applied_once(home: Arc<Home>) -> TestResult {
    // Guards: one delivery arrives twice at once, and neither copy is in the database when both are judged.
    let held = hold(&home).await?;
    let (ledger, counting, team) = (held.ledger.clone(), held.counting.clone(), held.team);
    let delivery = request(team).event(event(stream(), "received")).event(event(stream(), "applied"));
    let answers = held.then(vec![delivery.clone(), delivery.clone(), delivery]).await?;
    let repeated = AppendOutcome::AlreadyApplied { position: Position(3) };
    assert_eq!(outcomes(answers)?, [AppendOutcome::Appended { last: Position(3) }, repeated, repeated]);
    assert_eq!(counting.begun(), 2);
    assert_eq!(check_ledger(&*ledger).await?.len(), 3);
    Ok(())
}

async fn a_stream_moves_on_within_a_batch(home: Arc<Home>) -> TestResult {
    // Guards: two decisions on the same version of a licence (the last seat), judged in one batch.
    let held = hold(&home).await?;
    let (ledger, team, seat) = (held.ledger.clone(), held.team, stream());
    let answers = held
        .then(vec![
            on_version(team, seat, 0, "takes it"),
            on_version(team, seat, 0, "is late"),
            on_version(team, seat, 1, "saw it taken"),
        ])
        .await?;
    assert_eq!(
        outcomes(answers)?,
        [
            AppendOutcome::Appended { last: Position(2) },
            AppendOutcome::Conflict { stream: seat, actual: 1 },
            AppendOutcome::Appended { last: Position(3) },
        ]
    );
    check_ledger(&*ledger).await?;
    Ok(())
}

async fn a_poisonous_request_fails_alone(home: Arc<Home>) -> TestResult {
    let held = hold(&home).await?;
    let (ledger, team) = (held.ledger.clone(), held.team);
    // The same id twice in one request: the judge lets it pass, every database refuses it.
    let twice = event(stream(), "twice");
    let poison = request(team).event(twice.clone()).event(twice);
    let answers = held.then(vec![on_any(team, stream(), "before"), poison, on_any(team, stream(), "after")]).await?;
    assert!(matches!(answers[0], Ok(AppendOutcome::Appended { last: Position(2) })), "{:?}", answers[0]);
    assert!(matches!(answers[1], Err(WriterError::Store(_))), "{:?}", answers[1]);
    assert!(matches!(answers[2], Ok(AppendOutcome::Appended { last: Position(3) })), "{:?}", answers[2]);
    assert_eq!(check_ledger(&*ledger).await?.len(), 3);
    Ok(())
}
