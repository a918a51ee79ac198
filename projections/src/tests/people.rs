//! What views tell of people who were forgotten, and of the keys that teams signed with before.

use keyledger_events::event::customer::{CustomerForgotten, CustomerRegistered, CustomerUpdated};
use keyledger_events::event::inbox::Origin;
use keyledger_events::event::team::SigningKeyRotated;
use keyledger_events::id::StreamKind;
use keyledger_events::{StreamId, TeamId};

use super::facts::{event, mail_requested, sealed, stream, team, team_registered};
use super::home::Home;
use super::{TestResult, stories};

stories!(a_forgotten_customer_is_known_by_nothing, a_team_shows_every_key_that_it_signed_with);

const LOOKUP: &str = "fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13";

fn registered(team: TeamId, email_lookup: &str) -> CustomerRegistered {
    CustomerRegistered {
        provider: Origin::Stripe,
        provider_customer: Some("cus_1".to_owned()),
        email_lookup: Some(email_lookup.to_owned()),
        email: Some(sealed(team, "email")),
        name: Some(sealed(team, "name")),
    }
}

async fn a_forgotten_customer_is_known_by_nothing(home: &Home) -> TestResult {
    let (team, runner, customer) = (team(), home.runner(), stream(StreamKind::Customer));
    let update = CustomerUpdated {
        email_lookup: Some(LOOKUP.to_owned()),
        username: Some(sealed(team, "username")),
        address: Some(sealed(team, "address")),
        ..CustomerUpdated::default()
    };
    home.append(team, vec![team_registered(team, "Acme"), event(customer, registered(team, LOOKUP))]).await?;
    home.append(team, vec![event(customer, update)]).await?;
    home.append(team, vec![mail_requested(team, stream(StreamKind::Delivery), stream(StreamKind::Purchase))]).await?;
    home.catch_up(&runner).await?;
    let views = home.views.team(team);
    for (lookup, at_provider) in [(Some(LOOKUP), None), (None, Some("cus_1"))] {
        let named = views.customers_named(lookup, at_provider, 10).await?;
        assert_eq!(named.iter().map(|customer| customer.id).collect::<Vec<_>>(), [customer.id]);
    }
    assert_eq!(views.deliveries_to(uuid::Uuid::nil()).await?.len(), 1);

    home.append(team, vec![event(customer, CustomerForgotten { key_ids: vec![customer.id] })]).await?;
    home.catch_up(&runner).await?;
    assert!(views.customer(customer.id).await?.is_none() && views.count_customers(None).await? == 0);
    assert!(views.customers_named(Some(LOOKUP), Some("cus_1"), 10).await?.is_empty());
    let left = views.customers(&[customer.id]).await?.pop().ok_or("the entry is gone")?;
    assert!(left.forgotten && left.removed && left.key_id().is_none());
    assert_eq!((left.email_lookup, left.provider_customer), (None, None));

    // Somebody who comes back is somebody new.
    home.append(team, vec![event(customer, registered(team, LOOKUP))]).await?;
    home.catch_up(&runner).await?;
    let back = views.customer(customer.id).await?.ok_or("they did not come back")?;
    assert!(!back.forgotten && back.address.is_none() && back.email.is_some());
    assert_eq!(back.email_lookup.as_deref(), Some(LOOKUP));
    Ok(())
}

async fn a_team_shows_every_key_that_it_signed_with(home: &Home) -> TestResult {
    let (team, runner) = (team(), home.runner());
    let own = StreamId::new(StreamKind::Team, team.0);
    home.append(team, vec![team_registered(team, "Acme")]).await?;
    for public_key in ["second", "third"] {
        let private_key = sealed(team, "private_key");
        home.append(team, vec![event(own, SigningKeyRotated { public_key: public_key.to_owned(), private_key })])
            .await?;
    }
    home.catch_up(&runner).await?;
    let config = home.views.team(team).config().await?.ok_or("no team")?;
    let earlier: Vec<&str> = config.earlier_keys.iter().map(|key| key.public_key.as_str()).collect();
    assert_eq!((earlier, config.public_key.as_str()), (vec!["LS0t", "second"], "third"));
    assert_eq!(config.earlier_keys[0].until, config.earlier_keys[1].from);
    assert_eq!((config.earlier_keys[1].until, config.version), (config.key_since, 3));
    Ok(())
}
