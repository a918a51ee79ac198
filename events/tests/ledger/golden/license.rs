//! Licences.

use keyledger_events::event::inbox::{Origin, Provider};
use keyledger_events::event::license::{
    AddressBound, AddressReleased, DeviceBound, DeviceReleased, DisputeClosed, DisputeOpened, Expiration,
    LicenseActivated, LicenseAmended, LicenseExpired, LicenseExpiringSoon, LicenseExtended, LicenseIssued,
    LicenseKeyReplaced, LicenseReinstated, LicenseRevoked, LicenseSuspended, LicenseUpdated, PaymentRefunded,
    PlaceholderAnswered, ReleaseReason, SeatLimit, SubscriptionChanged, SubscriptionEnded, SubscriptionRenewed,
    SubscriptionTerms, Terms,
};
use keyledger_events::{Event, StreamId, StreamKind};

use super::{purchase, sealed, time, uuid};
use crate::support::TestResult;

fn one_off() -> TestResult<Terms> {
    Ok(Terms {
        offer: purchase::offer(),
        purchased_at: time("2026-03-01T10:00:00Z")?,
        subscription: None,
        revoked: false,
        disputed: false,
        references: [("stripeCheckoutSession".to_owned(), "cs_live_a1Zx9".to_owned())].into(),
    })
}

fn subscribed(ended_at: Option<&str>) -> TestResult<Terms> {
    let references = [("stripeSubscription", "sub_1MowQVLkdIwHu7ix"), ("stripeInvoice", "in_1MtHbELkdIwHu7ix")];
    Ok(Terms {
        offer: purchase::plan(),
        subscription: Some(SubscriptionTerms {
            paid_until: Some(time("2026-04-01T10:00:00Z")?),
            grace_seconds: 10_800,
            ended_at: ended_at.map(time).transpose()?,
        }),
        references: references.map(|(name, id)| (name.to_owned(), id.to_owned())).into(),
        ..one_off()?
    })
}

pub(super) fn samples() -> TestResult<Vec<Event>> {
    Ok([bought()?, by_providers()?, by_time_and_admins()?, amended()?, seats()?].concat())
}

fn bought() -> TestResult<Vec<Event>> {
    Ok(vec![
        LicenseIssued {
            key: sealed(uuid(1))?,
            key_lookup: "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c".to_owned(),
            provider: Origin::Stripe,
            livemode: Some(true),
            customer_id: Some(uuid(30)),
            purchase: StreamId::new(StreamKind::Purchase, uuid(50)),
            item: "li_1N4Abc".to_owned(),
            unit: 1,
            terms: one_off()?,
        }
        .into(),
        PlaceholderAnswered {
            provider: Provider::Polymart,
            user: "174520".to_owned(),
            product: "323".to_owned(),
            nonce: Some("0f9c2f".to_owned()),
        }
        .into(),
    ])
}

fn by_providers() -> TestResult<Vec<Event>> {
    let dispute = || "du_1MtJUT2eZvKYlo2C".to_owned();
    Ok(vec![
        SubscriptionRenewed { invoice: "in_1MtHbELkdIwHu7ix".to_owned(), terms: subscribed(None)? }.into(),
        SubscriptionChanged { terms: subscribed(None)? }.into(),
        SubscriptionEnded { terms: subscribed(Some("2026-03-20T09:00:00Z"))? }.into(),
        PaymentRefunded {
            payment: "pi_3MtwBwLkdIwHu7ix".to_owned(),
            refunded: 4_998,
            full: true,
            terms: Terms { revoked: true, ..one_off()? },
        }
        .into(),
        DisputeOpened { dispute: dispute(), terms: Terms { disputed: true, ..one_off()? } }.into(),
        DisputeClosed { dispute: dispute(), won: true, terms: one_off()? }.into(),
        LicenseUpdated { terms: one_off()? }.into(),
    ])
}

fn by_time_and_admins() -> TestResult<Vec<Event>> {
    Ok(vec![
        LicenseActivated {
            activated_at: time("2026-03-01T10:00:00.123456Z")?,
            expires_at: Some(time("2026-03-31T10:00:00.123456Z")?),
        }
        .into(),
        LicenseExpiringSoon { expires_at: time("2026-03-31T10:00:00.123456Z")? }.into(),
        LicenseExpired { due_at: time("2026-03-31T10:00:00.123456Z")? }.into(),
        LicenseSuspended { reason: Some("shared in public".to_owned()) }.into(),
        LicenseReinstated { reason: Some("a misunderstanding".to_owned()) }.into(),
        LicenseRevoked {
            reason: Some("purchaseRemoved".to_owned()),
            terms: Some(Terms { revoked: true, ..one_off()? }),
        }
        .into(),
    ])
}

fn amended() -> TestResult<Vec<Event>> {
    let team = uuid(1);
    Ok(vec![
        LicenseAmended {
            product_ids: Some(vec![uuid(10), uuid(11)]),
            customer_ids: Some(vec![uuid(30)]),
            ip_limit: Some(SeatLimit::Unlimited),
            hwid_limit: Some(SeatLimit::AtMost(5)),
            expiration: Some(Expiration::Date(time("2027-03-01T00:00:00Z")?)),
            metadata: Some(sealed(team)?),
        }
        .into(),
        LicenseExtended { until: time("2026-04-05T23:59:59Z")? }.into(),
        LicenseKeyReplaced {
            key: sealed(team)?,
            key_lookup: "3b9c358f36f0a31b6ad3e14f309c7cf198ac9246e8316f9ce543d5b19ac02b80".to_owned(),
        }
        .into(),
    ])
}

fn seats() -> TestResult<Vec<Event>> {
    Ok(vec![
        DeviceBound {
            device_id: uuid(70),
            lookup: "4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a".to_owned(),
            identifier: sealed(uuid(30))?,
        }
        .into(),
        DeviceReleased { device_id: uuid(70), reason: ReleaseReason::TimedOut }.into(),
        AddressBound {
            address_id: uuid(71),
            lookup: "ef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d".to_owned(),
            address: sealed(uuid(30))?,
        }
        .into(),
        AddressReleased { address_id: uuid(71), reason: ReleaseReason::Forgotten }.into(),
    ])
}
