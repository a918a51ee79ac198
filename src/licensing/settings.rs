//! What a seller sets on a licence as a whole, and what an update of that means. Pure.

use keyledger_events::event::license::{
    Expiration, ExpirationStart, LicenseAmended, LicenseReinstated, LicenseSuspended, Offer, SeatLimit, Terms,
};
use keyledger_events::{Event, Timestamp};
use keyledger_projections::License;
use uuid::Uuid;

use super::commands::Refusal;

/// Everything that a seller decides about a licence, its notes and its key aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What it opens.
    pub product_ids: Vec<Uuid>,
    /// Who holds it.
    pub customer_ids: Vec<Uuid>,
    /// Addresses at once; `None` is no limit.
    pub ip_limit: Option<u32>,
    /// Devices at once; `None` is no limit.
    pub hwid_limit: Option<u32>,
    /// When it ends.
    pub expiration: Expiration,
    /// Whether it is not valid for the time being.
    pub suspended: bool,
}

impl Settings {
    /// The terms that a licence made by hand begins with. A date has no place in them: see [`Settings::beyond_terms`].
    pub fn terms(&self, now: Timestamp) -> Terms {
        let (expiration_days, expiration_start) = match self.expiration {
            Expiration::Duration { days, start } => (Some(days), start),
            Expiration::Never | Expiration::Date(_) => (None, ExpirationStart::default()),
        };
        let offer = Offer {
            product_ids: self.product_ids.clone(),
            ip_limit: self.ip_limit,
            hwid_limit: self.hwid_limit,
            expiration_days,
            expiration_start,
        };
        let references = std::collections::BTreeMap::new();
        Terms { offer, purchased_at: now, subscription: None, revoked: false, disputed: false, references }
    }

    /// What does not fit into the terms and the one customer of the issue.
    pub fn beyond_terms(&self) -> LicenseAmended {
        let date = matches!(self.expiration, Expiration::Date(_));
        LicenseAmended {
            customer_ids: (self.customer_ids.len() > 1).then(|| self.customer_ids.clone()),
            expiration: date.then_some(self.expiration),
            ..LicenseAmended::default()
        }
    }
}

/// When a licence ends, as it is shown: a subscription's end is a date that moves.
fn shown_expiration(license: &License) -> Expiration {
    match license.expires_at() {
        Some(end) if license.follows_subscription() => Expiration::Date(end),
        _ => license.expiration(),
    }
}

/// Whether `wanted` is how a licence ends already. A program may have read it before a renewal, and to the millisecond
/// only: any end that the licence had while it followed its subscription is sent back, not decided.
pub fn ends_so(license: &License, earlier_ends: &[Timestamp], wanted: Expiration) -> bool {
    let shown = shown_expiration(license);
    match (shown, wanted) {
        (Expiration::Date(shown), Expiration::Date(wanted)) => {
            let same = |end: &Timestamp| end.as_millisecond() == wanted.as_millisecond();
            same(&shown) || license.follows_subscription() && earlier_ends.iter().any(same)
        }
        _ => shown == wanted,
    }
}

fn same_ids(one: &[Uuid], other: &[Uuid]) -> bool {
    one.len() == other.len() && one.iter().all(|id| other.contains(id))
}

/// What must happen so that a licence is as `settings` say; nothing for what it is already. So an update that sends
/// back what was shown changes nothing, and a subscription goes on deciding when its licence ends. `earlier_ends` are
/// the ends that the licence had.
///
/// # Errors
/// When the licence's state forbids it.
pub fn changes(
    license: &License,
    settings: &Settings,
    earlier_ends: &[Timestamp],
) -> Result<(LicenseAmended, Option<Event>), Refusal> {
    let differs = |now: Option<u32>, wanted: Option<u32>| (now != wanted).then(|| SeatLimit::from(wanted));
    let amended = LicenseAmended {
        product_ids: (!same_ids(license.product_ids(), &settings.product_ids)).then(|| settings.product_ids.clone()),
        customer_ids: (!same_ids(license.customer_ids(), &settings.customer_ids))
            .then(|| settings.customer_ids.clone()),
        ip_limit: differs(license.ip_limit(), settings.ip_limit),
        hwid_limit: differs(license.hwid_limit(), settings.hwid_limit),
        expiration: (!ends_so(license, earlier_ends, settings.expiration)).then_some(settings.expiration),
        metadata: None,
    };
    let suspension = match (settings.suspended, license.suspended()) {
        (true, false) => Some(LicenseSuspended { reason: None }.into()),
        (false, true) if license.terms.disputed => return Err(Refusal::Disputed),
        (false, true) => Some(LicenseReinstated { reason: None }.into()),
        (true, true) | (false, false) => None,
    };
    if license.revoked() && (amended != LicenseAmended::default() || suspension.is_some()) {
        return Err(Refusal::Revoked);
    }
    Ok((amended, suspension))
}

#[cfg(test)]
mod tests {
    use keyledger_events::event::inbox::Origin;
    use keyledger_events::event::license::SubscriptionTerms;
    use keyledger_events::sealed::{DataKey, SealContext};
    use keyledger_events::{Position, StreamId, StreamKind, TeamId};
    use keyledger_projections::licenses::Amended;

    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(day * 86_400).unwrap_or_default()
    }

    fn license(change: impl FnOnce(&mut License)) -> License {
        let context = SealContext { team: TeamId(Uuid::nil()), event_id: Uuid::nil(), field: License::KEY_FIELD };
        let mut license = License {
            id: Uuid::nil(),
            key: DataKey::generate(Uuid::nil()).seal(context, b"KEY"),
            key_event: Uuid::nil(),
            key_lookup: String::new(),
            provider: Origin::Stripe,
            livemode: None,
            customer_id: Some(Uuid::from_u128(9)),
            purchase: StreamId::new(StreamKind::Purchase, Uuid::nil()),
            item: "li_1".to_owned(),
            unit: 0,
            terms: settings(Expiration::Never).terms(at(0)),
            amended: Amended::default(),
            activated_at: None,
            expired_due: None,
            expiring_told: None,
            admin_suspended: false,
            admin_revoked: false,
            created_at: at(0),
            created_position: Position(1),
            updated_at: at(0),
            updated_position: Position(1),
            version: 1,
        };
        change(&mut license);
        license
    }

    fn settings(expiration: Expiration) -> Settings {
        Settings {
            product_ids: vec![Uuid::from_u128(1)],
            customer_ids: vec![Uuid::from_u128(9)],
            ip_limit: None,
            hwid_limit: Some(3),
            expiration,
            suspended: false,
        }
    }

    fn check(license: &License, settings: &Settings, expected: LicenseAmended) {
        assert_eq!(changes(license, settings, &[]), Ok((expected, None)));
    }

    #[test]
    fn what_is_so_already_is_no_change() {
        check(&license(|_| {}), &settings(Expiration::Never), LicenseAmended::default());
        let days = Expiration::Duration { days: 7, start: ExpirationStart::Activation };
        let made = license(|license| license.terms = settings(days).terms(at(0)));
        check(&made, &settings(days), LicenseAmended::default());
    }

    #[test]
    fn only_what_differs_is_amended() {
        let wanted = Settings { hwid_limit: None, ..settings(Expiration::Date(at(90))) };
        let hwid_limit = Some(SeatLimit::Unlimited);
        let expiration = Some(Expiration::Date(at(90)));
        check(&license(|_| {}), &wanted, LicenseAmended { hwid_limit, expiration, ..Default::default() });
    }

    #[test]
    fn sending_back_a_subscription_s_end_does_not_freeze_it() {
        let subscription = SubscriptionTerms { paid_until: Some(at(30)), grace_seconds: 0, ended_at: None };
        let paid = license(|license| license.terms.subscription = Some(subscription));
        check(&paid, &settings(Expiration::Date(at(30))), LicenseAmended::default());
        // Read before the renewal, to the millisecond only.
        let stale = Timestamp::from_microsecond(at(29).as_microsecond() + 7).unwrap_or_default();
        let sent_back = settings(Expiration::Date(at(29)));
        assert_eq!(changes(&paid, &sent_back, &[stale]), Ok((LicenseAmended::default(), None)));
        let shortened = LicenseAmended { expiration: Some(Expiration::Date(at(29))), ..Default::default() };
        assert_eq!(changes(&paid, &sent_back, &[]), Ok((shortened, None)));
        let expiration = Some(Expiration::Never);
        check(&paid, &settings(Expiration::Never), LicenseAmended { expiration, ..Default::default() });
    }

    #[test]
    fn a_suspension_is_lifted_by_whom_it_belongs_to() {
        let calm = settings(Expiration::Never);
        let ours = license(|license| license.admin_suspended = true);
        assert!(matches!(changes(&ours, &calm, &[]), Ok((_, Some(Event::LicenseReinstated(_))))));
        let disputed = license(|license| license.terms.disputed = true);
        assert_eq!(changes(&disputed, &calm, &[]), Err(Refusal::Disputed));
        let stop = Settings { suspended: true, ..calm.clone() };
        assert!(matches!(changes(&license(|_| {}), &stop, &[]), Ok((_, Some(Event::LicenseSuspended(_))))));
        let revoked = license(|license| license.admin_revoked = true);
        assert_eq!(changes(&revoked, &calm, &[]), Ok((LicenseAmended::default(), None)), "it is as asked");
        assert_eq!(changes(&revoked, &stop, &[]), Err(Refusal::Revoked));
    }
}
