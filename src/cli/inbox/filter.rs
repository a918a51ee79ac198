//! Which deliveries a command is about, and what they are interpreted with.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use keyledger_events::Timestamp;
use keyledger_events::event::inbox::Provider;
use keyledger_projections::{InboxFilter, Outcome};

use crate::cli::args::time;

/// Which deliveries.
#[derive(Debug, Args)]
pub(in crate::cli) struct FilterArgs {
    /// Only from this provider.
    #[arg(long)]
    provider: Option<ProviderArg>,
    /// Only of this type, in the provider's words: checkout.session.completed, …
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Only with this id of the provider's (evt_…).
    #[arg(long, value_name = "ID")]
    event_id: Option<String>,
    /// Only those whose reason, or what they did, has this text in it.
    #[arg(long)]
    text: Option<String>,
    /// Only received at this time or later.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Only received before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
}

impl FilterArgs {
    pub(in crate::cli) fn filter(self, outcomes: Vec<Outcome>) -> InboxFilter {
        InboxFilter {
            provider: self.provider.map(Provider::from),
            event_type: self.event_type,
            provider_event_id: self.event_id,
            outcomes,
            received_from: self.since,
            received_until: self.until,
            reason: self.text,
        }
    }
}

/// A provider.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum ProviderArg {
    /// Stripe.
    Stripe,
    /// Polymart (Voxel Shop).
    Polymart,
}

impl From<ProviderArg> for Provider {
    fn from(provider: ProviderArg) -> Self {
        match provider {
            ProviderArg::Stripe => Self::Stripe,
            ProviderArg::Polymart => Self::Polymart,
        }
    }
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum OutcomeArg {
    /// Not concluded yet.
    Pending,
    /// It had its effect.
    Applied,
    /// We have no use for it.
    Ignored,
    /// It cannot be honoured, or not all of it.
    Rejected,
}

impl From<OutcomeArg> for Outcome {
    fn from(outcome: OutcomeArg) -> Self {
        match outcome {
            OutcomeArg::Pending => Self::Pending,
            OutcomeArg::Applied => Self::Applied,
            OutcomeArg::Ignored => Self::Ignored,
            OutcomeArg::Rejected => Self::Rejected,
        }
    }
}

/// Settings as an address carries them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Query(pub(in crate::cli) BTreeMap<String, String>);

/// Reads a query; `teamId` stays what it is.
pub(in crate::cli) fn parse_query(text: &str) -> Result<Query, String> {
    let uri = format!("/?{}", text.trim_start_matches(['?', '&']));
    let bad = || format!("`{text}` is no query like 'productId=…&ipLimit=2'");
    let uri: axum::http::Uri = uri.parse().map_err(|_| bad())?;
    let axum::extract::Query(mut pairs) =
        axum::extract::Query::<BTreeMap<String, String>>::try_from_uri(&uri).map_err(|_| bad())?;
    pairs.remove("teamId");
    if pairs.is_empty() { Err(bad()) } else { Ok(Query(pairs)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_an_address_carries_it() {
        let pairs = |pairs: &[(&str, &str)]| {
            Ok(Query(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()))
        };
        assert_eq!(parse_query("productId=1&ipLimit=2"), pairs(&[("productId", "1"), ("ipLimit", "2")]));
        assert_eq!(parse_query("?a=b%20c&teamId=7"), pairs(&[("a", "b c")]));
        for bad in ["", "?", "teamId=7", "a b"] {
            assert!(parse_query(bad).is_err(), "{bad}");
        }
    }
}
