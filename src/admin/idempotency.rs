//! Making something once, however often it is asked for: the id of what is made is derived from the key that the
//! caller chose, and the fingerprint of what was asked stands in the ledger as the correlation id.

use keyledger_events::{AppendOutcome, AppendRequest, Provenance, StreamId, TeamId, id};
use uuid::Uuid;

use super::AdminError;
use crate::app::App;

/// A caller's key for one creation, and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key.
    pub key: String,
    /// The request's body.
    pub body: Vec<u8>,
}

/// Who makes something, and whether a repeat of it is to be recognised.
#[derive(Debug, Clone, Copy)]
pub struct Maker<'a> {
    /// Who.
    pub actor: &'a str,
    /// The caller's key, if there is one.
    pub idempotency: Option<&'a Idempotency>,
}

impl<'a> Maker<'a> {
    /// Somebody who does not repeat themselves.
    pub fn once(actor: &'a str) -> Self {
        Self { actor, idempotency: None }
    }

    /// The id of what is made: the same for the same key.
    pub fn id(&self, team: TeamId, what: &str) -> Uuid {
        self.idempotency.map_or_else(id::fresh, |once| id::derived(team, &["idempotency", what, &once.key]))
    }

    /// The fingerprint is keyed: a body names people, and the ledger keeps it for ever.
    fn fingerprint(&self, app: &App, team: TeamId) -> Option<Uuid> {
        let once = self.idempotency?;
        Some(id::of_fingerprint(&app.keys.fingerprint("idempotency", &[team.0.as_bytes(), &once.body])))
    }

    /// An append that makes something new.
    pub fn request(&self, app: &App, team: TeamId) -> AppendRequest {
        let correlation = self.fingerprint(app, team);
        AppendRequest::new(team, Provenance { correlation, ..Provenance::of(self.actor) })
    }

    /// Whether this is a repeat, and what it asks for is there, whatever has become of what it rested on.
    ///
    /// # Errors
    /// When the key was used for something else.
    pub async fn has_made(&self, app: &App, team: TeamId, stream: StreamId) -> Result<bool, AdminError> {
        let Some(once) = self.idempotency else { return Ok(false) };
        let first = app.ledger.read_stream_after(team, stream, 0).await?;
        match first.first() {
            None => Ok(false),
            Some(first) if first.provenance.correlation == self.fingerprint(app, team) => Ok(true),
            Some(_) => Err(AdminError::Refused(format!(
                "the Idempotency-Key `{}` was used for another request; choose a new one for each thing you make",
                once.key
            ))),
        }
    }

    /// Appends what begins `stream`. A repeat of the same request finds it begun, which is as good.
    ///
    /// # Errors
    /// When the key was used for something else.
    pub async fn append(&self, app: &App, request: AppendRequest, stream: StreamId) -> Result<(), AdminError> {
        let team = request.team;
        if let AppendOutcome::Appended { .. } = app.writer.append(request.expect(stream, 0)).await? {
            return Ok(());
        }
        if self.has_made(app, team, stream).await? { Ok(()) } else { Err(AdminError::Contended) }
    }
}
