//! Provider events, from their arrival to their conclusion.

use keyledger_events::Event;
use keyledger_events::event::inbox::{
    Provider, ProviderEventApplied, ProviderEventAttempted, ProviderEventDeferred, ProviderEventIgnored,
    ProviderEventReceived, ProviderEventRejected, ProviderEventReopened,
};

use super::{sealed, time, uuid};
use crate::support::TestResult;

pub(super) fn samples() -> TestResult<Vec<Event>> {
    let query = [("productId".to_owned(), uuid(10).to_string()), ("seats".to_owned(), "3".to_owned())];
    Ok(vec![
        ProviderEventReceived {
            provider: Provider::Polymart,
            provider_event_id: "a7c1f0d2e9".to_owned(),
            event_type: "product.user.purchase".to_owned(),
            livemode: Some(true),
            query: query.clone().into(),
            body_sha256: "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae".to_owned(),
            body: sealed(uuid(40))?,
        }
        .into(),
        ProviderEventAttempted { attempt: 2, lease_until: time("2026-03-01T10:01:00Z")? }.into(),
        ProviderEventApplied {
            summary: "1 licence issued".to_owned(),
            warnings: vec!["expiration_days is ignored: the product is sold by subscription".to_owned()],
        }
        .into(),
        ProviderEventIgnored { reason: "`customer.created` changes nothing here".to_owned() }.into(),
        ProviderEventRejected { reason: "product_id `abc` is not a UUID".to_owned() }.into(),
        ProviderEventDeferred {
            reason: "Stripe answered 503".to_owned(),
            attempts: 2,
            retry_at: time("2026-03-01T10:05:00Z")?,
        }
        .into(),
        ProviderEventReopened { reason: "inbox retry".to_owned(), query: Some(query.into()) }.into(),
    ])
}
