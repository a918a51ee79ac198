//! One licence: how it stands and why, who uses it, what happened to it, and what can be done.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, State};
use keyledger_events::{Position, TeamId};
use keyledger_projections::License;
use uuid::Uuid;

use super::super::page::{Answer, page};
use super::super::problem::Problem;
use super::super::shell::Shell;
use super::super::viewer::Viewer;
use super::super::when::When;
use super::past::{self, Past};
use super::words::{Standing, Tag, masked, product_name, standing, tag};
use crate::admin::seats::{self, SeatJson};
use crate::admin::timeline::{self, About, Causes, Entry};
use crate::admin::{AdminError, customers, licenses, mails, members, products};
use crate::app::App;
use crate::http::Front;
use crate::verification::explain::Explanation;

/// Entries of the timeline on the page; the rest is in the audit.
const ENTRIES: u32 = 100;
/// What stands for what auditors do not see.
const SEALED: &str = "sealed";

#[derive(Template)]
#[template(path = "dashboard/licenses/show.html")]
struct ShowPage {
    shell: Shell,
    license: Shown,
    /// The whole key, once it was asked for.
    key: Option<String>,
    /// What a verification would be answered, once that was asked for.
    explanation: Option<Explanation>,
}

/// A licence as its page shows it.
struct Shown {
    id: Uuid,
    masked: String,
    tag: Tag,
    standing: Standing,
    revoked: bool,
    suspended: bool,
    /// Whether it has an end that could be put off.
    ends: bool,
    /// Whether it has none, and never will.
    endless: bool,
    /// Whether a mail ever carried its key.
    mailed: bool,
    products: Vec<(Option<Uuid>, String)>,
    customers: Vec<(Uuid, String)>,
    provider: &'static str,
    test: bool,
    references: Vec<(String, String)>,
    ip_limit: Option<u32>,
    hwid_limit: Option<u32>,
    bought: When,
    last_used: Option<When>,
    seats: Vec<ShownSeat>,
    timeline: Vec<ShownEntry>,
    more: bool,
    past: Past,
}

struct ShownSeat {
    id: Uuid,
    kind: &'static str,
    identifier: String,
    status: &'static str,
    country: String,
    seen: When,
}

/// An entry of a timeline as pages show it.
pub(in crate::http::dashboard) struct ShownEntry {
    /// What happened, in a sentence.
    pub(in crate::http::dashboard) what: String,
    /// Who did it.
    pub(in crate::http::dashboard) who: String,
    /// When it happened.
    pub(in crate::http::dashboard) when: When,
    /// Its place in the ledger.
    pub(in crate::http::dashboard) position: Position,
    /// The provider event that led to it, by its id and the provider's.
    pub(in crate::http::dashboard) because: Option<(Uuid, String)>,
}

impl ShownEntry {
    /// Entries, to be shown; members by the address that they sign in with.
    ///
    /// # Errors
    /// When views or keys store do not answer.
    pub(in crate::http::dashboard) async fn all(
        app: &App,
        team: TeamId,
        entries: Vec<Entry>,
    ) -> Result<Vec<Self>, AdminError> {
        let mut names: HashMap<String, String> = HashMap::new();
        let mut shown = Vec::with_capacity(entries.len());
        for entry in entries {
            let actor = &entry.event.actor;
            if let (Some(id), false) = (members::of_actor(actor), names.contains_key(actor)) {
                let email = match app.views.team(team).member(id).await? {
                    Some(member) => members::email(app, team, &member).await?,
                    None => None,
                };
                names.insert(actor.clone(), email.unwrap_or_else(|| entry.who.clone()));
            }
            let who = names.get(actor).cloned().unwrap_or_else(|| entry.who.clone());
            shown.push(Self::new(entry, who));
        }
        Ok(shown)
    }

    fn new(entry: Entry, who: String) -> Self {
        Self {
            what: entry.what,
            who,
            when: When(entry.event.occurred_at),
            position: entry.event.position,
            because: entry.because.map(|because| (because.id, because.provider_event_id)),
        }
    }
}

/// `GET /teams/{teamId}/licenses/{licenseId}`
pub(super) async fn show(
    viewer: Viewer,
    State(front): State<Front>,
    Path((_, license)): Path<(String, String)>,
) -> Answer {
    shown(&front, &viewer, &license, None, None).await
}

/// The page, with what was asked for.
pub(super) async fn shown(
    front: &Front,
    viewer: &Viewer,
    license: &str,
    key: Option<String>,
    explanation: Option<Explanation>,
) -> Answer {
    let found = find(&front.app, viewer.team_id(), license).await?;
    let license = describe(&front.app, viewer, &found).await?;
    let mut shell = viewer.shell(format!("Licence {}", license.masked), "licenses").await?;
    // The page of an answer has no address of its own that it could ask for again.
    shell.path = viewer.at(&format!("licenses/{}", license.id));
    page(&ShowPage { shell, license, key, explanation })
}

/// The licence of an id in a path.
///
/// # Errors
/// When there is none.
pub(super) async fn find(app: &App, team: TeamId, id: &str) -> Result<License, Problem> {
    let id: Uuid = id.parse().map_err(|_| Problem::not_found(format!("“{id}” is no licence's id.")))?;
    Ok(licenses::find(app, Some(team), &id.to_string()).await?.1)
}

async fn describe(app: &App, viewer: &Viewer, license: &License) -> Result<Shown, Problem> {
    let (team, now) = (viewer.team_id(), app.clock.now());
    let described = licenses::describe(app, team, license, now).await?;
    let page =
        timeline::page(app, &mut Causes::of(team), team, About::License(license.id), Position::START, ENTRIES).await?;
    let more = page.next_after.is_some();
    let mut timeline = ShownEntry::all(app, team, page.entries).await?;
    timeline.reverse();
    Ok(Shown {
        id: license.id,
        masked: masked(described.key.as_deref()),
        tag: tag(described.status),
        standing: standing(license, now),
        revoked: license.revoked(),
        suspended: license.admin_suspended,
        ends: license.expires_at().is_some(),
        endless: license.expires_at().is_none() && !license.awaits_activation(),
        mailed: mails::latest_with_key(app, team, license).await?.is_some(),
        products: named_products(app, team, license).await?,
        customers: named_customers(app, viewer, license).await?,
        provider: license.provider.as_str(),
        test: license.livemode == Some(false),
        references: license.terms.references.clone().into_iter().collect(),
        ip_limit: license.ip_limit(),
        hwid_limit: license.hwid_limit(),
        bought: When(license.terms.purchased_at),
        last_used: described.last_used_at.map(When),
        seats: seats::list(app, Some(team), license.id)
            .await?
            .into_iter()
            .map(|seat| shown_seat(viewer, seat))
            .collect(),
        timeline,
        more,
        past: past::of(app, team, license, viewer.query.number("version", "The version")?).await?,
    })
}

/// A seat; auditors see that it is taken, and not by which device or from where.
fn shown_seat(viewer: &Viewer, seat: SeatJson) -> ShownSeat {
    let hidden = seat.identifier.is_some() && !viewer.sees_people();
    let sealed = || SEALED.to_owned();
    ShownSeat {
        id: seat.id,
        kind: seat.kind.as_str(),
        identifier: if hidden { sealed() } else { seat.identifier.unwrap_or_else(|| "forgotten".to_owned()) },
        status: seat.status.as_str(),
        country: seat.country.unwrap_or_default(),
        seen: When(seat.last_seen_at),
    }
}

/// What a licence opens, with the ids of what has a page because it is still sold.
async fn named_products(app: &App, team: TeamId, license: &License) -> Result<Vec<(Option<Uuid>, String)>, AdminError> {
    let mut all = products::ever(app, team).await?;
    all.retain(|product| license.product_ids().contains(&product.id));
    Ok(all.iter().map(|product| ((!product.removed).then_some(product.id), product_name(product))).collect())
}

/// The customers' mail addresses, or what can be said of them; auditors see that there are customers, and not who.
async fn named_customers(app: &App, viewer: &Viewer, license: &License) -> Result<Vec<(Uuid, String)>, AdminError> {
    let mut named = Vec::new();
    for customer in app.views.team(viewer.team_id()).customers(license.customer_ids()).await? {
        let text = if customer.forgotten {
            "forgotten".to_owned()
        } else if viewer.sees_people() {
            let known = customers::describe(app, viewer.team_id(), &customer).await?;
            let name = known.email.or(known.full_name).or(known.username);
            name.unwrap_or_else(|| format!("a customer of {}", customer.provider.as_str()))
        } else {
            format!("a customer of {}", customer.provider.as_str())
        };
        named.push((customer.id, text));
    }
    Ok(named)
}
