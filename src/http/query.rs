//! The query of a provider's URL.

use std::collections::BTreeMap;

use axum::http::Uri;
use keyledger_events::TeamId;

use super::HttpError;

/// The parameter that names the team.
const TEAM_ID: &str = "teamId";

/// The team, and the other parameters.
pub(super) fn read(uri: &Uri) -> Result<(TeamId, BTreeMap<String, String>), HttpError> {
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| HttpError::bad_request("the query of the URL is not well-formed"))?;
    let mut query: BTreeMap<_, _> = pairs.0.into_iter().collect();
    let Some(team) = query.remove(TEAM_ID) else {
        return Err(HttpError::bad_request("`teamId` is missing from the URL's query; copy the URL again"));
    };
    let team = team.parse().map_err(|_| {
        HttpError::bad_request(format!("`teamId` is `{}`, which is not a UUID; copy the URL again", shortened(&team)))
    })?;
    Ok((team, query))
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}
