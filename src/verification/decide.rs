//! The checks of a verification, in their order. Pure: what must be looked up is looked up before.

use std::net::IpAddr;

use keyledger_events::Timestamp;
use keyledger_projections::{SeatKind, VerificationSettings};
use uuid::Uuid;

use super::asked::Asked;
use super::blacklist::Blacklist;
use super::cache::Known;
use super::code::{Code, Refusal};
use super::seat::{LastSeen, Request, Seat};

/// Everything that a verification is decided on.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// What is asked.
    pub asked: &'a Asked,
    /// From where.
    pub address: IpAddr,
    /// From which country, if a trusted proxy says so.
    pub country: Option<&'a str>,
    /// The team's settings.
    pub settings: &'a VerificationSettings,
    /// The team's blacklist.
    pub blacklist: &'a Blacklist,
    /// The licence and its seats.
    pub known: &'a Known,
    /// The device's seat id.
    pub device_id: Option<Uuid>,
    /// The address's seat id.
    pub address_id: Uuid,
    /// When devices were last seen, if that was looked up.
    pub devices_seen: Option<&'a LastSeen>,
    /// When addresses were last seen, if that was looked up.
    pub addresses_seen: Option<&'a LastSeen>,
    /// The moment of asking.
    pub now: Timestamp,
}

/// What an accepted verification changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effects {
    /// The licence's clock begins.
    pub activate: bool,
    /// The address takes a seat, for which these lose theirs.
    pub address: Option<Vec<Uuid>>,
    /// The device takes a seat, for which these lose theirs.
    pub device: Option<Vec<Uuid>>,
}

impl Effects {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a verification is not accepted, or not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It is refused.
    Refused(Refusal),
    /// When seats of this kind were last seen decides.
    Unseen(SeatKind),
}

/// A check by its name.
#[derive(Clone, Copy)]
pub struct Check {
    /// What is checked, for people.
    pub name: &'static str,
    /// Whether it passes, and what that changes.
    run: fn(&Case<'_>, &mut Effects) -> Result<(), Stop>,
}

impl Check {
    /// Runs the check.
    ///
    /// # Errors
    /// When it does not pass.
    pub fn run(&self, case: &Case<'_>, effects: &mut Effects) -> Result<(), Stop> {
        (self.run)(case, effects)
    }
}

/// All checks of a licence that was found, in order. The first that fails decides.
pub const CHECKS: [Check; 7] = [
    Check { name: "blacklist", run: blacklist },
    Check { name: "customer", run: customer },
    Check { name: "product", run: product },
    Check { name: "suspended or revoked", run: suspension },
    Check { name: "expiration", run: expiration },
    Check { name: "address limit", run: address },
    Check { name: "device limit", run: device },
];

/// Runs all checks.
///
/// # Errors
/// The first that does not pass.
pub fn decide(case: &Case<'_>) -> Result<Effects, Stop> {
    let mut effects = Effects::default();
    CHECKS.iter().try_for_each(|check| check.run(case, &mut effects))?;
    effects.activate = case.known.license.awaits_activation();
    Ok(effects)
}

fn refuse(code: Code, details: &str) -> Result<(), Stop> {
    Err(Stop::Refused(Refusal::new(code, details)))
}

fn blacklist(case: &Case<'_>, _: &mut Effects) -> Result<(), Stop> {
    if case.blacklist.has_address(case.address) {
        return refuse(Code::IpBlacklisted, "IP address is blacklisted");
    }
    if case.country.is_some_and(|country| case.blacklist.has_country(country)) {
        return refuse(Code::CountryBlacklisted, "Country is blacklisted");
    }
    if case.asked.hardware_identifier.as_deref().is_some_and(|device| case.blacklist.has_device(device)) {
        return refuse(Code::HardwareIdentifierBlacklisted, "Hardware identifier is blacklisted");
    }
    Ok(())
}

/// Whether what is named fits what the licence has: a licence that has none fits everything.
fn fits(has: &[Uuid], named: Option<Uuid>, strict: bool) -> bool {
    has.is_empty() || named.map_or(!strict, |named| has.contains(&named))
}

fn customer(case: &Case<'_>, _: &mut Effects) -> Result<(), Stop> {
    if fits(case.known.license.customer_ids(), case.asked.customer_id, case.settings.strict_customers) {
        return Ok(());
    }
    refuse(Code::CustomerNotFound, "Customer not found")
}

fn product(case: &Case<'_>, _: &mut Effects) -> Result<(), Stop> {
    if fits(case.known.license.product_ids(), case.asked.product_id, case.settings.strict_products) {
        return Ok(());
    }
    refuse(Code::ProductNotFound, "Product not found")
}

fn suspension(case: &Case<'_>, _: &mut Effects) -> Result<(), Stop> {
    if case.known.license.revoked() {
        return refuse(Code::LicenseSuspended, "License revoked");
    }
    if case.known.license.suspended() {
        return refuse(Code::LicenseSuspended, "License suspended");
    }
    Ok(())
}

fn expiration(case: &Case<'_>, _: &mut Effects) -> Result<(), Stop> {
    if case.known.license.expires_at().is_some_and(|end| end <= case.now) {
        return refuse(Code::LicenseExpired, "License expired");
    }
    Ok(())
}

fn address(case: &Case<'_>, effects: &mut Effects) -> Result<(), Stop> {
    let request = Request {
        kind: SeatKind::Address,
        limit: case.known.license.ip_limit(),
        taken: &case.known.seats.addresses,
        timeout_minutes: case.settings.ip_timeout_minutes,
        last_seen: case.addresses_seen,
        id: case.address_id,
        now: case.now,
    };
    effects.address = seat(&request, Code::IpLimitReached, "IP limit reached")?;
    Ok(())
}

fn device(case: &Case<'_>, effects: &mut Effects) -> Result<(), Stop> {
    let limit = case.known.license.hwid_limit();
    let id = match (limit, case.device_id) {
        (None, _) => return Ok(()),
        (Some(_), Some(id)) => id,
        (Some(_), None) => {
            return refuse(Code::BadRequest, "hardwareIdentifier: is required for a licence with a device limit");
        }
    };
    let request = Request {
        kind: SeatKind::Device,
        limit,
        taken: &case.known.seats.devices,
        timeout_minutes: case.settings.hwid_timeout_minutes,
        last_seen: case.devices_seen,
        id,
        now: case.now,
    };
    effects.device = seat(&request, Code::HwidLimitReached, "HWID limit reached")?;
    Ok(())
}

fn seat(request: &Request<'_>, full: Code, details: &str) -> Result<Option<Vec<Uuid>>, Stop> {
    match request.decide() {
        Seat::Held => Ok(None),
        Seat::Free { release } => Ok(Some(release)),
        Seat::Full => Err(Stop::Refused(Refusal::new(full, details))),
        Seat::Unclear => Err(Stop::Unseen(request.kind)),
    }
}
