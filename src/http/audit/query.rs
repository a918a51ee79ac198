//! The query of an auditor's URL. A parameter that is not known is an error: a filter that silently does nothing would
//! be taken for an answer.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::Query;
use axum::http::Uri;
use keyledger_events::{Position, Timestamp};
use uuid::Uuid;

use crate::admin::as_of::AsOf;
use crate::http::access;
use crate::http::envelope::ApiError;

/// Parameters by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AuditQuery(BTreeMap<String, String>);

impl AuditQuery {
    /// Reads the query of a URL that may have these parameters, each once.
    pub(super) fn read(uri: &Uri, known: &[&str]) -> Result<Self, ApiError> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
        let pairs = pairs.map_err(|_| ApiError::bad_request("the query of the URL is not well-formed"))?;
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs.0 {
            if !known.contains(&name.as_str()) {
                let details = format!("{name}: is not a parameter here; there are {}", known.join(", "));
                return Err(ApiError::bad_request(details));
            }
            if parameters.insert(name.clone(), value).is_some() {
                return Err(ApiError::bad_request(format!("{name}: is given twice")));
            }
        }
        Ok(Self(parameters))
    }

    /// A parameter's text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter that is read by its own rules, which the error says.
    pub(super) fn parsed<T>(&self, name: &str) -> Result<Option<T>, ApiError>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let parse = |text: &str| text.parse().map_err(|error| ApiError::bad_request(format!("{name}: {error}")));
        self.text(name).map(parse).transpose()
    }

    /// A size or a position.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse::<i64>().ok().filter(|number| *number >= 0);
        let bad = || ApiError::bad_request(format!("{name}: must be a whole number from 0 on"));
        number.ok_or_else(bad).map(Some)
    }

    /// The words of a parameter, with commas between them.
    pub(super) fn words(&self, name: &str) -> Vec<String> {
        let words = self.text(name).unwrap_or_default().split(',').map(str::trim);
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// A time.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let bad = |_| ApiError::bad_request(format!("{name}: must be a time like 2026-01-31T12:00:00Z"));
        self.text(name).map(|text| text.parse::<Timestamp>().map_err(bad)).transpose()
    }

    /// A moment that must be given.
    pub(super) fn moment(&self, name: &str) -> Result<AsOf, ApiError> {
        let missing =
            || ApiError::bad_request(format!("{name}: is missing: a time like 2026-01-31T12:00:00Z or a position"));
        self.parsed(name)?.ok_or_else(missing)
    }

    /// A place in the ledger; [`Position::START`] unless one is given.
    pub(super) fn position(&self, name: &str) -> Result<Position, ApiError> {
        self.text(name).map_or(Ok(Position::START), |text| position(text, name))
    }

    /// An id.
    pub(super) fn id(&self, name: &str) -> Result<Option<Uuid>, ApiError> {
        self.text(name).map(|text| access::id(text, name)).transpose()
    }

    /// How much is wanted.
    pub(super) fn limit(&self, otherwise: u32, most: u32) -> Result<u32, ApiError> {
        let bad = || ApiError::bad_request(format!("limit: must be 1 to {most}"));
        let Some(text) = self.text("limit") else { return Ok(otherwise) };
        text.parse().ok().filter(|limit| (1..=most).contains(limit)).ok_or_else(bad)
    }
}

/// A place in the ledger as a URL or a header has it.
pub(super) fn position(text: &str, name: &str) -> Result<Position, ApiError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = digits.then(|| text.parse().ok()).flatten().map(Position);
    parsed.ok_or_else(|| ApiError::bad_request(format!("{name}: must be a position in the ledger, a whole number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<AuditQuery, String> {
        let uri = format!("/x?{query}").parse::<Uri>().map_err(|error| error.to_string())?;
        AuditQuery::read(&uri, &["from", "limit", "after", "asOf"]).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn what_is_not_understood_is_an_error_that_names_it() -> Result<(), String> {
        assert!(read("until=1").is_err_and(|error| error.contains("until")));
        assert!(read("from=1&from=2").is_err_and(|error| error.contains("from")));
        let query = read("from=yesterday&limit=0&after=-1&asOf=x")?;
        assert!(query.time("from").is_err() && query.limit(10, 20).is_err());
        assert!(query.position("after").is_err() && query.parsed::<AsOf>("asOf").is_err());
        let query = read("from=2026-01-31T12:00:00Z&limit=20&after=7&asOf=9")?;
        assert!(query.time("from").is_ok_and(|time| time.is_some()));
        assert_eq!(query.limit(10, 20).ok(), Some(20));
        assert_eq!(query.position("after").ok(), Some(Position(7)));
        assert_eq!(query.moment("asOf").ok(), Some(AsOf::Position(Position(9))));
        assert_eq!((read("")?.limit(10, 20).ok(), read("")?.position("after").ok()), (Some(10), Some(Position::START)));
        assert!(read("")?.moment("asOf").is_err());
        Ok(())
    }
}
