//! `/api/v1/admin/teams/{teamId}/customers/…/forget`.

use axum::body::Body;
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::admin::forget::{ForgottenJson, Who, forget};
use crate::http::Front;
use crate::http::access::{self, Access, Admin};
use crate::http::envelope::{ApiError, Reply};
use crate::http::openapi::{CustomerPath, Envelope, Errors, TeamPath};
use crate::http::read;

/// Who is to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::http) struct ForgetBody {
    /// The person's mail address.
    #[schema(format = "email")]
    email: String,
}

#[utoipa::path(
    post,
    operation_id = "forgetCustomer",
    path = "/api/v1/admin/teams/{teamId}/customers/{customerId}/forget",
    tag = "Customers",
    summary = "Forget a person for ever; licences and history stay",
    params(CustomerPath),
    responses((status = 200, description = "Done", body = Envelope<ForgottenJson>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn by_id(
    Admin(access): Admin,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Reply, ApiError> {
    let id = access::id(&id, "customerId")?;
    forgotten(&front, &access, Who::Customer(id)).await
}

#[utoipa::path(
    post,
    operation_id = "forgetCustomerByEmail",
    path = "/api/v1/admin/teams/{teamId}/customers/forget",
    tag = "Customers",
    summary = "Forget whoever has a mail address",
    params(TeamPath),
    request_body = ForgetBody,
    responses((status = 200, description = "Done", body = Envelope<ForgottenJson>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn by_email(
    Admin(access): Admin,
    State(front): State<Front>,
    body: Body,
) -> Result<Reply, ApiError> {
    let ForgetBody { email } = read::json(body).await?;
    forgotten(&front, &access, Who::Email(email)).await
}

async fn forgotten(front: &Front, access: &Access, who: Who) -> Result<Reply, ApiError> {
    let folder = front.mail_folder.as_ref();
    Reply::ok("Customer forgotten", &forget(&front.app, &access.actor, access.team_id, &who, folder).await?)
}
