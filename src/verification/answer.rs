//! What an accepted verification shows: as much of the licence, its customers and its products as the team's
//! settings allow, in the fields that Lukittu's programs know.

use keyledger_events::Timestamp;
use keyledger_events::event::license::{Expiration, ExpirationStart};
use keyledger_events::event::metadata::MetadataEntry;
use keyledger_events::event::team::ReturnedFields;
use keyledger_events::keys::KeyRingError;
use keyledger_projections::{Customer, License, Product, QueryError};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::directory::Team;
use crate::milliseconds;
use crate::opened;

/// Why it cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The views do not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A sealed value cannot be read.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
}

/// The parts that hold anything; a part without anything is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Data {
    /// Of the licence.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub license: Map<String, Value>,
    /// Of each customer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub customers: Vec<Map<String, Value>>,
    /// Of each product.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub products: Vec<Map<String, Value>>,
}

/// What may be shown; `None` when that is nothing.
///
/// # Errors
/// When customers or notes cannot be read.
pub async fn data(app: &App, team: &Team, license: &License) -> Result<Option<Data>, AnswerError> {
    let fields = &team.config.verification.returned_fields;
    if *fields == ReturnedFields::default() {
        return Ok(None);
    }
    // A place of its own, for most show nothing.
    let shown = Box::pin(async {
        Ok::<_, AnswerError>(Data {
            license: of_license(app, team, license, fields).await?,
            customers: of_customers(app, team, license, fields).await?,
            products: license
                .product_ids()
                .iter()
                .filter_map(|id| of_product(team.product_ever(*id)?, fields))
                .collect(),
        })
    });
    let shown = shown.await?;
    Ok((shown != Data::default()).then_some(shown))
}

/// How a licence ends, in Lukittu's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpirationFields {
    /// `NEVER`, `DATE` or `DURATION`.
    pub kind: &'static str,
    /// For `DURATION`.
    pub start: Option<ExpirationStart>,
    /// When it ends, as far as that is known.
    pub date: Option<Timestamp>,
    /// For `DURATION`.
    pub days: Option<u32>,
}

impl ExpirationFields {
    /// Of a licence. A subscription's end is a date that moves.
    pub fn of(license: &License) -> Self {
        let date = license.expires_at();
        if license.follows_subscription() {
            return Self { kind: "DATE", start: None, date, days: None };
        }
        match license.expiration() {
            Expiration::Never => Self { kind: "NEVER", start: None, date: None, days: None },
            Expiration::Date(_) => Self { kind: "DATE", start: None, date, days: None },
            Expiration::Duration { days, start } => {
                Self { kind: "DURATION", start: Some(start), date, days: Some(days) }
            }
        }
    }
}

async fn of_license(
    app: &App,
    team: &Team,
    license: &License,
    fields: &ReturnedFields,
) -> Result<Map<String, Value>, AnswerError> {
    let ends = ExpirationFields::of(license);
    let mut shown = Map::new();
    let mut show = |allowed: bool, name: &str, value: Value| {
        if allowed {
            shown.insert(name.to_owned(), value);
        }
    };
    show(fields.license_ip_limit, "ipLimit", json!(license.ip_limit()));
    show(fields.license_hwid_limit, "hwidLimit", json!(license.hwid_limit()));
    // The older name of the same.
    show(fields.license_hwid_limit, "seats", json!(license.hwid_limit()));
    show(fields.license_expiration_type, "expirationType", json!(ends.kind));
    show(fields.license_expiration_start, "expirationStart", json!(ends.start));
    show(
        fields.license_expiration_date && ends.date.is_some(),
        "expirationDate",
        json!(ends.date.map(milliseconds::text)),
    );
    show(fields.license_expiration_days && ends.days.is_some(), "expirationDays", json!(ends.days));
    let sealed = license.amended.metadata.as_ref();
    if !fields.license_metadata_keys.is_empty() && sealed.is_some() {
        let notes = opened::notes(app, team.config.id, sealed, License::METADATA_FIELD).await?;
        show(true, "metadata", chosen(&notes, &fields.license_metadata_keys));
    }
    Ok(shown)
}

async fn of_customers(
    app: &App,
    team: &Team,
    license: &License,
    fields: &ReturnedFields,
) -> Result<Vec<Map<String, Value>>, AnswerError> {
    let texts = fields.customer_email || fields.customer_full_name || fields.customer_username;
    let wanted = texts || !fields.customer_metadata_keys.is_empty();
    if !wanted || license.customer_ids().is_empty() {
        return Ok(Vec::new());
    }
    let customers = app.views.team(team.config.id).customers(license.customer_ids()).await?;
    let mut all = Vec::new();
    for customer in customers.iter().filter(|customer| !customer.removed) {
        let shown = of_customer(app, team, customer, fields).await?;
        if !shown.is_empty() {
            all.push(shown);
        }
    }
    Ok(all)
}

async fn of_customer(
    app: &App,
    team: &Team,
    customer: &Customer,
    fields: &ReturnedFields,
) -> Result<Map<String, Value>, AnswerError> {
    let texts = [
        (fields.customer_email, "email", &customer.email, Customer::EMAIL_FIELD),
        (fields.customer_full_name, "fullName", &customer.name, Customer::NAME_FIELD),
        (fields.customer_username, "username", &customer.username, Customer::USERNAME_FIELD),
    ];
    let mut shown = Map::new();
    for (allowed, name, sealed, field) in texts {
        if allowed && let Some(text) = opened::text(app, team.config.id, sealed.as_ref(), field).await? {
            shown.insert(name.to_owned(), Value::String(text));
        }
    }
    let sealed = customer.metadata.as_ref();
    if !fields.customer_metadata_keys.is_empty() && sealed.is_some() {
        let notes = opened::notes(app, team.config.id, sealed, Customer::METADATA_FIELD).await?;
        shown.insert("metadata".to_owned(), chosen(&notes, &fields.customer_metadata_keys));
    }
    Ok(shown)
}

fn of_product(product: &Product, fields: &ReturnedFields) -> Option<Map<String, Value>> {
    let mut shown = Map::new();
    if fields.product_name {
        shown.insert("name".to_owned(), json!(product.name));
    }
    if let (true, Some(url)) = (fields.product_url, &product.url) {
        shown.insert("url".to_owned(), json!(url));
    }
    if !fields.product_metadata_keys.is_empty() && !product.metadata.is_empty() {
        shown.insert("metadata".to_owned(), chosen(&product.metadata, &fields.product_metadata_keys));
    }
    (!shown.is_empty()).then_some(shown)
}

fn chosen(notes: &[MetadataEntry], keys: &[String]) -> Value {
    let notes = notes.iter().filter(|note| keys.contains(&note.key));
    notes.map(|note| json!({ "key": note.key, "value": note.value })).collect()
}
