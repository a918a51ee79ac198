//! The description of the HTTP API, generated from the code, and a page to read it.

mod page;
mod schema;

use std::sync::OnceLock;

use axum::Json;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{admin, audit, checkpoint, client, dev};

pub(super) use page::page;
pub(super) use schema::*;

use super::audit::described::{OutcomeWord, ReportFormat, SettingsMeant};

/// The whole description.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "keyledger",
        description = "Licences for sellers and their programs. The routes under /api/v1/client and /api/v1/dev, and \
            their fields, are Lukittu's; fields of our own come on top."
    ),
    paths(
        client::verification::verify,
        client::verification::heartbeat,
        dev::licenses::list,
        dev::licenses::create,
        dev::licenses::show,
        dev::licenses::update,
        dev::licenses::remove,
        dev::api_licenses::show_by_key,
        dev::api_licenses::remove_by_key,
        dev::identifiers::hwids,
        dev::identifiers::update_hwid,
        dev::identifiers::addresses,
        dev::identifiers::update_address,
        dev::customers::list,
        dev::customers::create,
        dev::customers::show,
        dev::customers::update,
        dev::customers::remove,
        dev::products::list,
        dev::products::create,
        dev::products::show,
        dev::products::update,
        dev::products::remove,
        dev::statistics::show,
        dev::requests::list,
        dev::requests::explain,
        checkpoint::newest,
        checkpoint::key,
        audit::proofs::checkpoint,
        audit::proofs::inclusion,
        audit::proofs::consistency,
        audit::export::export,
        admin::projections::list,
        admin::projections::status,
        admin::projections::tasks,
        admin::projections::task,
        admin::projections::rebuild,
        admin::projections::verify,
        admin::projections::switch_back,
        admin::projections::drop_retired,
        admin::inbox::list,
        admin::inbox::show,
        admin::inbox::payload,
        admin::inbox::retry,
        admin::inbox::retry_all,
        admin::inbox::ignore,
        admin::inbox::dry_run,
        admin::reconcile::stripe,
        audit::events::list,
        audit::stream::follow,
        audit::events::show,
        audit::timeline::show,
        audit::licenses::show,
        audit::licenses::diff,
        audit::reports::licenses,
        audit::reports::against_licenses,
        admin::settings::show,
        admin::settings::update,
        admin::webhooks::list,
        admin::webhooks::create,
        admin::webhooks::show,
        admin::webhooks::update,
        admin::webhooks::remove,
        admin::webhooks::rotate,
        admin::deliveries::list,
        admin::deliveries::redeliver,
        admin::deliveries::redeliver_failed,
        admin::deliveries::test,
        admin::api_keys::list,
        admin::api_keys::create,
        admin::api_keys::revoke,
        admin::integrations::list,
        admin::integrations::show,
        admin::integrations::update,
        admin::integrations::add_secret,
        admin::integrations::retire_secret,
        admin::signing_keys::list,
        admin::signing_keys::rotate,
        admin::forget::by_id,
        admin::forget::by_email,
    ),
    components(schemas(
        ErrorAnswer,
        PageSize,
        SortColumn,
        SeatSortColumn,
        SortDirection,
        RequestKinds,
        HookStates,
        ExportFormat,
        ReportFormat,
        OutcomeWord,
        SettingsMeant,
        admin::inbox::DeliveryOutcome,
        admin::inbox::DeliverySender,
    )),
    modifiers(&Bearer),
    tags(
        (name = "Client programs", description = "Programs ask whether a key may be used."),
        (name = "Licences", description = "A seller's own programs make and change licences."),
        (name = "Customers", description = "Who holds licences."),
        (name = "Products", description = "What licences are for."),
        (name = "Secrets and keys", description = "Connections to providers, API keys and signing keys, for an admin."),
        (name = "Verifications", description = "What was asked, and why it was answered so."),
        (name = "Proofs", description = "Auditors prove that nobody rewrote history, and take it away."),
        (name = "Inbox", description = "Admins look after what providers delivered."),
        (name = "Views", description = "Admins look after what is computed from the ledger."),
        (name = "Audit", description = "Auditors replay history, with a key of the scope auditor or admin."),
        (name = "Settings", description = "What a team is called, and what its buyers are told."),
        (name = "Webhooks", description = "Programs that are told of what happens to licences."),
    )
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = Http::builder().scheme(HttpAuthScheme::Bearer).description(Some("An API key: kl_…")).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// The description of this build.
pub fn document() -> &'static utoipa::openapi::OpenApi {
    static DOCUMENT: OnceLock<utoipa::openapi::OpenApi> = OnceLock::new();
    DOCUMENT.get_or_init(Description::openapi)
}

/// `GET /api/openapi.json`
pub(super) async fn json() -> Response {
    Json(document()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs are generated from the committed description: a change of it is seen in review.
    #[test]
    fn the_committed_description_is_this_one() -> Result<(), Box<dyn std::error::Error>> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
        let generated = document().to_pretty_json()? + "\n";
        if std::env::var_os("KEYLEDGER_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().ok_or("no folder")?)?;
            std::fs::write(&path, &generated)?;
        }
        let committed = std::fs::read_to_string(&path)?;
        assert_eq!(committed, generated, "KEYLEDGER_BLESS=1 writes docs/openapi.json");
        Ok(())
    }
}
