//! Subscriptions: what they consist of, and that they end. Status, `past_due` and `cancel_at_period_end` decide
//! nothing; only paid periods and the end do.

use keyledger_events::event::purchase::{ObservedItem, SubscriptionCeased, SubscriptionObserved};

use super::offers::Found;
use super::{Context, Stop};
use crate::licensing::purchase::Purchase;
use crate::licensing::subscription::{Side, swaps_between};
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

pub(super) async fn observed(
    context: &Context<'_>,
    subscription: &Subscription,
    is_update: bool,
) -> Result<Plan, Stop> {
    let stream = context.purchase(&subscription.id);
    let mut draft = Draft::begin(context.app, context.team, context.delivery, stream).await?;
    // A subscription without its items that has licensed nothing tells nothing that would be worth asking for.
    let is_worth_asking = !subscription.items.is_empty() || !draft.purchase.licensed.is_empty();
    let fetched = match subscription.items_truncated && is_worth_asking {
        true => Some(context.api()?.subscription_items(&subscription.id).await?),
        false => None,
    };
    let items = fetched.as_ref().unwrap_or(&subscription.items);
    let swapped = match &subscription.previous_items {
        Some(before) => {
            let (before, mut after) = (sides(before), sides(items));
            if subscription.previous_items_truncated {
                // What is not among the first ones may have been there all the same.
                let was_there = |side: &Side<'_>| before.iter().any(|other| other.item == side.item);
                after.retain(|side| was_there(side) || !draft.purchase.knows_item(side.item));
            }
            swaps_between(&before, &after)
        }
        None => Vec::new(),
    };
    let Items { items, not_ours, bad } = read_items(context, &draft.purchase, items).await?;
    let fact = SubscriptionObserved {
        subscription: subscription.id.clone(),
        observed_at: context.delivery.occurred_at,
        status: subscription.status.clone(),
        items,
        swapped,
        not_ours,
        untold: is_update && subscription.previous_items.is_none(),
        checkout_session: None,
        customer_id: None,
        licensed: Vec::new(),
    };
    draft.learn(fact.into()).await?;
    if draft.issued() > 0 {
        draft.mail_what_was_not().await?;
    }
    let conclusion = if bad.is_empty() {
        Conclusion::Applied { summary: draft.summary(), warnings: Vec::new() }
    } else {
        Conclusion::Rejected(bad.join("; "))
    };
    Ok(draft.conclude(conclusion))
}

fn sides(items: &[SubscriptionItem]) -> Vec<Side<'_>> {
    items.iter().map(|item| Side { item: &item.id, product: item.product.as_deref(), metered: item.metered }).collect()
}

/// The items of a subscription, as far as they matter.
#[derive(Default)]
struct Items {
    items: Vec<ObservedItem>,
    not_ours: Vec<String>,
    bad: Vec<String>,
}

/// The items with their offers, as far as they matter: Stripe is asked only about a subscription that has
/// licences. For others the paid invoice will ask.
async fn read_items(context: &Context<'_>, purchase: &Purchase, items: &[SubscriptionItem]) -> Result<Items, Stop> {
    let mut read = Items::default();
    for item in items {
        let mut offer = None;
        if !purchase.licensed.is_empty() {
            let metadata = item.product_metadata.as_ref();
            match context.subscription_offer(purchase, item.product.as_deref(), metadata).await? {
                Found::NotOurs => read.not_ours.extend(item.product.clone()),
                Found::Offer(found, _) => offer = Some(found),
                Found::Bad(reasons) => read.bad.extend(reasons),
            }
        }
        read.items.push(ObservedItem {
            item: item.id.clone(),
            quantity: item.quantity,
            stripe_product: item.product.clone(),
            offer,
            metered: item.metered,
        });
    }
    Ok(read)
}
