//! `/api/v1/admin/teams/{teamId}/settings`: a team's name, its mails, its reminders.

use axum::body::Body;
use axum::extract::State;
use keyledger_events::event::team::{RemindersUpdated, TeamUpdated};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::admin::team_settings::{self, SettingsChange, TeamSettings};
use crate::http::Front;
use crate::http::access::Admin;
use crate::http::envelope::{ApiError, Reply};
use crate::http::openapi::{Envelope, Errors, TeamPath};
use crate::http::read;

/// What is to change; what is not named stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SettingsBody {
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// A paragraph in every mail to a buyer; empty removes it.
    #[serde(default)]
    #[schema(max_length = 4000)]
    mail_message: Option<String>,
    /// The address of a picture at the head of every mail to a buyer; empty removes it.
    #[serde(default)]
    #[schema(max_length = 500)]
    mail_image_url: Option<String>,
    #[serde(default)]
    #[schema(maximum = 2678400)]
    renewal_grace_seconds: Option<u32>,
    /// Where the owner is told of a webhook that was disabled; empty takes it back.
    #[serde(default)]
    #[schema(max_length = 254)]
    owner_email: Option<String>,
    /// How many days before its end a licence's buyer is reminded; 0 for never.
    #[serde(default)]
    #[schema(maximum = 365)]
    reminder_days: Option<u32>,
    /// Whether the buyer gets a mail then.
    #[serde(default)]
    reminder_mail: Option<bool>,
}

#[utoipa::path(
    get,
    operation_id = "getTeamSettings",
    path = "/api/v1/admin/teams/{teamId}/settings",
    tag = "Settings",
    summary = "Show the team's settings",
    params(TeamPath),
    responses((status = 200, description = "Done", body = Envelope<TeamSettings>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn show(Admin(access): Admin, State(front): State<Front>) -> Result<Reply, ApiError> {
    Reply::ok("Settings retrieved successfully", &team_settings::show(&front.app, access.team_id).await?)
}

#[utoipa::path(
    patch,
    operation_id = "updateTeamSettings",
    path = "/api/v1/admin/teams/{teamId}/settings",
    tag = "Settings",
    summary = "Change the team's settings",
    params(TeamPath),
    request_body = SettingsBody,
    responses((status = 200, description = "Done", body = Envelope<TeamSettings>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn update(
    Admin(access): Admin,
    State(front): State<Front>,
    body: Body,
) -> Result<Reply, ApiError> {
    let asked = read::json::<SettingsBody>(body).await?;
    let change = SettingsChange {
        team: TeamUpdated {
            name: asked.name,
            mail_message: asked.mail_message,
            mail_image_url: asked.mail_image_url,
            renewal_grace_seconds: asked.renewal_grace_seconds,
        },
        owner_email: asked.owner_email,
        reminders: RemindersUpdated { days: asked.reminder_days, mail: asked.reminder_mail },
    };
    let config = team_settings::update(&front.app, &access.actor, access.team_id, change).await?;
    Reply::ok("Settings updated successfully", &team_settings::describe(&front.app, &config).await?)
}
