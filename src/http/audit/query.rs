//! The query of an auditor's URL.

use std::collections::BTreeMap;

use axum::extract::Query;
use axum::http::Uri;
use keyledger_events::Timestamp;

use crate::http::envelope::ApiError;

/// A query's parameters.
pub(super) struct AuditQuery(BTreeMap<String, String>);

impl AuditQuery {
    /// Reads the query of a URL.
    pub(super) fn read(uri: &Uri) -> Result<Self, ApiError> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
        let pairs = pairs.map_err(|_| ApiError::bad_request("the query of the URL is not well-formed"))?;
        Ok(Self(pairs.0.into_iter().collect()))
    }

    /// A parameter's text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A size or a position.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse::<i64>().ok().filter(|number| *number >= 0);
        let bad = || ApiError::bad_request(format!("{name}: must be a whole number from 0 on"));
        number.ok_or_else(bad).map(Some)
    }

    /// A moment.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let time = self.text(name).map(str::parse).transpose();
        time.map_err(|_| ApiError::bad_request(format!("{name}: must be a time like 2026-01-31T12:00:00Z")))
    }

    /// The words of a parameter, with commas between them.
    pub(super) fn words(&self, name: &str) -> Vec<String> {
        let words = self.text(name).unwrap_or_default().split(',').map(str::trim);
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }
}
