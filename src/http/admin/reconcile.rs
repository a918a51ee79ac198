//! `/api/v1/admin/teams/{teamId}/reconcile/stripe`: what Stripe could not deliver is asked for.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::admin::reconcile::{self, DAYS_MAX, ReconciledJson};
use crate::http::Front;
use crate::http::access::Admin;
use crate::http::envelope::{ApiError, Reply};
use crate::http::openapi::{Envelope, Errors, ProviderErrors, TeamPath};
use crate::http::read;

/// The route.
pub(super) fn routes() -> Router<Front> {
    Router::new().route("/reconcile/stripe", post(stripe))
}

/// How far back to look.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct StripeReconciliation {
    /// 30 unless said otherwise.
    #[serde(default = "thirty")]
    #[schema(minimum = 1, maximum = 30)]
    days: u32,
}

impl Default for StripeReconciliation {
    fn default() -> Self {
        Self { days: thirty() }
    }
}

fn thirty() -> u32 {
    DAYS_MAX
}

#[utoipa::path(
    post,
    operation_id = "reconcileStripe",
    path = "/api/v1/admin/teams/{teamId}/reconcile/stripe",
    tag = "Inbox",
    summary = "Ask Stripe for the events that it could not deliver, and take in what is missing",
    params(TeamPath),
    request_body = Option<StripeReconciliation>,
    responses((status = 200, description = "Done", body = Envelope<ReconciledJson>), Errors, ProviderErrors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn stripe(admin: Admin, State(front): State<Front>, body: Body) -> Result<Reply, ApiError> {
    let asked = read::optional_json::<StripeReconciliation>(body).await?;
    let access = &admin.0;
    let report = reconcile::stripe(&front.app, &access.actor, access.team_id, asked.days).await?;
    Reply::ok("What was missing is taken in", &report)
}
