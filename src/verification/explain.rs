//! Why a verification would be answered as it would: the same checks, told one by one, changing nothing.

use std::net::IpAddr;

use keyledger_events::{TeamId, Timestamp};
use keyledger_projections::{SeatKind, view};
use serde::Serialize;
use uuid::Uuid;

use super::append::Holder;
use super::asked::{Asked, is_license_key};
use super::cache::Known;
use super::code::{Code, Refusal};
use super::decide::{CHECKS, Case, Effects, Stop};
use super::verifier::{VerifyError, last_seen};
use crate::activity::RequestKind;
use crate::app::{App, FreshError};
use crate::keys;

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// What it rests on cannot be read.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The views are behind.
    #[error(transparent)]
    Fresh(#[from] FreshError),
}

/// What would be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The licence key.
    pub license_key: String,
    /// The device.
    pub hardware_identifier: Option<String>,
    /// The product.
    pub product_id: Option<Uuid>,
    /// The customer.
    pub customer_id: Option<Uuid>,
    /// From where; without it, from an address of no consequence.
    pub address: Option<IpAddr>,
    /// From which country.
    pub country: Option<String>,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It passes.
    Passes,
    /// It fails: this is the answer.
    Fails,
    /// A check before it has failed.
    NotReached,
}

impl Outcome {
    /// In words.
    pub fn as_words(self) -> &'static str {
        match self {
            Self::Passes => "passes",
            Self::Fails => "fails",
            Self::NotReached => "not reached",
        }
    }
}

/// A check and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What is checked.
    pub check: &'static str,
    /// How it went.
    pub outcome: Outcome,
    /// What it rests on.
    pub because: String,
}

/// The answer and how it comes about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The code that would be answered.
    pub code: &'static str,
    /// Its details.
    pub details: String,
    /// The licence, if the key opens one.
    pub license_id: Option<Uuid>,
    /// Every check, in order.
    pub steps: Vec<Step>,
    /// What accepting it would change.
    pub effects: Vec<String>,
}

/// The address of nobody (RFC 5737), when none is asked about.
const NO_ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 0));

/// Explains.
///
/// # Errors
/// When ledger, views or activity do not answer.
pub async fn explain(app: &App, team_id: TeamId, question: &Question) -> Result<Explanation, ExplainError> {
    app.catch_up(&[view::TEAMS, view::PRODUCTS, view::LICENSE_KEYS]).await?;
    let mut story = Story::default();
    let found = find(app, team_id, question, &mut story).await?;
    let Some((team, known)) = found else { return Ok(story.concluded(None)) };
    let address = question.address.unwrap_or(NO_ADDRESS).to_canonical();
    let id = |kind, identifier: String| Holder::new(app, team_id, known.license.id, kind, identifier).id;
    let asked = Asked {
        kind: RequestKind::Verify,
        license_key: question.license_key.clone(),
        customer_id: question.customer_id,
        product_id: question.product_id,
        challenge: None,
        version: None,
        branch: None,
        hardware_identifier: question.hardware_identifier.clone(),
    };
    let devices_seen = last_seen(app, team_id, known.license.id, SeatKind::Device).await.map_err(VerifyError::from)?;
    let addresses_seen =
        last_seen(app, team_id, known.license.id, SeatKind::Address).await.map_err(VerifyError::from)?;
    let case = Case {
        asked: &asked,
        address,
        country: question.country.as_deref(),
        settings: &team.config.verification,
        blacklist: &team.blacklist,
        known: &known,
        device_id: question.hardware_identifier.clone().map(|identifier| id(SeatKind::Device, identifier)),
        address_id: id(SeatKind::Address, address.to_string()),
        devices_seen: Some(&devices_seen),
        addresses_seen: Some(&addresses_seen),
        now: app.clock.now(),
    };
    story.run(&case);
    Ok(story.concluded(Some(&known)))
}

type FoundLicense = (std::sync::Arc<crate::directory::Team>, std::sync::Arc<Known>);

async fn find(
    app: &App,
    team_id: TeamId,
    question: &Question,
    story: &mut Story,
) -> Result<Option<FoundLicense>, VerifyError> {
    let key = &question.license_key;
    if !is_license_key(key) {
        let because = "a key has the form XXXXX-XXXXX-XXXXX-XXXXX-XXXXX, of A-Z and 0-9".to_owned();
        story.fails("key's form", because, Refusal::new(Code::BadRequest, "licenseKey: has another form"));
        return Ok(None);
    }
    story.passes("key's form", "it has the form of a licence key".to_owned());
    let Some(team) = app.directory.team(team_id).await? else {
        let because = format!("there is no team {team_id}");
        story.fails("team", because, Refusal::new(Code::TeamNotFound, "Team not found"));
        return Ok(None);
    };
    story.passes("team", format!("the team is \"{}\"", team.config.name));
    let lookup = keys::lookup(&app.keys, team_id, key);
    let known = app.licenses.of_key(&app.views, team_id, &lookup).await?.map(|(_, known)| known);
    let not_found = || Refusal::new(Code::LicenseNotFound, "License not found");
    match known {
        Some(known) if known.license.key_lookup == lookup => {
            story.passes("licence", format!("the key opens licence {}", known.license.id));
            Ok(Some((team, known)))
        }
        Some(known) => {
            let because = format!("the key of licence {} was replaced by another one", known.license.id);
            story.fails("licence", because, not_found());
            Ok(None)
        }
        None => {
            story.fails("licence", "no licence of this team has or had this key".to_owned(), not_found());
            Ok(None)
        }
    }
}

/// The explanation as far as it is told.
#[derive(Default)]
struct Story {
    steps: Vec<Step>,
    refusal: Option<Refusal>,
    effects: Vec<String>,
}

impl Story {
    fn passes(&mut self, check: &'static str, because: String) {
        self.steps.push(Step { check, outcome: Outcome::Passes, because });
    }

    fn fails(&mut self, check: &'static str, because: String, refusal: Refusal) {
        self.steps.push(Step { check, outcome: Outcome::Fails, because });
        self.refusal = Some(refusal);
    }

    fn run(&mut self, case: &Case<'_>) {
        let mut effects = Effects::default();
        for check in CHECKS {
            let because = because(check.name, case);
            if self.refusal.is_some() {
                self.steps.push(Step { check: check.name, outcome: Outcome::NotReached, because });
                continue;
            }
            match check.run(case, &mut effects) {
                Ok(()) => self.passes(check.name, because),
                Err(Stop::Refused(refusal)) => self.fails(check.name, because, refusal),
                // Everything was looked up, so this is not reached; were it, nothing would be known.
                Err(Stop::Unseen(_)) => self.fails(
                    check.name,
                    because,
                    Refusal::new(Code::InternalServerError, "when seats were last seen is not known"),
                ),
            }
        }
        if self.refusal.is_none() {
            self.effects = told(case, &effects);
        }
    }

    fn concluded(self, known: Option<&Known>) -> Explanation {
        let (code, details) = match self.refusal {
            None => (Code::Valid, "License is valid".to_owned()),
            Some(refusal) => (refusal.code, refusal.details),
        };
        let license_id = known.map(|known| known.license.id);
        Explanation { code: code.as_str(), details, license_id, steps: self.steps, effects: self.effects }
    }
}

fn told(case: &Case<'_>, effects: &Effects) -> Vec<String> {
    let mut told = Vec::new();
    if case.known.license.awaits_activation() {
        let end = case.known.license.expires_at_if_activated(Some(case.now));
        told.push(match end {
            Some(end) => format!("the licence is activated, and ends on {end}"),
            None => "the licence is activated".to_owned(),
        });
    }
    let seat = |what: &str, release: &[Uuid]| match release {
        [] => format!("{what} takes a free seat"),
        [id] => format!("{what} takes the seat of {id}, which was not seen for longer than the timeout"),
        [id, others @ ..] => format!(
            "{what} takes the seat of {id}, which was not seen for longer than the timeout, as {} that lose theirs with it, \
             for more are taken than there are",
            match others.len() {
                1 => "was one more".to_owned(),
                more => format!("were {more} more"),
            }
        ),
    };
    told.extend(effects.address.as_deref().map(|release| seat("the address", release)));
    told.extend(effects.device.as_deref().map(|release| seat("the device", release)));
    told
}

/// The facts that a check rests on.
fn because(check: &str, case: &Case<'_>) -> String {
    let license = &case.known.license;
    match check {
        "blacklist" => {
            let device = case.asked.hardware_identifier.as_deref();
            let on = |listed: bool| if listed { "on" } else { "not on" };
            let address = on(case.blacklist.has_address(case.address));
            let device = device.map_or_else(
                || "no device is named".to_owned(),
                |device| format!("the device is {} it", on(case.blacklist.has_device(device))),
            );
            let country = case.country.map_or_else(
                || "no country is named".to_owned(),
                |country| format!("the country {country} is {} it", on(case.blacklist.has_country(country))),
            );
            format!("the address is {address} the blacklist, {country}, {device}")
        }
        "customer" => named("customer", license.customer_ids(), case.asked.customer_id, case.settings.strict_customers),
        "product" => named("product", license.product_ids(), case.asked.product_id, case.settings.strict_products),
        "suspended or revoked" => match (license.revoked(), license.suspended()) {
            (true, _) => "the licence is revoked".to_owned(),
            (false, true) if license.admin_suspended => "the licence is suspended by the seller".to_owned(),
            (false, true) => "the licence is suspended while a payment is disputed".to_owned(),
            (false, false) => "the licence is neither".to_owned(),
        },
        "expiration" => expiration(case, case.now),
        "address limit" => {
            let minutes = case.settings.ip_timeout_minutes;
            seats(license.ip_limit(), &case.known.seats.addresses, Some(case.address_id), minutes)
        }
        _ => {
            let minutes = case.settings.hwid_timeout_minutes;
            seats(license.hwid_limit(), &case.known.seats.devices, case.device_id, minutes)
        }
    }
}

fn named(what: &str, has: &[Uuid], asked: Option<Uuid>, strict: bool) -> String {
    match (has.is_empty(), asked) {
        (true, _) => format!("the licence names no {what}, so any will do"),
        (false, Some(id)) if has.contains(&id) => format!("the licence has the {what} {id}"),
        (false, Some(id)) => format!("the licence does not have the {what} {id}"),
        (false, None) if strict => format!("no {what} is named, and the team's settings want one"),
        (false, None) => format!("no {what} is named, and the team's settings want none"),
    }
}

fn expiration(case: &Case<'_>, now: Timestamp) -> String {
    let license = &case.known.license;
    match license.expires_at() {
        Some(end) if end <= now => format!("the licence ended on {end}"),
        Some(end) => format!("the licence ends on {end}"),
        None if license.awaits_activation() => "the licence's days begin with its first verification".to_owned(),
        None => "the licence does not end".to_owned(),
    }
}

fn seats(
    limit: Option<u32>,
    taken: &keyledger_projections::seats::Holders,
    id: Option<Uuid>,
    timeout_minutes: Option<u32>,
) -> String {
    let Some(limit) = limit else { return "the licence has no such limit".to_owned() };
    let own = match id {
        None => "none is named",
        Some(id) if taken.contains(id) => "this one has a seat",
        Some(_) => "this one has none",
    };
    let timeout = timeout_minutes.map_or_else(
        || "seats are not freed by time".to_owned(),
        |minutes| format!("one not seen for {minutes} minutes is freed when it is wanted"),
    );
    format!("{} of {limit} seats are taken, {own}; {timeout}", taken.len())
}
