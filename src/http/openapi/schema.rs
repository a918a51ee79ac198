//! What the description says of paths, queries and answers.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::openapi::{Ref, RefOr, Response, ResponseBuilder, ResponsesBuilder};
use utoipa::{IntoParams, IntoResponses, PartialSchema, ToSchema};
use uuid::Uuid;

use crate::admin::customers::CustomerJson;
use crate::admin::webhooks::{HookJson, WebhookJson};
use crate::http::dev::license_data::LicenseData;
use crate::http::dev::products::ProductData;

/// The envelope of every answer.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Envelope<T: ToSchema> {
    /// Null in an error.
    data: Option<T>,
    result: Outcome,
}

/// How a request ended.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Outcome {
    #[schema(format = DateTime)]
    timestamp: String,
    valid: bool,
    /// For people.
    details: String,
    /// For programs: VALID, BAD_REQUEST, UNAUTHORIZED, LICENSE_NOT_FOUND, …
    code: String,
    /// The signature over the challenge, in accepted verifications.
    #[schema(nullable = false)]
    challenge_response: Option<String>,
}

/// The answer to an accepted verification.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct VerificationAnswer {
    /// Null when the team's settings allow nothing to be shown.
    data: Option<Shown>,
    result: Outcome,
}

/// An error in its envelope.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ErrorAnswer {
    /// Null.
    data: Option<serde_json::Value>,
    result: Outcome,
}

fn error(description: &str) -> Response {
    let schema = Ref::from_schema_name("ErrorAnswer");
    let content = utoipa::openapi::ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content("application/json", content).build()
}

fn responses(all: &[(&str, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let responses = all.iter().map(|(status, description)| ((*status).to_owned(), error(description)));
    ResponsesBuilder::new().responses_from_iter(responses).build().responses
}

/// How requests of a seller's programs fail.
pub(in crate::http) struct Errors;

impl IntoResponses for Errors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses(&[
            ("400", "Not well-formed; the details name the field"),
            ("401", "The key is missing, unknown, expired or revoked"),
            ("403", "The key's scope does not suffice"),
            ("404", "There is no such thing"),
            ("408", "The body took longer than 30 s"),
            ("409", "The state of things forbids it"),
            ("413", "The body is larger than 1 MiB"),
            ("500", "Our fault; nothing was changed"),
        ])
    }
}

/// How requests fail for which a provider's API is asked.
pub(in crate::http) struct ProviderErrors;

impl IntoResponses for ProviderErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses(&[("502", "The provider's API did not answer as it should; the details say what to do")])
    }
}

/// How verifications are refused.
pub(in crate::http) struct VerificationErrors;

impl IntoResponses for VerificationErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses(&[
            ("400", "Not well-formed; the details name the field"),
            ("403", "Suspended, revoked, expired, blacklisted, or no seat is free"),
            ("404", "No such team, licence, customer or product"),
            ("429", "Too many requests from this address; Retry-After says when to ask again"),
            ("500", "Our fault; it says nothing about the licence"),
        ])
    }
}

/// A team.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described")]
#[expect(non_snake_case, reason = "the names in the URL")]
pub(in crate::http) struct TeamPath {
    /// The team's id.
    teamId: Uuid,
}

macro_rules! paths {
    ($($(#[$doc:meta])* $name:ident { $field:ident: $type:ty },)*) => {$(
        $(#[$doc])*
        #[derive(IntoParams)]
        #[into_params(parameter_in = Path)]
        #[expect(dead_code, reason = "only described")]
        #[expect(non_snake_case, reason = "the names in the URL")]
        pub(in crate::http) struct $name {
            /// The team's id.
            teamId: Uuid,
            /// What it is about.
            $field: $type,
        }
    )*};
}

paths! {
    /// A licence.
    LicensePath { licenseId: Uuid },
    /// A customer.
    CustomerPath { customerId: Uuid },
    /// A product.
    ProductPath { productId: Uuid },
    /// An endpoint for webhooks.
    WebhookPath { webhookId: Uuid },
    /// An API key.
    ApiKeyPath { keyId: Uuid },
}

/// An event.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described")]
#[expect(non_snake_case, reason = "the names in the URL")]
pub(in crate::http) struct PositionPath {
    /// The team's id.
    teamId: Uuid,
    /// The event's position.
    #[param(minimum = 1)]
    position: i64,
}

/// A licence by its key.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described")]
#[expect(non_snake_case, reason = "the names in the URL")]
pub(in crate::http) struct LicenseKeyPath {
    /// The team's id.
    teamId: Uuid,
    /// The licence key.
    #[param(pattern = "^[A-Z0-9]{5}(-[A-Z0-9]{5}){4}$")]
    licenseKey: String,
}

/// A provider's connection.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described")]
#[expect(non_snake_case, reason = "the names in the URL")]
pub(in crate::http) struct ProviderPath {
    /// The team's id.
    teamId: Uuid,
    /// stripe or polymart.
    #[param(pattern = "^(stripe|polymart)$")]
    provider: String,
}

/// A secret of a provider's connection.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described")]
#[expect(non_snake_case, reason = "the names in the URL")]
pub(in crate::http) struct SecretPath {
    /// The team's id.
    teamId: Uuid,
    /// stripe or polymart.
    #[param(pattern = "^(stripe|polymart)$")]
    provider: String,
    /// The secret's id.
    secretId: Uuid,
}

/// A device or an address of a licence.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described")]
#[expect(non_snake_case, reason = "the names in the URL")]
pub(in crate::http) struct SeatPath {
    /// The team's id.
    teamId: Uuid,
    /// The licence's id.
    licenseId: Uuid,
    /// The device's or address's id.
    seatId: Uuid,
}

/// A hook of an endpoint.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described")]
#[expect(non_snake_case, reason = "the names in the URL")]
pub(in crate::http) struct DeliveryPath {
    /// The team's id.
    teamId: Uuid,
    /// The endpoint's id.
    webhookId: Uuid,
    /// The delivery's id, which is its `webhook-id`.
    deliveryId: Uuid,
}

/// Makes a repeated creation make one thing.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described")]
pub(in crate::http) struct IdempotencyHeader {
    /// 1 to 255 visible ASCII characters, a new one for each thing to make. A repeat answers what the first made.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255, pattern = "^[!-~]+$", required = false)]
    idempotency_key: Option<String>,
}

macro_rules! queries {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* },)*) => {$(
        $(#[$doc])*
        #[derive(IntoParams)]
        #[into_params(parameter_in = Query, rename_all = "camelCase")]
        #[expect(dead_code, reason = "only described")]
        pub(in crate::http) struct $name {
            $($(#[$field_meta])* $field: Option<$type>,)*
        }
    )*};
}

queries! {
    /// A page of a list.
    ListParams {
        /// From 1.
        #[param(minimum = 1, maximum = 100_000, required = false)]
        page: u32,
        /// 10, 25, 50 or 100; 25 unless said otherwise.
        #[param(required = false, value_type = Option<PageSize>)]
        page_size: u32,
        /// createdAt or updatedAt.
        #[param(required = false, value_type = Option<SortColumn>)]
        sort_column: String,
        /// asc or desc.
        #[param(required = false, value_type = Option<SortDirection>)]
        sort_direction: String,
    },
    /// Which licences.
    LicenseFilterParams {
        /// Those that open one of these products: up to 100 ids, with commas between them or in a parameter each.
        #[param(required = false)]
        product_ids: String,
        /// Those that one of these customers holds: up to 100 ids, given likewise.
        #[param(required = false)]
        customer_ids: String,
    },
    /// Which customers.
    SearchParams {
        /// Those with this mail address, whole: personal data is sealed and cannot be searched in parts.
        #[param(required = false)]
        search: String,
    },
    /// A page of devices or addresses.
    SeatListParams {
        /// From 1.
        #[param(minimum = 1, maximum = 100_000, required = false)]
        page: u32,
        /// 10, 25, 50 or 100.
        #[param(required = false, value_type = Option<PageSize>)]
        page_size: u32,
        /// lastSeenAt or createdAt.
        #[param(required = false, value_type = Option<SeatSortColumn>)]
        sort_column: String,
        /// asc or desc.
        #[param(required = false, value_type = Option<SortDirection>)]
        sort_direction: String,
        /// Whether those that lost their seat are listed too.
        #[param(required = false)]
        show_forgotten: bool,
    },
    /// Against which checkpoint.
    InclusionParams {
        /// The one over so many events; the newest unless said otherwise.
        #[param(minimum = 0, required = false)]
        size: i64,
    },
    /// Which trees.
    ConsistencyParams {
        /// Events of the older tree.
        #[param(minimum = 1, required = true)]
        from: i64,
        /// Events of the newer tree; those of the newest checkpoint unless said otherwise.
        #[param(minimum = 1, required = false)]
        to: i64,
    },
    /// Which events, and how.
    ExportParams {
        /// jsonl or csv; jsonl unless said otherwise.
        #[param(required = false, value_type = Option<ExportFormat>)]
        format: String,
        /// Only events recorded at this time or later.
        #[param(required = false, format = DateTime)]
        from: String,
        /// Only events recorded before this time.
        #[param(required = false, format = DateTime)]
        until: String,
        /// Only events of these types: names with commas between them.
        #[param(required = false, rename = "type")]
        types: String,
        /// Only events after this position.
        #[param(minimum = 0, required = false)]
        after: i64,
    },
    /// Which deliveries.
    DeliveryParams {
        /// 10, 25, 50 or 100.
        #[param(required = false, value_type = Option<PageSize>)]
        page_size: u32,
        /// Only of events before this position: `nextBefore` of the page before.
        #[param(required = false)]
        before: i64,
        /// Only those that are so.
        #[param(required = false, value_type = Option<HookStates>)]
        state: String,
    },
    /// Which entries of the log.
    RequestParams {
        /// 10, 25, 50 or 100.
        #[param(required = false, value_type = Option<PageSize>)]
        page_size: u32,
        /// Only entries before this one: `nextBefore` of the page before.
        #[param(required = false)]
        before: i64,
        /// Only about this licence.
        #[param(required = false)]
        license_id: Uuid,
        /// Only those answered so.
        #[param(required = false)]
        code: String,
        /// Only from this device.
        #[param(required = false)]
        device: String,
        /// Only from this address.
        #[param(required = false)]
        address: String,
        /// verify or heartbeat.
        #[param(required = false, value_type = Option<RequestKinds>)]
        kind: String,
        /// From this time on.
        #[param(required = false, format = DateTime)]
        from: String,
        /// Before this time.
        #[param(required = false, format = DateTime)]
        until: String,
    },
}

/// What lists are sorted by.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "only described")]
pub(in crate::http) enum SortColumn {
    CreatedAt,
    UpdatedAt,
}

/// What devices and addresses are sorted by.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "only described")]
pub(in crate::http) enum SeatSortColumn {
    LastSeenAt,
    CreatedAt,
}

/// The order.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only described")]
pub(in crate::http) enum SortDirection {
    Asc,
    Desc,
}

/// A bundle or a table.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only described")]
pub(in crate::http) enum ExportFormat {
    Jsonl,
    Csv,
}

/// Verification or heartbeat.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only described")]
pub(in crate::http) enum RequestKinds {
    Verify,
    Heartbeat,
}

/// How far a delivery is.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only described")]
pub(in crate::http) enum HookStates {
    Pending,
    Delivered,
    Failed,
    Abandoned,
}

/// All endpoints.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct WebhookList {
    webhooks: Vec<WebhookJson>,
}

/// A page of deliveries; `nextBefore` leads to the next one.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct DeliveryPage {
    deliveries: Vec<HookJson>,
    has_next_page: bool,
    next_before: Option<i64>,
}

/// How many deliveries were asked for again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Redelivered {
    webhook_id: Uuid,
    redelivered: u64,
}

/// The size of a page.
pub(in crate::http) struct PageSize;

impl PartialSchema for PageSize {
    fn schema() -> RefOr<utoipa::openapi::Schema> {
        let kind = utoipa::openapi::Type::Integer;
        utoipa::openapi::ObjectBuilder::new().schema_type(kind).enum_values(Some([10, 25, 50, 100])).into()
    }
}

impl ToSchema for PageSize {}

macro_rules! pages {
    ($($(#[$doc:meta])* $name:ident { $field:ident: $type:ty },)*) => {$(
        $(#[$doc])*
        #[derive(Serialize, ToSchema)]
        #[serde(rename_all = "camelCase")]
        pub(in crate::http) struct $name {
            $field: Vec<$type>,
            has_next_page: bool,
        }
    )*};
}

pages! {
    /// A page of licences.
    LicensePage { licenses: LicenseData },
    /// A page of customers.
    CustomerPage { customers: CustomerJson },
    /// A page of products.
    ProductPage { products: ProductData },
    /// A page of the log; `nextBefore` leads to the next one.
    RequestPage { requests: BTreeMap<String, serde_json::Value> },
}

/// A page of devices (`hwids`) or addresses (`ipAddresses`).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct SeatPage {
    total_results: u64,
    has_next_page: bool,
}

/// That something was deleted, and what.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Deleted {
    deleted: bool,
}

/// That a device or an address was forgotten or remembered, and which.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Forgotten {
    forgotten: bool,
    /// Always: it is as it was asked to be.
    updated: bool,
}

/// Figures.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Figures {
    overview: BTreeMap<String, u64>,
    requests: BTreeMap<String, serde_json::Value>,
    top_countries: Vec<BTreeMap<String, serde_json::Value>>,
    top_products: Vec<BTreeMap<String, serde_json::Value>>,
    recent_activity: BTreeMap<String, u64>,
}

/// What would be answered, and every check on the way.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Explained {
    code: String,
    details: String,
    license_id: Option<Uuid>,
    steps: Vec<BTreeMap<String, String>>,
    /// What accepting it would change.
    effects: Vec<String>,
}

/// What a client program asks. Unknown fields are an error.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::http) struct Verification {
    #[schema(pattern = "^[A-Z0-9]{5}(-[A-Z0-9]{5}){4}$")]
    license_key: String,
    #[schema(nullable = false)]
    customer_id: Option<Uuid>,
    #[schema(nullable = false)]
    product_id: Option<Uuid>,
    /// Signed in the answer; the header Keyledger-Signature then signs the whole answer.
    #[schema(min_length = 1, max_length = 1000, pattern = r"^\S+$", nullable = false)]
    challenge: Option<String>,
    #[schema(min_length = 3, max_length = 255, pattern = r"^\S+$", nullable = false)]
    version: Option<String>,
    #[schema(min_length = 2, max_length = 255, nullable = false)]
    branch: Option<String>,
    /// Required for a heartbeat, and for a licence with a device limit.
    #[schema(min_length = 10, max_length = 1000, pattern = r"^\S+$", nullable = false)]
    hardware_identifier: Option<String>,
}

/// What the team's settings allow an accepted verification to show.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Shown {
    #[schema(nullable = false)]
    license: Option<BTreeMap<String, serde_json::Value>>,
    #[schema(nullable = false)]
    customers: Option<Vec<BTreeMap<String, serde_json::Value>>>,
    #[schema(nullable = false)]
    products: Option<Vec<BTreeMap<String, serde_json::Value>>>,
}
