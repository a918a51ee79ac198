//! What a licence was sold as: Lukittu notes a provider's ids beside it.

use std::collections::BTreeMap;

use keyledger_events::event::inbox::{Origin, Provider};
use keyledger_events::event::metadata::MetadataEntry;
use keyledger_events::{StreamId, TeamId};

use crate::licensing::purchase::{polymart_stream, stripe_stream};

/// What a licence was sold as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sale {
    /// A Stripe subscription.
    Subscription(String),
    /// A Stripe checkout session.
    Checkout(String),
    /// Polymart's product and user.
    Polymart {
        /// The product.
        product: String,
        /// The user.
        user: String,
    },
}

impl Sale {
    /// What a licence's notes say; `None` for one that was made by hand or sold elsewhere.
    pub(super) fn of(notes: &[MetadataEntry]) -> Option<Self> {
        let value = |name: &str| notes.iter().find(|note| note.key == name).map(|note| note.value.clone());
        let stripe = || value("STRIPE_SUB").map(Self::Subscription).or_else(|| value("STRIPE_CS").map(Self::Checkout));
        let polymart = || {
            let (product, user) = (value("POLYMART_PRODUCT_ID")?, value("POLYMART_USER_ID")?);
            // The two stand in one text, with a bar between them.
            (!product.contains('/')).then_some(Self::Polymart { product, user })
        };
        stripe().or_else(polymart)
    }

    /// Who sold it.
    pub(super) fn provider(&self) -> Provider {
        match self {
            Self::Subscription(_) | Self::Checkout(_) => Provider::Stripe,
            Self::Polymart { .. } => Provider::Polymart,
        }
    }

    /// The purchase's stream, which further facts of the provider go to.
    pub(super) fn stream(&self, team: TeamId) -> StreamId {
        match self {
            Self::Subscription(id) | Self::Checkout(id) => stripe_stream(team, id),
            Self::Polymart { product, user } => polymart_stream(team, product, user),
        }
    }

    /// What the purchase is called in its facts.
    pub(super) fn reference(&self) -> String {
        match self {
            Self::Subscription(id) | Self::Checkout(id) => id.clone(),
            Self::Polymart { product, user } => format!("{product}/{user}"),
        }
    }

    /// The provider's ids, as licences name them.
    pub(super) fn references(&self) -> BTreeMap<String, String> {
        let named = |pairs: &[(&str, &String)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).clone())).collect();
        match self {
            Self::Subscription(id) => named(&[("stripeSubscription", id)]),
            Self::Checkout(id) => named(&[("stripeCheckoutSession", id)]),
            Self::Polymart { product, user } => named(&[("polymartProduct", product), ("polymartUser", user)]),
        }
    }
}

/// Where a licence comes from.
pub(super) fn origin(sale: Option<&Sale>) -> Origin {
    sale.map_or(Origin::Manual, |sale| sale.provider().into())
}
