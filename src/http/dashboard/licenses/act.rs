//! What is done with a licence.

use axum::extract::{Path, State};
use keyledger_events::Timestamp;
use keyledger_events::event::license::Expiration;
use keyledger_events::event::member::RevealedKind;
use keyledger_projections::License;
use uuid::Uuid;

use super::super::change::{Administrator, Anybody, Change, Confirmed, Supporter};
use super::super::page::Answer;
use super::super::problem::Problem;
use super::show::{find, shown};
use crate::admin::licenses::{self, Update};
use crate::admin::{mails, members, seats, verifications};
use crate::http::Front;
use crate::licensing::commands::{Command, EXTENSION_DAYS_MAX, Extension};
use crate::licensing::settings::Settings;
use crate::opened;
use crate::verification::explain::{Explanation, Question};

type OfLicense = Path<(String, String)>;

/// The last day whose end is a moment that a ledger holds.
const LAST_DAY: &str = "9999-12-29";

/// `POST …/key`: shows the key, and records that it was looked at.
pub(super) async fn reveal(
    State(front): State<Front>,
    Path((_, id)): OfLicense,
    change: Change<Confirmed<Supporter>>,
) -> Answer {
    let (app, viewer) = (&front.app, &change.viewer);
    let license = find(app, viewer.team_id(), &id).await?;
    let key = key_of(&front, &license, &change.viewer).await?;
    let what = RevealedKind::LicenseKey;
    members::reveal(app, &change.actor(), viewer.team_id(), viewer.member.id, what, license.id).await?;
    shown(&front, viewer, &id, Some(key), None).await
}

async fn key_of(front: &Front, license: &License, viewer: &super::super::viewer::Viewer) -> Result<String, Problem> {
    let described = licenses::describe(&front.app, viewer.team_id(), license, front.app.clock.now()).await?;
    described.key.ok_or_else(|| Problem::unusable("The key can no longer be read: what opens it is gone."))
}

/// `POST …/suspend`
pub(super) async fn suspend(State(front): State<Front>, Path((_, id)): OfLicense, change: Change<Supporter>) -> Answer {
    let reason = change.fields.text("reason").map(str::to_owned);
    command(&front, &id, &change, Command::Suspend { reason }, "The licence is suspended.").await
}

/// `POST …/reinstate`
pub(super) async fn reinstate(
    State(front): State<Front>,
    Path((_, id)): OfLicense,
    change: Change<Supporter>,
) -> Answer {
    let reason = change.fields.text("reason").map(str::to_owned);
    command(&front, &id, &change, Command::Reinstate { reason }, "The licence is reinstated.").await
}

/// `POST …/revoke`
pub(super) async fn revoke(
    State(front): State<Front>,
    Path((_, id)): OfLicense,
    change: Change<Confirmed<Administrator>>,
) -> Answer {
    let reason = change.fields.text("reason").map(str::to_owned);
    command(&front, &id, &change, Command::Revoke { reason }, "The licence is revoked for good.").await
}

async fn command<S>(front: &Front, id: &str, change: &Change<S>, command: Command, text: &str) -> Answer {
    let done = async {
        let team = change.viewer.team_id();
        let license = find(&front.app, team, id).await?;
        let done = licenses::change(&front.app, &change.actor(), Some(team), license.id, &command).await?;
        Ok(if done.changed { text.to_owned() } else { "It was so already.".to_owned() })
    };
    finish(change, id, done.await).await
}

async fn finish<S>(change: &Change<S>, id: &str, done: Result<String, Problem>) -> Answer {
    let page = format!("licenses/{id}");
    change.done(done, &page, &page).await
}

/// `POST …/extend`: by days, to a date, or for ever.
pub(super) async fn extend(State(front): State<Front>, Path((_, id)): OfLicense, change: Change<Supporter>) -> Answer {
    let done = change.once(&front, extended(&front, &id, &change)).await;
    finish(&change, &id, done).await
}

async fn extended(front: &Front, id: &str, change: &Change<Supporter>) -> Result<String, Problem> {
    let (app, team) = (&front.app, change.viewer.team_id());
    let license = find(app, team, id).await?;
    let extension = match change.fields.text("how") {
        Some("never") => return endless(front, &license, change).await,
        Some("date") => Extension::Until(date(change.fields.required("date", "The date")?)?),
        _ => {
            let days = change.fields.number_within("days", "The number of days", 1..=EXTENSION_DAYS_MAX)?;
            Extension::Days(days.ok_or_else(|| Problem::unusable("How many days? Fill in a whole number."))?)
        }
    };
    let done = licenses::change(app, &change.actor(), Some(team), license.id, &Command::Extend(extension)).await?;
    let end = done.license.expires_at().map(|end| end.strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default();
    let renewals = if done.license.follows_subscription() { " Renewals count beyond that." } else { "" };
    Ok(format!("The licence expires on {end} UTC now.{renewals}"))
}

async fn endless(front: &Front, license: &License, change: &Change<Supporter>) -> Result<String, Problem> {
    let (app, team) = (&front.app, change.viewer.team_id());
    let key = key_of(front, license, &change.viewer).await?;
    let metadata =
        opened::notes(app, team, license.amended.metadata.as_ref(), License::METADATA_FIELD).await.map_err(internal)?;
    let settings = Settings {
        product_ids: license.product_ids().to_vec(),
        customer_ids: license.customer_ids().to_vec(),
        ip_limit: license.ip_limit(),
        hwid_limit: license.hwid_limit(),
        expiration: Expiration::Never,
        suspended: license.admin_suspended,
    };
    let update = Update { license_key: key, settings, metadata };
    licenses::update(app, &change.actor(), team, license.id, &update).await?;
    Ok("The licence never expires now.".to_owned())
}

fn internal(error: impl std::fmt::Display) -> Problem {
    Problem::internal(&error)
}

/// The end of a day in UTC.
fn date(text: &str) -> Result<Timestamp, Problem> {
    let looks_so = text.len() == LAST_DAY.len()
        && text.bytes().zip(LAST_DAY.bytes()).all(|(given, last)| match last {
            b'-' => given == b'-',
            _ => given.is_ascii_digit(),
        });
    if !looks_so {
        return Err(Problem::unusable(format!("The date must look like 2027-01-31, not “{text}”.")));
    }
    if text > LAST_DAY {
        return Err(Problem::unusable(format!("The date must be {LAST_DAY} or earlier, not “{text}”.")));
    }
    let none = |_| Problem::unusable(format!("The calendar has no day “{text}”."));
    format!("{text}T23:59:59Z").parse::<Timestamp>().map_err(none)
}

/// `POST …/mail`: sends the key again, to the address that the buyer has by now.
pub(super) async fn mail(State(front): State<Front>, Path((_, id)): OfLicense, change: Change<Supporter>) -> Answer {
    let sent = async {
        let team = change.viewer.team_id();
        let license = find(&front.app, team, &id).await?;
        mails::resend(&front.app, &change.actor(), Some(team), license.id).await?;
        Ok("The mail with the key goes out again.".to_owned())
    };
    finish(&change, &id, change.once(&front, sent).await).await
}

/// `POST …/seats/{seatId}/forget`
pub(super) async fn forget(
    State(front): State<Front>,
    Path((_, id, seat)): Path<(String, String, String)>,
    change: Change<Supporter>,
) -> Answer {
    let forgotten = async {
        let team = change.viewer.team_id();
        let license = find(&front.app, team, &id).await?;
        let seat: Uuid = seat.parse().map_err(|_| Problem::not_found(format!("“{seat}” is no seat's id.")))?;
        let freed = seats::forget(&front.app, &change.actor(), Some(team), license.id, seat).await?;
        Ok(if freed { "The seat is free." } else { "It is forgotten; it held no seat." }.to_owned())
    };
    finish(&change, &id, forgotten.await).await
}

/// `POST …/explain`: what a verification would be answered, and why. It changes nothing.
pub(super) async fn explain(State(front): State<Front>, Path((_, id)): OfLicense, change: Change<Anybody>) -> Answer {
    match explained(&front, &id, &change).await {
        Ok(explanation) => shown(&front, &change.viewer, &id, None, Some(explanation)).await,
        Err(problem) => finish(&change, &id, Err(problem)).await,
    }
}

async fn explained(front: &Front, id: &str, change: &Change<Anybody>) -> Result<Explanation, Problem> {
    let (app, team) = (&front.app, change.viewer.team_id());
    let license = find(app, team, id).await?;
    // Who has a seat is not to be learnt by asking, either, by those who do not see it.
    let personal = |name: &str| change.fields.text(name).filter(|_| change.viewer.sees_people());
    let address = personal("address");
    let bad = |text: &str| Problem::unusable(format!("“{text}” is no internet address."));
    let question = Question {
        license_key: key_of(front, &license, &change.viewer).await?,
        hardware_identifier: personal("device").map(str::to_owned),
        product_id: change.fields.id("product", "The product")?,
        customer_id: None,
        address: address.map(|text| text.parse().map_err(|_| bad(text))).transpose()?,
        country: None,
    };
    Ok(verifications::explain(app, team, &question).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_the_end_of_its_day() {
        assert_eq!(date("2027-01-31").ok().map(|end| end.to_string()), Some("2027-01-31T23:59:59Z".to_owned()));
        assert!(date(LAST_DAY).is_ok());
        for (bad, said) in [
            ("31.1.2027", "must look like 2027-01-31"),
            ("9999-12-31", "must be 9999-12-29 or earlier"),
            ("2027-02-31", "has no day “2027-02-31”"),
        ] {
            let problem = date(bad).err();
            assert!(problem.as_ref().and_then(Problem::about_input).is_some_and(|text| text.contains(said)), "{bad}");
        }
    }
}
