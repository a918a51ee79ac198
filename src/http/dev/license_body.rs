//! A licence as programs write it.

use keyledger_events::Timestamp;
use keyledger_events::event::license::Expiration;
use keyledger_events::event::metadata::MetadataEntry;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::envelope::ApiError;
use crate::http::object::Object;
use crate::licensing::settings::Settings;

/// How a licence ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum ExpirationType {
    /// Not at all.
    Never,
    /// On `expirationDate`.
    Date,
    /// `expirationDays` after `expirationStart`.
    Duration,
}

/// What the days begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum ExpirationStart {
    /// When the licence is made.
    Creation,
    /// Its first accepted verification.
    Activation,
}

impl From<ExpirationStart> for keyledger_events::event::license::ExpirationStart {
    fn from(start: ExpirationStart) -> Self {
        match start {
            ExpirationStart::Creation => Self::Creation,
            ExpirationStart::Activation => Self::Activation,
        }
    }
}

/// A note of the seller's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    #[schema(min_length = 1, max_length = 255)]
    key: String,
    #[schema(min_length = 1, max_length = 255)]
    value: String,
    #[serde(default)]
    locked: bool,
}

impl From<Note> for MetadataEntry {
    fn from(Note { key, value, locked }: Note) -> Self {
        Self { key, value, locked }
    }
}

/// Notes as they are kept.
pub(super) fn notes(notes: Vec<Object<Note>>) -> Vec<MetadataEntry> {
    notes.into_iter().map(|Object(note)| note.into()).collect()
}

/// A whole number, however programs write it: for some of them 3 is 3.0.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(deserializer)? else { return Ok(None) };
    let written = number.as_f64().filter(|value| value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(value));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and within the bounds")]
    let whole = written.map(|value| value as u32);
    whole.map(Some).ok_or_else(|| D::Error::custom(format!("{number} is not a whole number from 0 to {}", u32::MAX)))
}

/// The last moment that can be told in UTC with four digits for the year, wherever one stands.
const LAST_DAY: &str = "9999-12-30T00:00:00Z";

/// A moment as programs write it: RFC 3339, without an offset in UTC, a day, or milliseconds since the Unix epoch. The end of
/// the year 9999, which is written for "for ever", is [`LAST_DAY`].
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = match Option::<Value>::deserialize(deserializer)? {
        None => return Ok(None),
        Some(Value::String(text)) => text,
        Some(other) => match other.as_i64().map(Timestamp::from_millisecond) {
            Some(Ok(moment)) => return Ok(Some(moment)),
            _ => other.to_string(),
        },
    };
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.clone() };
    let read = |text: &str| text.parse::<Timestamp>().or_else(|bad| format!("{text}Z").parse().map_err(|_| bad));
    // Whether it is a moment at all is seen in another year.
    let parsed = match whole.strip_prefix("9999-12-3") {
        Some(rest) => read(&format!("9998-12-3{rest}")).and_then(|_| LAST_DAY.parse()),
        None => read(&whole),
    };
    let bad = |_| format!("{text} is not a moment; write one like 2030-01-31T12:00:00Z, or a day like 2030-01-31");
    parsed.map(Some).map_err(bad).map_err(D::Error::custom)
}

/// A licence to make.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateLicense {
    #[serde(default)]
    #[schema(max_items = 20)]
    product_ids: Vec<Uuid>,
    #[serde(default)]
    #[schema(max_items = 20)]
    customer_ids: Vec<Uuid>,
    pub(super) expiration_type: ExpirationType,
    #[serde(default)]
    expiration_start: Option<ExpirationStart>,
    /// Required when `expirationType` is DATE. A day alone is its beginning in UTC, and a time without an offset is UTC.
    #[serde(default, deserialize_with = "moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expiration_date: Option<Timestamp>,
    /// Required when `expirationType` is DURATION.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 36500)]
    expiration_days: Option<u32>,
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1)]
    ip_limit: Option<u32>,
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1)]
    hwid_limit: Option<u32>,
    #[serde(default)]
    suspended: bool,
    /// Whether its customers get the key by mail.
    #[serde(default)]
    pub(super) send_email_delivery: bool,
    #[serde(default)]
    #[schema(max_items = 20, value_type = Vec<Note>)]
    pub(super) metadata: Vec<Object<Note>>,
}

/// What a licence is to be, as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UpdateLicense {
    /// Its key. Another one than it has replaces that one for good.
    #[schema(pattern = "^[A-Z0-9]{5}(-[A-Z0-9]{5}){4}$")]
    pub(super) license_key: String,
    #[schema(max_items = 20)]
    product_ids: Vec<Uuid>,
    #[schema(max_items = 20)]
    customer_ids: Vec<Uuid>,
    expiration_type: ExpirationType,
    #[serde(default)]
    expiration_start: Option<ExpirationStart>,
    #[serde(default, deserialize_with = "moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expiration_date: Option<Timestamp>,
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 36500)]
    expiration_days: Option<u32>,
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1)]
    ip_limit: Option<u32>,
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1)]
    hwid_limit: Option<u32>,
    suspended: bool,
    #[schema(max_items = 20, value_type = Vec<Note>)]
    pub(super) metadata: Vec<Object<Note>>,
}

/// When a licence ends, from the fields that say so.
fn expiration(
    kind: ExpirationType,
    start: Option<ExpirationStart>,
    date: Option<Timestamp>,
    days: Option<u32>,
) -> Result<Expiration, ApiError> {
    let required =
        |field: &str, kind: &str| ApiError::bad_request(format!("{field}: is required when expirationType is {kind}"));
    // Who names an end has not meant for ever.
    let ends = |field: &str| Err(ApiError::bad_request(format!("{field}: must be null when expirationType is NEVER")));
    match kind {
        ExpirationType::Never if date.is_some() => ends("expirationDate"),
        ExpirationType::Never if days.is_some() => ends("expirationDays"),
        ExpirationType::Never => Ok(Expiration::Never),
        ExpirationType::Date => Ok(Expiration::Date(date.ok_or_else(|| required("expirationDate", "DATE"))?)),
        ExpirationType::Duration => Ok(Expiration::Duration {
            days: days.ok_or_else(|| required("expirationDays", "DURATION"))?,
            start: start.ok_or_else(|| required("expirationStart", "DURATION"))?.into(),
        }),
    }
}

impl CreateLicense {
    /// The settings that it asks for.
    pub(super) fn settings(&self) -> Result<Settings, ApiError> {
        let Self { expiration_type, expiration_start, expiration_date, expiration_days, .. } = *self;
        Ok(Settings {
            product_ids: self.product_ids.clone(),
            customer_ids: self.customer_ids.clone(),
            ip_limit: self.ip_limit,
            hwid_limit: self.hwid_limit,
            expiration: expiration(expiration_type, expiration_start, expiration_date, expiration_days)?,
            suspended: self.suspended,
        })
    }
}

impl UpdateLicense {
    /// The settings that it asks for.
    pub(super) fn settings(&self) -> Result<Settings, ApiError> {
        let Self { expiration_type, expiration_start, expiration_date, expiration_days, .. } = *self;
        Ok(Settings {
            product_ids: self.product_ids.clone(),
            customer_ids: self.customer_ids.clone(),
            ip_limit: self.ip_limit,
            hwid_limit: self.hwid_limit,
            expiration: expiration(expiration_type, expiration_start, expiration_date, expiration_days)?,
            suspended: self.suspended,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Body {
        #[serde(default, deserialize_with = "moment")]
        at: Option<Timestamp>,
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default, deserialize_with = "whole")]
            limit: Option<u32>,
        }
        let read =
            |value: &str| serde_json::from_str::<Body>(&format!(r#"{{"limit":{value}}}"#)).map(|body| body.limit);
        for (written, meant) in [("3", Some(3)), ("3.0", Some(3)), ("4294967295", Some(u32::MAX)), ("null", None)] {
            assert_eq!(read(written).ok(), Some(meant), "{written}");
        }
        for bad in ["3.5", "-1", "4294967296", r#""3""#, "true"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn who_names_an_end_does_not_get_a_licence_for_ever() -> Result<(), Box<dyn std::error::Error>> {
        let made = |fields: Value| -> Result<_, Box<dyn std::error::Error>> {
            let mut body = serde_json::json!({ "expirationType": "NEVER" });
            body.as_object_mut().ok_or("no object")?.extend(fields.as_object().cloned().unwrap_or_default());
            let settings = serde_json::from_value::<CreateLicense>(body)?.settings();
            Ok(settings.map(|settings| settings.expiration).map_err(|error| error.details().to_owned()))
        };
        let days = serde_json::json!({ "expirationDays": 30, "expirationStart": "CREATION" });
        assert!(made(days)?.is_err_and(|error| error.starts_with("expirationDays")));
        let date = serde_json::json!({ "expirationDate": "2030-01-31" });
        assert!(made(date)?.is_err_and(|error| error.starts_with("expirationDate")));
        let nulls =
            serde_json::json!({ "expirationDays": null, "expirationDate": null, "expirationStart": "CREATION" });
        assert_eq!(made(nulls)?, Ok(Expiration::Never));
        Ok(())
    }

    #[test]
    fn a_moment_is_read_as_programs_write_it() {
        let read = |value: &str| serde_json::from_str::<Body>(&format!(r#"{{"at":{value}}}"#));
        for (written, meant) in [
            (r#""2030-01-31T12:00:00Z""#, "2030-01-31T12:00:00Z"),
            (r#""2030-01-31T14:00:00.000+02:00""#, "2030-01-31T12:00:00Z"),
            (r#""2030-01-31T12:00:00""#, "2030-01-31T12:00:00Z"),
            (r#""2030-01-31 12:00:00.5""#, "2030-01-31T12:00:00.5Z"),
            (r#""2030-01-31""#, "2030-01-31T00:00:00Z"),
            ("1896091200000", "2030-01-31T12:00:00Z"),
            (r#""9999-12-31T23:59:59""#, LAST_DAY),
            (r#""9999-12-31T23:59:59.999Z""#, LAST_DAY),
            (r#""9999-12-31""#, LAST_DAY),
            (r#""9999-12-29""#, "9999-12-29T00:00:00Z"),
        ] {
            assert_eq!(read(written).ok().and_then(|body| body.at).map(|at| at.to_string()).as_deref(), Some(meant));
        }
        assert!(read("null").is_ok_and(|body| body.at.is_none()));
        for bad in [r#""soon""#, r#""9999-12-3""#, r#""9999-12-39""#, r#""2030-13-01""#, r#""""#, "7.5", "true"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        for bad in ["true", "9223372036854775807"] {
            let said = read(bad).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(said.starts_with(&format!("{bad} is not a moment")), "{said}");
        }
        let said = read(r#""soon""#).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(said.starts_with("soon is not a moment"), "{said}");
    }
}
