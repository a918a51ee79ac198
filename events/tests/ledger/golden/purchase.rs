//! The provider's facts: purchases and payments.

use keyledger_events::event::inbox::Provider;
use keyledger_events::event::license::{ExpirationStart, Offer};
use keyledger_events::event::payment::PaymentLinked;
use keyledger_events::event::purchase::{
    DisputeRecorded, DisputeStatus, ItemSwap, ObservedItem, PaidLine, PaymentFailed, PeriodPaid, PurchaseAdopted,
    PurchaseLine, PurchaseRecorded, RefundRecorded, RefundStatus, RemovalRecorded, SubscriptionCeased,
    SubscriptionObserved, UnitLicensed,
};
use keyledger_events::{Event, StreamId, StreamKind};

use super::{time, uuid};
use crate::support::TestResult;

/// Two products, limits, thirty days from the first use.
pub(super) fn offer() -> Offer {
    Offer {
        product_ids: vec![uuid(10), uuid(11)],
        ip_limit: Some(5),
        hwid_limit: Some(2),
        expiration_days: Some(30),
        expiration_start: ExpirationStart::Activation,
    }
}

/// What a subscription's product says: no days.
pub(super) fn plan() -> Offer {
    Offer { hwid_limit: Some(3), product_ids: vec![uuid(10)], ..Offer::default() }
}

pub(super) fn samples() -> TestResult<Vec<Event>> {
    Ok([one_off()?, subscription()?, money()?].concat())
}

fn one_off() -> TestResult<Vec<Event>> {
    Ok(vec![
        PurchaseRecorded {
            provider: Provider::Stripe,
            reference: "cs_live_a1Zx9".to_owned(),
            purchased_at: time("2026-03-01T10:00:00Z")?,
            livemode: Some(true),
            customer_id: Some(uuid(30)),
            payment: Some("pi_3MtwBwLkdIwHu7ix".to_owned()),
            amount: Some(4_998),
            lines: vec![PurchaseLine { item: "li_1N4Abc".to_owned(), quantity: 2, offer: offer() }],
            licensed: vec![
                UnitLicensed { item: "li_1N4Abc".to_owned(), unit: 0, license_id: uuid(2) },
                UnitLicensed { item: "li_1N4Abc".to_owned(), unit: 1, license_id: uuid(3) },
            ],
        }
        .into(),
        RemovalRecorded { removed_at: time("2026-03-09T18:30:00Z")?, reason: "purchaseRemoved".to_owned() }.into(),
        PaymentFailed { reference: "cs_live_a1Zx9".to_owned() }.into(),
    ])
}

fn subscription() -> TestResult<Vec<Event>> {
    let subscription = || "sub_1MowQVLkdIwHu7ix".to_owned();
    Ok(vec![
        PeriodPaid {
            invoice: "in_1MtHbELkdIwHu7ix".to_owned(),
            subscription: subscription(),
            billing_reason: Some("subscription_cycle".to_owned()),
            paid_at: time("2026-03-01T11:02:07Z")?,
            livemode: Some(false),
            customer_id: Some(uuid(30)),
            payment: Some("pi_3MtwBwLkdIwHu7iy".to_owned()),
            amount: 999,
            lines: vec![PaidLine {
                item: "si_Na6dzxczY5fwHx".to_owned(),
                quantity: 1,
                period_start: time("2026-03-01T10:00:00Z")?,
                period_end: time("2026-04-01T10:00:00Z")?,
                stripe_product: "prod_Na6dGcTsmU0I4R".to_owned(),
                offer: plan(),
            }],
            licensed: vec![UnitLicensed { item: "si_Na6dzxczY5fwHx".to_owned(), unit: 0, license_id: uuid(2) }],
            not_ours: Vec::new(),
            swapped: None,
        }
        .into(),
        SubscriptionObserved {
            subscription: subscription(),
            observed_at: time("2026-03-05T08:00:00Z")?,
            status: Some("active".to_owned()),
            items: vec![ObservedItem {
                item: "si_NewItem".to_owned(),
                quantity: 1,
                stripe_product: Some("prod_Na6dGcTsmU0I4R".to_owned()),
                offer: Some(plan()),
                metered: false,
            }],
            not_ours: Vec::new(),
            swapped: vec![ItemSwap { from: "si_Na6dzxczY5fwHx".to_owned(), to: "si_NewItem".to_owned() }],
            untold: false,
            checkout_session: Some("cs_live_a1Zx9".to_owned()),
            customer_id: Some(uuid(30)),
            licensed: Vec::new(),
        }
        .into(),
        SubscriptionCeased { subscription: subscription(), ended_at: time("2026-06-01T10:00:00Z")? }.into(),
    ])
}

fn money() -> TestResult<Vec<Event>> {
    Ok(vec![
        RefundRecorded {
            refund: Some("re_1Nispe2eZvKYlo2C".to_owned()),
            payment: "pi_3MtwBwLkdIwHu7ix".to_owned(),
            invoice: Some("in_1MtHbELkdIwHu7ix".to_owned()),
            amount: 4_998,
            status: RefundStatus::Succeeded,
            paid: Some(4_998),
        }
        .into(),
        DisputeRecorded {
            dispute: "du_1MtJUT2eZvKYlo2C".to_owned(),
            payment: "pi_3MtwBwLkdIwHu7ix".to_owned(),
            status: DisputeStatus::Open,
        }
        .into(),
        PurchaseAdopted {
            provider: Provider::Stripe,
            reference: "sub_1MowQVLkdIwHu7ixeRlqHVzs".to_owned(),
            license_ids: vec![uuid(70)],
        }
        .into(),
        PaymentLinked {
            reference: "pi_3MtwBwLkdIwHu7ix".to_owned(),
            to: StreamId::new(StreamKind::Purchase, uuid(50)),
            to_reference: "cs_live_a1Zx9".to_owned(),
        }
        .into(),
    ])
}
