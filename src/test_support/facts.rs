//! Licences and mails as providers bring them about.

use std::collections::BTreeMap;

use keyledger_events::event::delivery::{MailContent, MailRequested};
use keyledger_events::event::inbox::Provider;
use keyledger_events::event::license::{ExpirationStart, LicenseIssued, Offer, SubscriptionTerms, Terms};
use keyledger_events::sealed::SealContext;
use keyledger_events::{NewEvent, StreamId, StreamKind, id};
use keyledger_projections::{Delivery, License};

use super::{Home, TestResult, noon_and};
use crate::keys;

impl Home {
    /// Terms of a one-off purchase at noon.
    pub(crate) fn one_off(&self, expiration_days: Option<u32>, expiration_start: ExpirationStart) -> Terms {
        let product_ids = vec![self.product];
        Terms {
            offer: Offer { product_ids, expiration_days, expiration_start, ..Offer::default() },
            purchased_at: noon_and(0),
            subscription: None,
            revoked: false,
            disputed: false,
            references: BTreeMap::new(),
        }
    }

    /// Terms of a subscription paid until that many seconds after noon.
    pub(crate) fn paid_until(&self, seconds: i64, grace_seconds: u32) -> Terms {
        let paid_until = Some(noon_and(seconds));
        let subscription = Some(SubscriptionTerms { paid_until, grace_seconds, ended_at: None });
        Terms { subscription, ..self.one_off(None, ExpirationStart::Creation) }
    }

    /// Issues a licence for each of the terms, in one append. The first one's key is `KEY-0`.
    pub(crate) async fn issue(&self, terms: &[Terms]) -> TestResult<Vec<StreamId>> {
        let mut events = Vec::new();
        for (unit, terms) in terms.iter().enumerate() {
            let event_id = id::fresh();
            let issued = LicenseIssued {
                key: self.seal(event_id, License::KEY_FIELD, &format!("KEY-{unit}")).await?,
                key_lookup: format!("lookup of {event_id}"),
                provider: Provider::Stripe.into(),
                livemode: Some(true),
                customer_id: None,
                purchase: StreamId::new(StreamKind::Purchase, self.product),
                item: "li_1".to_owned(),
                unit: u32::try_from(unit)?,
                terms: terms.clone(),
            };
            let stream = StreamId::new(StreamKind::License, id::fresh());
            events.push(NewEvent { stream, event_id, occurred_at: noon_and(0), event: issued.into() });
        }
        let streams = events.iter().map(|event| event.stream).collect();
        self.append(events, Vec::new()).await?;
        Ok(streams)
    }

    /// Issues a licence that this key opens.
    pub(crate) async fn issue_with_key(&self, terms: Terms, key: &str) -> TestResult<StreamId> {
        let event_id = id::fresh();
        let issued = LicenseIssued {
            key: self.seal(event_id, License::KEY_FIELD, key).await?,
            key_lookup: keys::lookup(&self.app.keys, self.team, key),
            provider: Provider::Stripe.into(),
            livemode: Some(true),
            customer_id: None,
            purchase: StreamId::new(StreamKind::Purchase, self.product),
            item: "li_1".to_owned(),
            unit: 0,
            terms,
        };
        let stream = StreamId::new(StreamKind::License, id::fresh());
        let event = NewEvent { stream, event_id, occurred_at: noon_and(0), event: issued.into() };
        self.append(vec![event], Vec::new()).await?;
        Ok(stream)
    }

    /// Requests a mail with these licences' keys. A forgotten buyer's data key is nowhere.
    pub(crate) async fn request_mail(&self, to: &str, licenses: &[StreamId], forgotten: bool) -> TestResult<StreamId> {
        let (stream, event_id) = (StreamId::new(StreamKind::Delivery, id::fresh()), id::fresh());
        let (key, wrapped) = self.app.keys.generate(id::fresh());
        let requested = MailRequested {
            purchase: StreamId::new(StreamKind::Purchase, self.product),
            customer_id: key.id(),
            to: key.seal(SealContext { team: self.team, event_id, field: Delivery::TO_FIELD }, to.as_bytes()),
            content: MailContent::LicenseKeys,
            license_ids: licenses.iter().map(|license| license.id).collect(),
            message_id: format!("<{}@keyledger>", stream.id),
        };
        let event = NewEvent { stream, event_id, occurred_at: noon_and(0), event: requested.into() };
        self.append(vec![event], if forgotten { Vec::new() } else { vec![wrapped] }).await?;
        Ok(stream)
    }
}
