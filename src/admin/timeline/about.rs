//! What a timeline is about.

use keyledger_events::{StreamId, StreamKind, TeamId};
use keyledger_projections::Day;
use uuid::Uuid;

use crate::admin::{AdminError, inbox, licenses, teams};
use crate::app::App;

/// What a timeline is about. That it exists is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A licence: its own events, those of its purchase, and the mails that carried its key.
    License(Uuid),
    /// A customer: who they are, what they bought, their licences and mails.
    Customer(Uuid),
    /// A provider event by the id of its stream: its arrival, everything it led to, its conclusion.
    ProviderEvent(Uuid),
    /// A team's settings, products and connections.
    Settings,
    /// What happened or was recorded on a day.
    Day(Day),
}

impl About {
    /// A licence by its id or its key, of one team or of any, and its team.
    ///
    /// # Errors
    /// When there is none.
    pub async fn license(app: &App, team: Option<TeamId>, id_or_key: &str) -> Result<(TeamId, Self), AdminError> {
        let (team, license) = licenses::find(app, team, id_or_key).await?;
        Ok((team, Self::License(license.id)))
    }

    /// A customer, of one team or of any, and their team. Whoever was taken off the list has a history all the same.
    ///
    /// # Errors
    /// When there never was one.
    pub async fn customer(app: &App, team: Option<TeamId>, id: Uuid) -> Result<(TeamId, Self), AdminError> {
        let stream = StreamId::new(StreamKind::Customer, id);
        for team in teams::ids(app, team).await? {
            if app.ledger.stream_version(team, stream).await? > 0 {
                return Ok((team, Self::Customer(id)));
            }
        }
        Err(AdminError::NotFound { what: "customer", id: id.to_string(), list: "license list --json" })
    }

    /// A provider event by our id or the provider's, of one team or of any, and its team.
    ///
    /// # Errors
    /// When there is none.
    pub async fn provider_event(app: &App, team: Option<TeamId>, id: &str) -> Result<(TeamId, Self), AdminError> {
        let entry = inbox::find(app, team, id).await?;
        Ok((entry.team, Self::ProviderEvent(entry.id)))
    }
}
