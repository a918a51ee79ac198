//! The list of all views.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::customers::CustomersFold;
use crate::deliveries::DeliveriesFold;
use crate::fold::{Fold, Folded};
use crate::inbox::InboxFold;
use crate::license_keys::LicenseKeysFold;
use crate::licenses::LicensesFold;
use crate::members::MembersFold;
use crate::placeholders::PlaceholdersFold;
use crate::products::ProductsFold;
use crate::projection::Projection;
use crate::seats::SeatsFold;
use crate::statistics::StatisticsFold;
use crate::teams::TeamsFold;
use crate::timeline::TimelineProjection;
use crate::webhooks::WebhooksProjection;

/// Teams with their settings, integrations and API keys.
pub const TEAMS: &str = TeamsFold::NAME;
/// Products.
pub const PRODUCTS: &str = ProductsFold::NAME;
/// Buyers.
pub const CUSTOMERS: &str = CustomersFold::NAME;
/// Licences.
pub const LICENSES: &str = LicensesFold::NAME;
/// Licences by key.
pub const LICENSE_KEYS: &str = LicenseKeysFold::NAME;
/// Licences by marketplace product and buyer.
pub const PLACEHOLDERS: &str = PlaceholdersFold::NAME;
/// Provider events.
pub const INBOX: &str = InboxFold::NAME;
/// Mails.
pub const DELIVERIES: &str = DeliveriesFold::NAME;

/// Devices and addresses with a seat.
pub const SEATS: &str = SeatsFold::NAME;

/// What concerns a licence, a customer, a provider event, a team's settings or a day.
pub const TIMELINE: &str = TimelineProjection::NAME;

/// Endpoints for outgoing webhooks, and the hooks owed to them.
pub const WEBHOOKS: &str = WebhooksProjection::NAME;

/// Who signs in to the dashboard.
pub const MEMBERS: &str = MembersFold::NAME;

/// What was recorded on each day, counted.
pub const STATISTICS: &str = StatisticsFold::NAME;

/// The names of all views.
pub const ALL: [&str; 13] = [
    TEAMS,
    PRODUCTS,
    CUSTOMERS,
    LICENSES,
    LICENSE_KEYS,
    PLACEHOLDERS,
    INBOX,
    DELIVERIES,
    SEATS,
    TIMELINE,
    WEBHOOKS,
    MEMBERS,
    STATISTICS,
];

/// Views of earlier releases that nothing reads any more.
pub(crate) const GONE: [&str; 1] = ["expirations"];

/// All views of this release.
pub fn projections() -> Vec<Arc<dyn Projection>> {
    vec![
        Arc::new(Folded::<TeamsFold>::default()),
        Arc::new(Folded::<ProductsFold>::default()),
        Arc::new(Folded::<CustomersFold>::default()),
        Arc::new(Folded::<LicensesFold>::default()),
        Arc::new(Folded::<LicenseKeysFold>::default()),
        Arc::new(Folded::<PlaceholdersFold>::default()),
        Arc::new(Folded::<InboxFold>::default()),
        Arc::new(Folded::<DeliveriesFold>::default()),
        Arc::new(Folded::<SeatsFold>::default()),
        Arc::new(TimelineProjection),
        Arc::new(WebhooksProjection),
        Arc::new(Folded::<MembersFold>::default()),
        Arc::new(Folded::<StatisticsFold>::default()),
    ]
}

/// The code version of each view of this release.
pub(crate) fn code_versions() -> &'static HashMap<&'static str, u32> {
    static VERSIONS: LazyLock<HashMap<&'static str, u32>> =
        LazyLock::new(|| projections().iter().map(|projection| (projection.name(), projection.version())).collect());
    &VERSIONS
}
