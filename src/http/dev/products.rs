//! `/api/v1/dev/teams/{teamId}/products`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use keyledger_events::event::metadata::MetadataEntry;
use keyledger_events::{TeamId, Timestamp};
use keyledger_projections::Product;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::license_body::{Note, notes};
use crate::admin::idempotency::Maker;
use crate::admin::products::{self, Description};
use crate::http::Front;
use crate::http::access::{self, Access};
use crate::http::envelope::{ApiError, Reply};
use crate::http::list_query::ListQuery;
use crate::http::object::Object;
use crate::http::openapi::{
    Deleted, Envelope, Errors, IdempotencyHeader, ListParams, ProductPage, ProductPath, TeamPath,
};
use crate::http::read;

/// A product as programs read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ProductData {
    id: Uuid,
    name: String,
    url: Option<String>,
    #[schema(value_type = Vec<Note>)]
    metadata: Vec<MetadataEntry>,
    #[schema(value_type = Uuid)]
    team_id: TeamId,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl ProductData {
    /// Of a product.
    pub(super) fn of(team_id: TeamId, product: &Product) -> Self {
        Self {
            id: product.id,
            name: product.name.clone(),
            url: product.url.clone(),
            metadata: product.metadata.clone(),
            team_id,
            created_at: product.created_at,
            updated_at: product.updated_at,
        }
    }
}

/// What a product is, as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProductBody {
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    #[serde(default)]
    #[schema(max_length = 2000)]
    url: Option<String>,
    #[serde(default)]
    #[schema(max_items = 20, value_type = Vec<Note>)]
    metadata: Vec<Object<Note>>,
}

impl From<ProductBody> for Description {
    fn from(body: ProductBody) -> Self {
        Self { name: body.name, url: body.url.filter(|url| !url.is_empty()), metadata: notes(body.metadata) }
    }
}

#[utoipa::path(
    get,
    operation_id = "listProducts",
    path = "/api/v1/dev/teams/{teamId}/products",
    tag = "Products",
    summary = "List products",
    params(TeamPath, ListParams),
    responses((status = 200, description = "Done", body = Envelope<ProductPage>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn list(access: Access, State(front): State<Front>, uri: Uri) -> Result<Reply, ApiError> {
    let query = ListQuery::filtered(&uri, &[])?;
    query.numbered()?;
    let mut all = products::list(&front.app, access.team_id).await?;
    if query.get("sortColumn") == Some("updatedAt") {
        all.sort_by_key(|product| (product.updated_at, product.created_position));
    }
    let total = all.len();
    let (found, more) = query.of(all);
    let shown: Vec<_> = found.iter().map(|product| ProductData::of(access.team_id, product)).collect();
    let page = json!({ "products": shown, "hasNextPage": more, "totalResults": total });
    Reply::ok("Products retrieved successfully", &page)
}

#[utoipa::path(
    post,
    operation_id = "createProduct",
    path = "/api/v1/dev/teams/{teamId}/products",
    tag = "Products",
    summary = "Make a product",
    params(TeamPath, IdempotencyHeader),
    request_body = ProductBody,
    responses((status = 201, description = "Done", body = Envelope<ProductData>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn create(
    access: Access,
    State(front): State<Front>,
    headers: HeaderMap,
    body: Body,
) -> Result<Reply, ApiError> {
    let (asked, idempotency) = read::creation::<ProductBody>(&headers, body).await?;
    let maker = Maker { actor: &access.actor, idempotency: idempotency.as_ref() };
    let made = products::create(&front.app, maker, access.team_id, &asked.into()).await?;
    let product = products::find(&front.app, access.team_id, made.id).await?;
    Reply::created("Product created successfully", &ProductData::of(access.team_id, &product))
}

#[utoipa::path(
    get,
    operation_id = "getProductById",
    path = "/api/v1/dev/teams/{teamId}/products/{productId}",
    tag = "Products",
    summary = "Show a product",
    params(ProductPath),
    responses((status = 200, description = "Done", body = Envelope<ProductData>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn show(
    access: Access,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Reply, ApiError> {
    let product = products::find(&front.app, access.team_id, access::id(&id, "productId")?).await?;
    Reply::ok("Product found", &ProductData::of(access.team_id, &product))
}

#[utoipa::path(
    put,
    operation_id = "updateProduct",
    path = "/api/v1/dev/teams/{teamId}/products/{productId}",
    tag = "Products",
    summary = "Say anew what a product is",
    params(ProductPath),
    request_body = ProductBody,
    responses((status = 200, description = "Done", body = Envelope<ProductData>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn update(
    access: Access,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    body: Body,
) -> Result<Reply, ApiError> {
    let id = access::id(&id, "productId")?;
    let asked = read::json::<ProductBody>(body).await?;
    products::update(&front.app, &access.actor, access.team_id, id, &asked.into()).await?;
    let product = products::find(&front.app, access.team_id, id).await?;
    Reply::ok("Product updated successfully", &ProductData::of(access.team_id, &product))
}

#[utoipa::path(
    delete,
    operation_id = "deleteProduct",
    path = "/api/v1/dev/teams/{teamId}/products/{productId}",
    tag = "Products",
    summary = "Take a product off the shelf",
    params(ProductPath),
    responses((status = 200, description = "Done", body = Envelope<Deleted>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn remove(
    access: Access,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Reply, ApiError> {
    let id = access::id(&id, "productId")?;
    products::remove(&front.app, &access.actor, access.team_id, id).await?;
    Reply::ok("Product deleted successfully", &json!({ "productId": id, "deleted": true }))
}
