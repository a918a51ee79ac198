//! `/teams/{teamId}/settings`: what mails say, how verifications are answered, when a subscription lapses.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use keyledger_events::event::team::{RemindersUpdated, ReturnedFields, TeamUpdated, VerificationSettingsUpdated};

use super::change::{Administrator, Change};
use super::fields::Fields;
use super::page::{Answer, page};
use super::problem::Problem;
use super::shell::Shell;
use super::stale::{mark, refuse_stale};
use super::viewer::Viewer;
use crate::admin::team_settings::{self, SettingsChange, TeamSettings};
use crate::admin::verifications;
use crate::http::Front;

/// The pages.
pub(super) fn routes() -> Router<Front> {
    Router::new().route("/settings", get(show).post(update)).route("/settings/verification", post(update_verification))
}

#[derive(Template)]
#[template(path = "dashboard/settings.html")]
struct SettingsPage {
    shell: Shell,
    settings: TeamSettings,
    /// What the two forms show.
    marks: [String; 2],
    public_key: String,
    strict_customers: bool,
    strict_products: bool,
    ip_timeout: u32,
    hwid_timeout: u32,
    boxes: Vec<(&'static str, &'static str, bool)>,
    notes: [(&'static str, &'static str, String); 3],
}

async fn show(viewer: Viewer, State(front): State<Front>) -> Answer {
    let settings = team_settings::describe(&front.app, &viewer.team).await?;
    let verification = &viewer.team.verification;
    let shown = &verification.returned_fields;
    let names = |keys: &[String]| keys.join(", ");
    page(&SettingsPage {
        shell: viewer.shell("Settings", "settings").await?,
        marks: [mark(&settings), mark(verification)],
        settings,
        public_key: viewer.team.public_key.clone(),
        strict_customers: verification.strict_customers,
        strict_products: verification.strict_products,
        ip_timeout: verification.ip_timeout_minutes.unwrap_or(0),
        hwid_timeout: verification.hwid_timeout_minutes.unwrap_or(0),
        boxes: vec![
            ("license-ip-limit", "the limit of addresses", shown.license_ip_limit),
            ("license-hwid-limit", "the limit of devices", shown.license_hwid_limit),
            (
                "license-expiration-type",
                "whether it ends never, on a date or after days",
                shown.license_expiration_type,
            ),
            ("license-expiration-start", "what its days begin with", shown.license_expiration_start),
            ("license-expiration-date", "when it ends", shown.license_expiration_date),
            ("license-expiration-days", "how many days it lasts", shown.license_expiration_days),
            ("customer-email", "customers' mail addresses", shown.customer_email),
            ("customer-full-name", "customers' names", shown.customer_full_name),
            ("customer-username", "customers' user names", shown.customer_username),
            ("product-name", "products' names", shown.product_name),
            ("product-url", "products' addresses on the web", shown.product_url),
        ],
        notes: [
            ("license-notes", "Notes of licences", names(&shown.license_metadata_keys)),
            ("customer-notes", "Notes of customers", names(&shown.customer_metadata_keys)),
            ("product-notes", "Notes of products", names(&shown.product_metadata_keys)),
        ],
    })
}

async fn update(State(front): State<Front>, change: Change<Administrator>) -> Answer {
    let updated = async {
        let fields = &change.fields;
        let known = team_settings::describe(&front.app, &change.viewer.team).await?;
        refuse_stale(fields, &known)?;
        let wanted = SettingsChange {
            team: TeamUpdated {
                name: Some(fields.required("name", "The team's name")?.to_owned()),
                mail_message: fields.raw("mail-message").map(str::to_owned),
                mail_image_url: fields.raw("mail-image").map(str::to_owned),
                renewal_grace_seconds: grace(fields, known.renewal_grace_seconds)?,
            },
            owner_email: fields.raw("owner-email").map(|email| email.trim().to_owned()),
            reminders: RemindersUpdated {
                days: fields.number_within(
                    "reminder-days",
                    "The days of a reminder",
                    0..=team_settings::REMINDER_DAYS_MAX,
                )?,
                mail: Some(fields.ticked("reminder-mail")),
            },
        };
        team_settings::update(&front.app, &change.actor(), change.viewer.team_id(), wanted).await?;
        Ok("Saved.".to_owned())
    };
    change.done(updated.await, "settings", "settings").await
}

async fn update_verification(State(front): State<Front>, change: Change<Administrator>) -> Answer {
    let updated = async {
        let fields = &change.fields;
        refuse_stale(fields, &change.viewer.team.verification)?;
        let wanted = VerificationSettingsUpdated {
            strict_customers: Some(fields.ticked("strict-customers")),
            strict_products: Some(fields.ticked("strict-products")),
            ip_timeout_minutes: Some(minutes(fields, "ip-timeout", "The timeout of addresses")?),
            hwid_timeout_minutes: Some(minutes(fields, "hwid-timeout", "The timeout of devices")?),
            returned_fields: Some(returned(fields)),
        };
        verifications::update(&front.app, &change.actor(), change.viewer.team_id(), wanted).await?;
        Ok("Saved.".to_owned())
    };
    change.done(updated.await, "settings", "settings").await
}

/// The renewal grace, where another one is filled in than the form shows. The command line sets seconds: those that make
/// no minute must not be lost because something else is saved.
fn grace(fields: &Fields, known_seconds: u32) -> Result<Option<u32>, Problem> {
    let most = team_settings::RENEWAL_GRACE_SECONDS_MAX / 60;
    let minutes = fields.number_within("grace-minutes", "The renewal grace", 0..=most)?;
    Ok(minutes.filter(|minutes| *minutes != known_seconds / 60).map(|minutes| minutes.saturating_mul(60)))
}

/// An empty field is no timeout.
fn minutes(fields: &Fields, name: &str, what: &str) -> Result<u32, Problem> {
    Ok(fields.number_within(name, what, 0..=verifications::TIMEOUT_MINUTES_MAX)?.unwrap_or(0))
}

fn returned(fields: &Fields) -> ReturnedFields {
    let names = |field: &str| {
        let names = fields.text(field).unwrap_or_default().split(',').map(str::trim);
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    ReturnedFields {
        license_ip_limit: fields.ticked("license-ip-limit"),
        license_hwid_limit: fields.ticked("license-hwid-limit"),
        license_expiration_type: fields.ticked("license-expiration-type"),
        license_expiration_start: fields.ticked("license-expiration-start"),
        license_expiration_date: fields.ticked("license-expiration-date"),
        license_expiration_days: fields.ticked("license-expiration-days"),
        license_metadata_keys: names("license-notes"),
        customer_email: fields.ticked("customer-email"),
        customer_full_name: fields.ticked("customer-full-name"),
        customer_username: fields.ticked("customer-username"),
        customer_metadata_keys: names("customer-notes"),
        product_name: fields.ticked("product-name"),
        product_url: fields.ticked("product-url"),
        product_metadata_keys: names("product-notes"),
    }
}
