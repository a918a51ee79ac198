//! Random histories against a model that fits one screen: appends with right and wrong expectations over several
//! streams, repeats, batches of concurrent requests, and restarts.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::sync::Arc;

use keyledger_events::event::license::LicenseSuspended;
use keyledger_events::{
    AppendOutcome, AppendRequest, NewEvent, Position, SharedLedger, StreamId, StreamKind, TeamId, Writer, id,
};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::support::{Engine, Home, check_ledger, noon, queue_up, request};

/// Streams that the histories write to.
const STREAMS: usize = 4;
/// Event ids they draw from: few, so that repeats, whole and partial, come by themselves.
const IDS: u32 = 60;

/// A request as the model sees it: events as (id, stream), expectations as (stream, how far off the truth).
#[derive(Debug, Clone)]
struct Plan {
    events: Vec<(u32, usize)>,
    expected: Vec<(usize, i64)>,
}

#[derive(Debug, Clone)]
enum Step {
    /// Requests submitted at once, in this order.
    Append(Vec<Plan>),
    /// Everything is closed and opened again.
    Restart,
}

/// What must be in the ledger.
#[derive(Debug, Clone, Default)]
struct Model {
    versions: [i64; STREAMS],
    log: Vec<(u32, usize)>,
    /// What the last step's requests must have been answered, with the versions that they named.
    answers: Vec<(Vec<(usize, i64)>, Answer)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Answer {
    Appended { last: usize },
    AlreadyApplied { position: usize },
    Conflict { stream: usize, actual: i64 },
}

impl Model {
    fn position(&self, id: u32) -> Option<usize> {
        self.log.iter().position(|(stored, _)| *stored == id).map(|index| index + 1)
    }

    fn answer(&mut self, plan: &Plan, expected: &[(usize, i64)]) -> Answer {
        if let Some(position) = plan.events.iter().rev().find_map(|(id, _)| self.position(*id)) {
            return Answer::AlreadyApplied { position };
        }
        for &(stream, version) in expected {
            if self.versions[stream] != version {
                return Answer::Conflict { stream, actual: self.versions[stream] };
            }
        }
        for &(id, stream) in &plan.events {
            self.versions[stream] += 1;
            self.log.push((id, stream));
        }
        Answer::Appended { last: self.log.len() }
    }
}

fn plan() -> impl Strategy<Value = Plan> {
    let events = prop::collection::vec((0..IDS, 0..STREAMS), 1..4).prop_map(|events| {
        let mut seen = HashSet::new();
        events.into_iter().filter(|(id, _)| seen.insert(*id)).collect()
    });
    let offset = prop_oneof![6 => Just(0), 1 => Just(1), 1 => Just(-1)];
    let expected = prop::collection::vec((0..STREAMS, offset), 0..3);
    (events, expected).prop_map(|(events, expected)| Plan { events, expected })
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Step> {
        prop_oneof![
            4 => plan().prop_map(|plan| Step::Append(vec![plan])),
            4 => prop::collection::vec(plan(), 2..8).prop_map(Step::Append),
            1 => Just(Step::Restart),
        ]
        .boxed()
    }

    fn apply(mut model: Self, step: &Step) -> Self {
        model.answers.clear();
        if let Step::Append(plans) = step {
            // All were decided on the same state, before any of them was appended.
            let before = model.versions;
            for plan in plans {
                let expected: Vec<_> =
                    plan.expected.iter().map(|&(stream, off)| (stream, before[stream] + off)).collect();
                let answer = model.answer(plan, &expected);
                model.answers.push((expected, answer));
            }
        }
        model
    }
}

#[expect(clippy::panic, reason = "a state machine test has no other way to fail")]
fn must<T, E: Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// The real thing beside the model.
struct Real {
    runtime: Runtime,
    home: Arc<Home>,
    ledger: SharedLedger,
    writer: Option<Writer>,
    team: TeamId,
    streams: Vec<StreamId>,
}

impl Real {
    fn new(engine: Engine) -> Self {
        let runtime = must(tokio::runtime::Builder::new_current_thread().enable_all().build());
        let home = Arc::new(must(runtime.block_on(Home::new(engine))));
        let (ledger, writer) = must(runtime.block_on(home.writer()));
        let streams = (0..STREAMS).map(|_| StreamId::new(StreamKind::License, id::fresh())).collect();
        Self { runtime, home, ledger, writer: Some(writer), team: TeamId(id::fresh()), streams }
    }

    fn event_id(&self, id: u32) -> Uuid {
        keyledger_events::id::derived(self.team, &[&id.to_string()])
    }

    fn request(&self, plan: &Plan, expected: &[(usize, i64)]) -> AppendRequest {
        let all = plan.events.iter().fold(request(self.team), |all, &(id, stream)| {
            let suspended = LicenseSuspended { reason: Some(id.to_string()) };
            all.event(NewEvent {
                event_id: self.event_id(id),
                ..NewEvent::new(self.streams[stream], noon(), suspended)
            })
        });
        expected.iter().fold(all, |all, &(stream, version)| all.expect(self.streams[stream], version))
    }

    fn expected_outcome(&self, answer: Answer) -> AppendOutcome {
        let at = |position| Position(must(i64::try_from(position)));
        match answer {
            Answer::Appended { last } => AppendOutcome::Appended { last: at(last) },
            Answer::AlreadyApplied { position } => AppendOutcome::AlreadyApplied { position: at(position) },
            Answer::Conflict { stream, actual } => AppendOutcome::Conflict { stream: self.streams[stream], actual },
        }
    }

    fn append(&self, plans: &[Plan], answers: &[(Vec<(usize, i64)>, Answer)]) {
        let Some(writer) = &self.writer else { return };
        let requests = plans.iter().zip(answers).map(|(plan, (expected, _))| self.request(plan, expected)).collect();
        self.runtime.block_on(async {
            for (answer, (_, expected)) in queue_up(writer, requests).await.into_iter().zip(answers) {
                assert_eq!(must(must(answer.await)), self.expected_outcome(*expected));
            }
        });
    }

    fn restart(&mut self) {
        self.writer = None;
        let (ledger, writer) = must(self.runtime.block_on(self.home.writer()));
        (self.ledger, self.writer) = (ledger, Some(writer));
    }

    fn check(&self, model: &Model) {
        let events = must(self.runtime.block_on(check_ledger(&*self.ledger)));
        let stored: Vec<_> = events.iter().map(|event| (event.event_id, event.stream)).collect();
        let expected: Vec<_> =
            model.log.iter().map(|&(id, stream)| (self.event_id(id), self.streams[stream])).collect();
        assert_eq!(stored, expected);
        let mut versions: HashMap<_, _> = self.streams.iter().map(|stream| (*stream, 0)).collect();
        versions.extend(events.iter().map(|event| (event.stream, event.stream_version)));
        let versions: Vec<_> = self.streams.iter().map(|stream| versions[stream]).collect();
        assert_eq!(versions, model.versions);
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        self.writer = None;
        let _ = self.runtime.block_on(self.home.remove());
    }
}

macro_rules! against_the_model {
    ($name:ident, $engine:expr) => {
        struct $name;

        impl StateMachineTest for $name {
            type SystemUnderTest = Real;
            type Reference = Model;

            fn init_test(_: &Model) -> Real {
                Real::new($engine)
            }

            fn apply(mut real: Real, model: &Model, step: Step) -> Real {
                match step {
                    Step::Append(plans) => real.append(&plans, &model.answers),
                    Step::Restart => real.restart(),
                }
                real
            }

            fn check_invariants(real: &Real, model: &Model) {
                real.check(model);
            }
        }
    };
}

against_the_model!(OnSqlite, Engine::Sqlite);
against_the_model!(OnPostgres, Engine::Postgres);

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, max_shrink_time: 60_000, ..ProptestConfig::default() }
}

prop_state_machine! {
    #![proptest_config(cases(48))]
    #[test]
    fn any_history_on_sqlite_is_the_models(sequential 1..25 => OnSqlite);
}

prop_state_machine! {
    #![proptest_config(cases(12))]
    #[test]
    fn any_history_on_postgres_is_the_models(sequential 1..25 => OnPostgres);
}
