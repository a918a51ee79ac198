//! What follows from a Polymart delivery. Nothing is asked of anybody, so it is done while Polymart waits.

use keyledger_events::StreamId;
use keyledger_events::event::inbox::Provider;
use keyledger_events::event::purchase::{PurchaseLine, PurchaseRecorded, RemovalRecorded};
use keyledger_projections::view;

use super::payload::{Fact, Sale, parse_fact};
use super::query::read_offer;
use crate::app::App;
use crate::directory::Team;
use crate::licensing::purchase::polymart_stream;
use crate::providers::draft::{Draft, DraftError};
use crate::providers::inbox::Delivery;
use crate::providers::offer::OfferDraft;
use crate::providers::plan::{Conclusion, Plan};

/// A plan, and how the sender is answered.
#[derive(Debug)]
pub struct Answered {
    /// What follows.
    pub plan: Plan,
    /// How the sender is answered.
    pub answer: Answer,
}

/// How the sender is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 200.
    Received,
    /// 400: body or query are not what they must be.
    Bad,
    /// 404: the product is not ours.
    UnknownProduct,
}

/// Plans what follows from a delivery.
///
/// # Errors
/// When something inside does not answer.
pub async fn interpret(app: &App, team: &Team, delivery: &Delivery, body: &[u8]) -> Result<Answered, DraftError> {
    let rejected = |answer, reason: String| {
        Ok(Answered { plan: Plan::without_effect(delivery, Conclusion::Rejected(reason)), answer })
    };
    let fact = match parse_fact(body) {
        Ok(fact) => fact,
        Err(error) => return rejected(Answer::Bad, error.to_string()),
    };
    let plan = match fact {
        // It finds its licence by buyer and product on Polymart, and must not fail because of what the address offers, or
        // because our product is gone.
        Fact::Removal(sale) => removed(app, team, delivery, &sale).await?,
        Fact::Purchase(_) | Fact::Ping | Fact::Other => {
            let offer = match read_offer(&delivery.query) {
                Ok(offer) => offer,
                Err(reasons) => return rejected(Answer::Bad, reasons.join("; ")),
            };
            if let Some(reason) = unknown_product(app, team, delivery, &offer).await? {
                return rejected(Answer::UnknownProduct, reason);
            }
            let ignored = |reason: &str| Plan::without_effect(delivery, Conclusion::Ignored(reason.to_owned()));
            match fact {
                Fact::Purchase(sale) => purchased(app, team, delivery, &sale, offer).await?,
                Fact::Ping => ignored("a ping: the connection works"),
                _ => ignored("we have no use for this event"),
            }
        }
    };
    Ok(Answered { plan, answer: Answer::Received })
}

/// Says which product is unknown, after catching up with the ledger.
async fn unknown_product(
    app: &App,
    team: &Team,
    delivery: &Delivery,
    offer: &OfferDraft,
) -> Result<Option<String>, DraftError> {
    let ids = &offer.offer.product_ids;
    if ids.iter().all(|id| team.products.contains_key(id)) {
        return Ok(None);
    }
    app.catch_up(&[view::PRODUCTS]).await?;
    let existing = app.views.team(delivery.team).existing_products(ids).await;
    let existing = existing.map_err(|error| DraftError::Directory(error.into()))?;
    let unknown = ids.iter().find(|id| !existing.contains(*id));
    Ok(unknown.map(|id| format!("`productId` names {id}, which is no product of this team")))
}

fn stream(delivery: &Delivery, sale: &Sale) -> StreamId {
    polymart_stream(delivery.team, &sale.product, &sale.user)
}

async fn purchased(
    app: &App,
    team: &Team,
    delivery: &Delivery,
    sale: &Sale,
    offer: OfferDraft,
) -> Result<Plan, DraftError> {
    let mut draft = Draft::begin(app, team, delivery, stream(delivery, sale)).await?;
    let item = format!("{}/{}", sale.product, sale.user);
    let fact = PurchaseRecorded {
        provider: Provider::Polymart,
        reference: item.clone(),
        purchased_at: sale.time,
        livemode: None,
        customer_id: None,
        payment: None,
        amount: None,
        lines: vec![PurchaseLine { item, quantity: 1, offer: offer.offer }],
        licensed: Vec::new(),
    };
    draft.learn(fact.into()).await?;
    let conclusion = Conclusion::Applied { summary: draft.summary(), warnings: offer.warnings };
    Ok(draft.conclude(conclusion))
}

async fn removed(app: &App, team: &Team, delivery: &Delivery, sale: &Sale) -> Result<Plan, DraftError> {
    let mut draft = Draft::begin(app, team, delivery, stream(delivery, sale)).await?;
    let fact = RemovalRecorded { removed_at: sale.time, reason: "taken back on Polymart".to_owned() };
    draft.learn(fact.into()).await?;
    let conclusion = Conclusion::Applied { summary: draft.summary(), warnings: Vec::new() };
    Ok(draft.conclude(conclusion))
}
