//! A licence as programs read it: Lukittu's fields, and ours beside them.

use std::collections::BTreeMap;

use keyledger_events::event::inbox::Origin;
use keyledger_events::event::license::ExpirationStart;
use keyledger_events::event::metadata::MetadataEntry;
use keyledger_events::{TeamId, Timestamp};
use keyledger_projections::{License, LicenseStatus};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::products::ProductData;
use crate::admin::customers::CustomerJson;
use crate::admin::licenses::{LicenseJson, describe, describe_used};
use crate::admin::{AdminError, customers};
use crate::app::App;
use crate::http::access::Access;
use crate::opened;
use crate::verification::answer::ExpirationFields;

/// A licence.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LicenseData {
    id: Uuid,
    /// Null when the key that opens it is gone.
    license_key: Option<String>,
    ip_limit: Option<u32>,
    hwid_limit: Option<u32>,
    /// NEVER, DATE or DURATION. A subscription's end is a date that moves.
    expiration_type: &'static str,
    #[schema(value_type = Option<String>)]
    expiration_start: Option<ExpirationStart>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expiration_date: Option<Timestamp>,
    expiration_days: Option<u32>,
    suspended: bool,
    #[schema(value_type = Vec<super::license_body::Note>)]
    metadata: Vec<MetadataEntry>,
    #[schema(value_type = Uuid)]
    team_id: TeamId,
    created_by_user_id: Option<Uuid>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_active_at: Option<Timestamp>,
    // Ours.
    /// REVOKED, SUSPENDED, EXPIRED, EXPIRING, UPCOMING, INACTIVE or ACTIVE.
    #[schema(value_type = String)]
    status: LicenseStatus,
    revoked: bool,
    product_ids: Vec<Uuid>,
    customer_ids: Vec<Uuid>,
    /// stripe, polymart or manual.
    #[schema(value_type = String)]
    provider: Origin,
    livemode: Option<bool>,
    references: BTreeMap<String, String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    paid_until: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    activated_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// A licence with whom it belongs to and what it opens.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct WholeLicense {
    #[serde(flatten)]
    license: LicenseData,
    customers: Vec<CustomerJson>,
    products: Vec<ProductData>,
}

/// Licences as they stand now.
pub(super) async fn listed(app: &App, access: &Access, found: &[License]) -> Result<Vec<LicenseData>, AdminError> {
    let ids: Vec<_> = found.iter().map(|license| license.id).collect();
    let (team, now) = (access.team_id, app.clock.now());
    let used = app.activity.last_used(team, Some(&ids)).await?;
    let mut all = Vec::with_capacity(found.len());
    for license in found {
        let shown = describe_used(app, team, license, now, used.get(&license.id).copied()).await?;
        all.push(data(app, access, license, shown).await?);
    }
    Ok(all)
}

async fn data(app: &App, access: &Access, license: &License, shown: LicenseJson) -> Result<LicenseData, AdminError> {
    let notes = license.amended.metadata.as_ref();
    let notes = opened::notes(app, access.team_id, notes, License::METADATA_FIELD).await?;
    Ok(LicenseData::new(access.team_id, license, shown, notes))
}

impl LicenseData {
    /// Of a licence with its key and its notes opened.
    pub(crate) fn new(team_id: TeamId, license: &License, shown: LicenseJson, metadata: Vec<MetadataEntry>) -> Self {
        let ends = ExpirationFields::of(license);
        Self {
            id: shown.id,
            license_key: shown.key,
            ip_limit: shown.ip_limit,
            hwid_limit: shown.hwid_limit,
            expiration_type: ends.kind,
            expiration_start: ends.start,
            expiration_date: ends.date,
            expiration_days: ends.days,
            suspended: license.suspended(),
            metadata,
            team_id,
            created_by_user_id: None,
            created_at: shown.created_at,
            updated_at: license.updated_at,
            last_active_at: shown.last_used_at,
            status: shown.status,
            revoked: license.revoked(),
            product_ids: shown.product_ids,
            customer_ids: license.customer_ids().to_vec(),
            provider: shown.provider,
            livemode: shown.livemode,
            references: shown.references,
            paid_until: shown.paid_until,
            activated_at: shown.activated_at,
            expires_at: shown.expires_at,
        }
    }
}

/// A licence with its customers and products.
pub(super) async fn whole(app: &App, access: &Access, license: &License) -> Result<WholeLicense, AdminError> {
    let team_id = access.team_id;
    let mut holders = Vec::new();
    for customer in app.views.team(team_id).customers(license.customer_ids()).await? {
        if !customer.removed {
            holders.push(customers::describe(app, team_id, &customer).await?);
        }
    }
    let of_team = |id| access.team.products.get(id).map(|product| ProductData::of(team_id, product));
    let products = license.product_ids().iter().filter_map(of_team).collect();
    let shown = describe(app, team_id, license, app.clock.now()).await?;
    Ok(WholeLicense { license: data(app, access, license, shown).await?, customers: holders, products })
}
