//! Because of what: the provider event behind an event, with the hash of the body that was delivered.

use std::collections::{HashMap, HashSet};

use keyledger_events::event::inbox::Provider;
use keyledger_events::{Event, Position, RecordedEvent, StreamId, StreamKind, TeamId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::admin::AdminError;
use crate::app::App;

/// Provider events read at once: each comes with its sealed body.
const PROVIDER_EVENTS_PER_READ: usize = 16;
/// How far a cause is followed: a mail was sent because it was requested, and requested because of a provider event.
const HOPS_MAX: u32 = 4;
/// Causes that are remembered; beyond that the memory starts over.
const REMEMBERED_MAX: usize = 10_000;

/// The provider event that led to something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Because {
    /// Who sent it.
    #[schema(value_type = String)]
    pub provider: Provider,
    /// The provider's id of it.
    pub provider_event_id: String,
    /// The provider's name for what happened.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Our id of it.
    pub id: Uuid,
    /// Hex of the SHA-256 of the body as it was delivered.
    pub body_sha256: String,
    /// When we recorded it.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// Its place in the ledger.
    #[schema(value_type = i64)]
    pub position: Position,
}

impl Because {
    fn of(recorded: &RecordedEvent, event: Event) -> Option<Self> {
        let Event::ProviderEventReceived(received) = event else { return None };
        Some(Self {
            provider: received.provider,
            provider_event_id: received.provider_event_id,
            event_type: received.event_type,
            id: recorded.stream.id,
            body_sha256: received.body_sha256,
            received_at: recorded.recorded_at,
            position: recorded.position,
        })
    }
}

/// Provider events behind events of a team, remembered from page to page.
#[derive(Debug)]
pub struct Causes {
    team: TeamId,
    /// By the id of the causing event; `None` where no provider event is behind it.
    known: HashMap<Uuid, Option<Because>>,
}

impl Causes {
    /// Nothing is known yet.
    pub fn of(team: TeamId) -> Self {
        Self { team, known: HashMap::new() }
    }

    /// Looks up what is behind these events.
    ///
    /// # Errors
    /// When the ledger does not answer or cannot be read.
    pub async fn learn(&mut self, app: &App, events: &[RecordedEvent]) -> Result<(), AdminError> {
        if self.known.len() > REMEMBERED_MAX {
            self.known.clear();
        }
        // Each id that was asked for, and where the search for it is.
        let mut open: Vec<(Uuid, Uuid)> = events.iter().filter_map(cause).map(|id| (id, id)).collect();
        open.retain(|(asked, _)| !self.known.contains_key(asked));
        open.sort_unstable();
        open.dedup();
        for _ in 0..HOPS_MAX {
            let looked_at: HashSet<Uuid> = open.iter().map(|(_, at)| *at).collect();
            let found = self.provider_events(app, &looked_at).await?;
            open.retain(|(asked, at)| match found.get(at) {
                Some(because) => {
                    self.known.insert(*asked, Some(because.clone()));
                    false
                }
                None => true,
            });
            let further = self.causes_of(app, &open).await?;
            open = open.iter().filter_map(|(asked, at)| Some((*asked, *further.get(at)?))).collect();
            if open.is_empty() {
                break;
            }
        }
        for id in events.iter().filter_map(cause) {
            self.known.entry(id).or_insert(None);
        }
        Ok(())
    }

    /// What is behind an event that was looked up.
    pub fn behind(&self, event: &RecordedEvent) -> Option<&Because> {
        self.known.get(&cause(event)?)?.as_ref()
    }

    /// Those of the ids that are provider events: each is the id of its stream, too.
    async fn provider_events(&self, app: &App, ids: &HashSet<Uuid>) -> Result<HashMap<Uuid, Because>, AdminError> {
        let streams: Vec<_> = ids.iter().map(|id| StreamId::new(StreamKind::Inbox, *id)).collect();
        let mut found = HashMap::new();
        for chunk in streams.chunks(PROVIDER_EVENTS_PER_READ) {
            for recorded in app.ledger.read_streams(self.team, chunk).await? {
                if recorded.stream_version == 1
                    && let Some(because) = Because::of(&recorded, recorded.decode()?)
                {
                    found.insert(recorded.stream.id, because);
                }
            }
        }
        Ok(found)
    }

    /// The causes of events by their ids.
    async fn causes_of(&self, app: &App, open: &[(Uuid, Uuid)]) -> Result<HashMap<Uuid, Uuid>, AdminError> {
        let ids: Vec<Uuid> = open.iter().map(|(_, at)| *at).collect();
        let positions: Vec<Position> = app.ledger.positions_of(&ids).await?.into_values().collect();
        let events = app.ledger.read_at(&positions).await?;
        let ours = events.into_iter().filter(|event| event.team == self.team);
        Ok(ours.filter_map(|event| Some((event.event_id, event.provenance.causation?))).collect())
    }
}

/// The event that led to an event; of everything that concerns a provider event's own course, that provider event.
fn cause(event: &RecordedEvent) -> Option<Uuid> {
    match event.stream.kind {
        StreamKind::Inbox => Some(event.stream.id),
        _ => event.provenance.causation,
    }
}
