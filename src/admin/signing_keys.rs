//! The key pairs that a team signs challenges with, one after the other.

use keyledger_events::event::team::SigningKeyRotated;
use keyledger_events::sealed::SealContext;
use keyledger_events::{NewEvent, StreamId, StreamKind, TeamId, Timestamp, id};
use keyledger_projections::TeamConfig;
use serde::Serialize;
use utoipa::ToSchema;

use super::{AdminError, CONFLICTS_MAX, append, teams};
use crate::app::App;

/// A team's signing key as people and programs see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningKeyJson {
    /// Base64 of the PEM of the public key.
    pub public_key: String,
    /// Since when it signs or signed.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Until when; null for the one that signs now.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
}

/// All key pairs of a team, the oldest first; the last one signs.
pub fn of_team(team: &TeamConfig) -> Vec<SigningKeyJson> {
    let earlier = team.earlier_keys.iter();
    let mut keys: Vec<_> = earlier
        .map(|key| SigningKeyJson { public_key: key.public_key.clone(), from: key.from, until: Some(key.until) })
        .collect();
    keys.push(SigningKeyJson { public_key: team.public_key.clone(), from: team.key_since, until: None });
    keys
}

/// Gives a team another key pair, which signs from now on.
///
/// # Errors
/// When there is no such team.
pub async fn rotate(app: &App, actor: &str, team: TeamId) -> Result<TeamConfig, AdminError> {
    teams::find(app, team).await?;
    let pair = teams::new_key_pair().await?;
    let stream = StreamId::new(StreamKind::Team, team.0);
    for _ in 0..CONFLICTS_MAX {
        let current = teams::find(app, team).await?;
        let event_id = id::fresh();
        let context = SealContext { team, event_id, field: TeamConfig::PRIVATE_KEY_FIELD };
        let rotated = SigningKeyRotated {
            public_key: pair.public_key.clone(),
            private_key: app.keys.team_key(team).await?.seal(context, &pair.pkcs8),
        };
        let event = NewEvent { stream, event_id, occurred_at: app.clock.now(), event: rotated.into() };
        if append(app, actor, team, current.version, event).await? {
            return teams::find(app, team).await;
        }
    }
    Err(AdminError::Contended)
}
