//! `/api/v1/dev/teams/{teamId}/customers`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::license_body::{Note, notes};
use crate::admin::customers::{self, Address, CustomerJson, Profile};
use crate::admin::idempotency::Maker;
use crate::http::Front;
use crate::http::access::{self, Access};
use crate::http::envelope::{ApiError, Reply};
use crate::http::list_query::ListQuery;
use crate::http::object::Object;
use crate::http::openapi::{
    CustomerPage, CustomerPath, Deleted, Envelope, Errors, IdempotencyHeader, ListParams, SearchParams, TeamPath,
};
use crate::http::read;

/// Who a customer is, as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CustomerBody {
    /// Needed unless there is a username.
    #[serde(default)]
    #[schema(format = "email", max_length = 255)]
    email: Option<String>,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 255)]
    full_name: Option<String>,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 255)]
    username: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<Address>)]
    address: Option<Object<Address>>,
    #[serde(default)]
    #[schema(max_items = 20, value_type = Vec<Note>)]
    metadata: Vec<Object<Note>>,
    /// Programs written for Lukittu may send it; there is no Discord here.
    #[serde(default)]
    discord_id: Option<String>,
}

impl From<CustomerBody> for Profile {
    fn from(body: CustomerBody) -> Self {
        let CustomerBody { email, full_name, username, address, metadata, discord_id: _ } = body;
        let address = address.map(|Object(address)| address);
        Self { email, full_name, username, address, metadata: notes(metadata) }
    }
}

#[utoipa::path(
    get,
    operation_id = "listCustomers",
    path = "/api/v1/dev/teams/{teamId}/customers",
    tag = "Customers",
    summary = "List customers",
    params(TeamPath, ListParams, SearchParams),
    responses((status = 200, description = "Done", body = Envelope<CustomerPage>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn list(access: Access, State(front): State<Front>, uri: Uri) -> Result<Reply, ApiError> {
    let query = ListQuery::filtered(&uri, &["search"])?;
    let page = query.numbered()?;
    let app = &front.app;
    let (mut found, total) = customers::page(app, access.team_id, query.get("search"), page).await?;
    let more = query.cut(&mut found);
    let mut shown = Vec::with_capacity(found.len());
    for customer in &found {
        shown.push(customers::describe(app, access.team_id, customer).await?);
    }
    let page = json!({ "customers": shown, "hasNextPage": more, "totalResults": total });
    Reply::ok("Customers found", &access.shown(&page)?)
}

#[utoipa::path(
    post,
    operation_id = "createCustomer",
    path = "/api/v1/dev/teams/{teamId}/customers",
    tag = "Customers",
    summary = "Make a customer",
    params(TeamPath, IdempotencyHeader),
    request_body = CustomerBody,
    responses((status = 201, description = "Done", body = Envelope<CustomerJson>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn create(
    access: Access,
    State(front): State<Front>,
    headers: HeaderMap,
    body: Body,
) -> Result<Reply, ApiError> {
    let (asked, idempotency) = read::creation::<CustomerBody>(&headers, body).await?;
    let maker = Maker { actor: &access.actor, idempotency: idempotency.as_ref() };
    let (app, team) = (&front.app, access.team_id);
    let id = customers::create(app, maker, team, &asked.into()).await?;
    let customer = customers::find(app, team, id).await?;
    Reply::created("Customer created", &customers::describe(app, team, &customer).await?)
}

#[utoipa::path(
    get,
    operation_id = "getCustomerById",
    path = "/api/v1/dev/teams/{teamId}/customers/{customerId}",
    tag = "Customers",
    summary = "Show a customer",
    params(CustomerPath),
    responses((status = 200, description = "Done", body = Envelope<CustomerJson>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn show(
    access: Access,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Reply, ApiError> {
    let customer = customers::find(&front.app, access.team_id, access::id(&id, "customerId")?).await?;
    let customer = customers::describe(&front.app, access.team_id, &customer).await?;
    Reply::ok("Customer found", &access.shown(&customer)?)
}

#[utoipa::path(
    put,
    operation_id = "updateCustomer",
    path = "/api/v1/dev/teams/{teamId}/customers/{customerId}",
    tag = "Customers",
    summary = "Say anew who a customer is",
    params(CustomerPath),
    request_body = CustomerBody,
    responses((status = 200, description = "Done", body = Envelope<CustomerJson>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn update(
    access: Access,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    body: Body,
) -> Result<Reply, ApiError> {
    let id = access::id(&id, "customerId")?;
    let asked = read::json::<CustomerBody>(body).await?;
    let (app, team) = (&front.app, access.team_id);
    customers::update(app, &access.actor, team, id, &asked.into()).await?;
    let customer = customers::find(app, team, id).await?;
    Reply::ok("Customer updated", &customers::describe(app, team, &customer).await?)
}

#[utoipa::path(
    delete,
    operation_id = "deleteCustomer",
    path = "/api/v1/dev/teams/{teamId}/customers/{customerId}",
    tag = "Customers",
    summary = "Take a customer off the list",
    params(CustomerPath),
    responses((status = 200, description = "Done", body = Envelope<Deleted>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn remove(
    access: Access,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Reply, ApiError> {
    let id = access::id(&id, "customerId")?;
    customers::remove(&front.app, &access.actor, access.team_id, id).await?;
    Reply::ok("Customer deleted successfully", &json!({ "customerId": id, "deleted": true }))
}
