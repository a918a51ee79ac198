//! What a seller writes down about an offer, in a Stripe product's metadata or in a Polymart webhook's URL: the
//! same few settings under different names, checked the same way.

use std::collections::BTreeMap;

use keyledger_events::event::license::{ExpirationStart, Offer};

use super::json::quote;

/// The longest validity, in days: a hundred years, so that adding it to any purchase stays a date.
pub const EXPIRATION_DAYS_MAX: u32 = 36_500;

/// An offer as it was read, and what the seller should know although it is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferDraft {
    /// The offer. Whether its products exist is for the caller to check.
    pub offer: Offer,
    /// Settings that have no effect, each as a sentence.
    pub warnings: Vec<String>,
}

/// What a provider calls the settings.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) ip_limit: &'static str,
    pub(super) hwid_limit: &'static str,
    pub(super) expiration_days: &'static str,
    pub(super) expiration_start: &'static str,
}

/// The older name of the device limit, with either provider.
const SEATS: &str = "seats";

/// Reads settings one by one and gathers every complaint, so that a seller mends all of them at once.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    settings: &'a BTreeMap<String, String>,
    names: &'static Names,
    pub(super) offer: Offer,
    pub(super) errors: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(settings: &'a BTreeMap<String, String>, names: &'static Names) -> Self {
        Self { settings, names, offer: Offer::default(), errors: Vec::new(), warnings: Vec::new() }
    }

    /// Reads both limits; `hwid_limit` wins over its older name.
    pub(super) fn limits(&mut self) {
        self.offer.ip_limit = self.count(self.names.ip_limit, u32::MAX);
        let device_limit =
            if self.settings.contains_key(self.names.hwid_limit) { self.names.hwid_limit } else { SEATS };
        self.offer.hwid_limit = self.count(device_limit, u32::MAX);
    }

    /// Reads for how long a one-off purchase is valid.
    pub(super) fn expiration(&mut self) {
        let Names { expiration_days, expiration_start, .. } = self.names;
        self.offer.expiration_days = self.count(expiration_days, EXPIRATION_DAYS_MAX);
        let Some(start) = self.start() else { return };
        if self.settings.contains_key(*expiration_days) {
            self.offer.expiration_start = start;
        } else {
            self.warnings.push(format!("`{expiration_start}` has no effect without `{expiration_days}`"));
        }
    }

    /// Notes that a subscription has no use for expiration settings, good or bad.
    pub(super) fn no_expiration_on_subscriptions(&mut self) {
        for name in [self.names.expiration_days, self.names.expiration_start] {
            if self.settings.contains_key(name) {
                let warning = format!("`{name}` is ignored on a subscription: its paid periods decide when it expires");
                self.warnings.push(warning);
            }
        }
    }

    /// The draft, or every complaint.
    pub(super) fn finish(self) -> Result<OfferDraft, Vec<String>> {
        if self.errors.is_empty() {
            Ok(OfferDraft { offer: self.offer, warnings: self.warnings })
        } else {
            Err(self.errors)
        }
    }

    fn count(&mut self, name: &str, max: u32) -> Option<u32> {
        let value = self.settings.get(name)?;
        let count = parse_count(value).filter(|count| (1..=max).contains(count));
        if count.is_none() {
            self.errors.push(format!("`{name}` is {}; expected a whole number from 1 to {max}", quote(value)));
        }
        count
    }

    fn start(&mut self) -> Option<ExpirationStart> {
        let name = self.names.expiration_start;
        let value = self.settings.get(name)?;
        if value.trim().eq_ignore_ascii_case("ACTIVATION") {
            return Some(ExpirationStart::Activation);
        }
        if value.trim().eq_ignore_ascii_case("CREATION") {
            return Some(ExpirationStart::Creation);
        }
        self.errors.push(format!("`{name}` is {}; expected ACTIVATION or CREATION", quote(value)));
        None
    }
}

/// Digits only, with white space around them at most: `u32`'s own parser would take a sign as well.
fn parse_count(text: &str) -> Option<u32> {
    let digits = text.trim();
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}
