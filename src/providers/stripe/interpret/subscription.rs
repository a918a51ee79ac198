//! Subscriptions: what they consist of, and that they end. Status, `past_due` and `cancel_at_period_end` decide
//! nothing; only paid periods and the end do.

use keyledger_events::event::purchase::{ObservedItem, SubscriptionCeased, SubscriptionObserved};

use super::offers::Found;
use super::{Context, Stop};
use crate::licensing::purchase::Purchase;
use crate::licensing::subscription::swaps_between;
use crate::providers::draft::Draft;
use crate::providers::plan::{Conclusion, Plan};
use crate::providers::stripe::payload::{Subscription, SubscriptionItem};

pub(super) async fn ceased(context: &Context<'_>, subscription: &Subscription) -> Result<Plan, Stop> {
    let stream = context.purchase(&subscription.id);
    let mut draft = Draft::begin(context.app, context.team, context.delivery, stream).await?;
    // `canceled_at` is the moment of the request, which may lie long before the end.
    let ended_at = subscription.ended_at.unwrap_or(context.delivery.occurred_at);
    draft.learn(SubscriptionCeased { subscription: subscription.id.clone(), ended_at }.into()).await?;
    let conclusion = Conclusion::Applied { summary: draft.summary(), warnings: Vec::new() };
    Ok(draft.conclude(conclusion))
}

pub(super) async fn observed(context: &Context<'_>, subscription: &Subscription) -> Result<Plan, Stop> {
    let stream = context.purchase(&subscription.id);
    let mut draft = Draft::begin(context.app, context.team, context.delivery, stream).await?;
    let fetched = match subscription.items_truncated {
        true => Some(context.api()?.subscription_items(&subscription.id).await?),
        false => None,
    };
    let items = fetched.as_ref().unwrap_or(&subscription.items);
    let swapped = match &subscription.previous_items {
        Some(before) => {
            let (before, mut after) = (ids(before), ids(items));
            if subscription.previous_items_truncated {
                // What is not among the first ones may have been there all the same.
                after.retain(|item| before.contains(item) || !draft.purchase.knows_item(item));
            }
            swaps_between(&before, &after)
        }
        None => Vec::new(),
    };
    let (items, bad) = read_items(context, &draft.purchase, items).await?;
    let fact = SubscriptionObserved {
        subscription: subscription.id.clone(),
        observed_at: context.delivery.occurred_at,
        status: subscription.status.clone(),
        items,
        swapped,
        checkout_session: None,
        customer_id: None,
    };
    draft.learn(fact.into()).await?;
    let conclusion = if bad.is_empty() {
        Conclusion::Applied { summary: draft.summary(), warnings: Vec::new() }
    } else {
        Conclusion::Rejected(bad.join("; "))
    };
    Ok(draft.conclude(conclusion))
}

fn ids(items: &[SubscriptionItem]) -> Vec<String> {
    items.iter().map(|item| item.id.clone()).collect()
}

/// The items with their offers, as far as they matter: Stripe is asked only about a subscription that has
/// licences. For others the paid invoice will ask.
async fn read_items(
    context: &Context<'_>,
    purchase: &Purchase,
    items: &[SubscriptionItem],
) -> Result<(Vec<ObservedItem>, Vec<String>), Stop> {
    let mut read = Vec::new();
    let mut bad = Vec::new();
    for item in items {
        let found = if purchase.licensed.is_empty() {
            Found::NotOurs
        } else {
            let metadata = item.product_metadata.as_ref();
            context.subscription_offer(purchase, item.product.as_deref(), metadata).await?
        };
        let offer = match found {
            Found::NotOurs => None,
            Found::Offer(offer, _) => Some(offer),
            Found::Bad(reasons) => {
                bad.extend(reasons);
                None
            }
        };
        read.push(ObservedItem {
            item: item.id.clone(),
            quantity: item.quantity,
            stripe_product: item.product.clone(),
            offer,
        });
    }
    Ok((read, bad))
}
