//! What each view answers.

use keyledger_events::event::customer::CustomerRegistered;
use keyledger_events::event::inbox::{Origin, Provider};
use keyledger_events::event::integration::*;
use keyledger_events::event::license::{LicenseReinstated, LicenseRevoked, LicenseSuspended};
use keyledger_events::event::team::{ApiKeyCreated, ApiKeyScope, TeamUpdated};
use keyledger_events::id::StreamKind;
use keyledger_events::{Position, StreamId, TeamId, id};

use keyledger_events::event::license::Terms;

use super::facts::*;
use super::faults::product;
use super::home::Home;
use super::{TestResult, stories};
use crate::licenses::LicenseFilter;
use crate::page::Page;

stories!(
    a_team_gathers_its_settings_connections_and_keys,
    products_and_customers_are_known_to_their_team_only,
    a_licence_is_found_by_id_key_purchase_and_buyer,
    a_placeholder_names_the_latest_licence_that_is_not_revoked,
    long_lists_come_whole_and_newest_first,
);

fn secret(team: TeamId, kind: SecretKind, hint: &str) -> SecretAdded {
    SecretAdded {
        provider: Provider::Stripe,
        secret_id: id::fresh(),
        kind,
        livemode: Some(true),
        hint: hint.to_owned(),
        fingerprint: format!("fingerprint of {hint}"),
        value: sealed(team, "value"),
    }
}

async fn a_team_gathers_its_settings_connections_and_keys(home: &Home) -> TestResult {
    let (team, runner) = (team(), home.runner());
    let own = StreamId::new(StreamKind::Team, team.0);
    let stripe = stream(StreamKind::Integration);
    home.append(team, vec![team_registered(team, "Acme")]).await?;
    home.catch_up(&runner).await?;
    let fresh = home.views.team(team).config().await?.ok_or("no team")?;
    assert_eq!((fresh.name.as_str(), fresh.renewal_grace_seconds, fresh.version), ("Acme", 10_800, 1));
    assert!(fresh.integration(Provider::Stripe).is_none());

    let (old, new) = (secret(team, SecretKind::Webhook, "old"), secret(team, SecretKind::Webhook, "new"));
    let update = TeamUpdated {
        mail_message: Some("Hello".to_owned()),
        renewal_grace_seconds: Some(60),
        ..TeamUpdated::default()
    };
    let api_key = ApiKeyCreated {
        key_id: id::fresh(),
        scope: ApiKeyScope::Auditor,
        sha256: "ab".repeat(32),
        expires_at: None,
        name: None,
    };
    let retired = SecretRetired { provider: Provider::Stripe, secret_id: old.secret_id };
    home.append(
        team,
        vec![
            event(own, update),
            event(own, api_key.clone()),
            event(stripe, old),
            event(stripe, new.clone()),
            event(stripe, secret(team, SecretKind::ApiKey, "rk")),
            event(stripe, retired),
            event(stripe, IntegrationEnabled { provider: Provider::Stripe }),
            event(
                stripe,
                IntegrationUpdated { provider: Provider::Stripe, api_base: Some("http://stripe".to_owned()) },
            ),
        ],
    )
    .await?;
    home.catch_up(&runner).await?;
    let config = home.views.team(team).config().await?.ok_or("no team")?;
    assert_eq!((config.mail_message.as_deref(), config.renewal_grace_seconds), (Some("Hello"), 60));
    assert_eq!((config.name.as_str(), config.version), ("Acme", 3));
    assert_eq!(config.api_keys.first().map(|key| (key.key_id, key.scope)), Some((api_key.key_id, api_key.scope)));
    let integration = config.integration(Provider::Stripe).ok_or("no integration")?;
    assert!(integration.enabled);
    assert_eq!((integration.stream, integration.version), (stripe, 6));
    assert_eq!(integration.api_base.as_deref(), Some("http://stripe"));
    let in_force: Vec<_> =
        integration.secrets_in_force(SecretKind::Webhook).map(|s| (s.secret_id, &s.value.value)).collect();
    assert_eq!(in_force, [(new.secret_id, &new.value)], "the retired secret is not in force");
    assert_eq!(integration.secrets.len(), 3, "but it is still shown");

    home.append(team, vec![event(stripe, IntegrationDisabled { provider: Provider::Stripe })]).await?;
    home.catch_up(&runner).await?;
    let config = home.views.team(team).config().await?.ok_or("no team")?;
    assert_eq!(config.integration(Provider::Stripe).map(|stripe| stripe.enabled), Some(false));
    assert_eq!(home.views.teams().await?, [config]);
    Ok(())
}

async fn products_and_customers_are_known_to_their_team_only(home: &Home) -> TestResult {
    let (team, other, runner) = (team(), team(), home.runner());
    let (first, second) = (product("first"), product("second"));
    let ids = [first.stream.id, second.stream.id, id::fresh()];
    let customer = stream(StreamKind::Customer);
    let registered = CustomerRegistered {
        provider: Origin::Stripe,
        provider_customer: Some("cus_1\0".to_owned()),
        email_lookup: Some("lookup".to_owned()),
        email: Some(sealed(team, "email")),
        name: None,
    };
    let registered_event = event(customer, registered.clone());
    let event_id = registered_event.event_id;
    home.append(team, vec![first, second, registered_event]).await?;
    home.catch_up(&runner).await?;
    let views = home.views.team(team);
    let names: Vec<_> = views.products().await?.into_iter().map(|product| product.name).collect();
    assert_eq!(names, ["first", "second"]);
    assert_eq!(views.product(ids[0]).await?.map(|product| product.name).as_deref(), Some("first"));
    assert_eq!(views.existing_products(&ids).await?, ids[..2].iter().copied().collect());
    let known = views.customer(customer.id).await?.ok_or("no customer")?;
    assert_eq!(known.provider_customer, registered.provider_customer);
    assert_eq!(known.email.map(|email| (Some(email.value), email.event_id)), Some((registered.email, event_id)));
    assert_eq!(views.customers(&[customer.id, id::fresh()]).await?.len(), 1);

    let elsewhere = home.views.team(other);
    assert!(elsewhere.products().await?.is_empty());
    assert!(elsewhere.product(ids[0]).await?.is_none());
    assert!(elsewhere.existing_products(&ids).await?.is_empty());
    assert!(elsewhere.customer(customer.id).await?.is_none());
    assert!(elsewhere.config().await?.is_none());
    Ok(())
}

async fn a_licence_is_found_by_id_key_purchase_and_buyer(home: &Home) -> TestResult {
    let (team, other, runner) = (team(), team(), home.runner());
    let (purchase, buyer) = (stream(StreamKind::Purchase), id::fresh());
    let [one, two, three] = [(); 3].map(|()| stream(StreamKind::License));
    let issue = |license| issued_with(team, license, for_ever(), purchase, Some(buyer));
    home.append(team, vec![issue(one), issue(two), issued(team, three, for_ever())]).await?;
    home.append(team, vec![event(one, LicenseSuspended { reason: None })]).await?;
    home.catch_up(&runner).await?;
    let views = home.views.team(team);
    let license = views.license(one.id).await?.ok_or("no licence")?;
    assert!(license.suspended());
    assert_eq!((license.version, license.created_position), (2, Position(1)));
    assert_eq!(views.license_by_key(&key_lookup(two)).await?, Some(two.id));
    assert_eq!(views.license_by_key("unknown").await?, None);
    assert_eq!(views.licenses_by_ids(&[one.id, three.id, id::fresh()]).await?.len(), 2);

    let listed = async |filter: LicenseFilter, page: Page| {
        let licenses = views.licenses(&filter, page).await?;
        TestResult::Ok(licenses.into_iter().map(|license| license.id).collect::<Vec<_>>())
    };
    let all = LicenseFilter::default();
    assert_eq!(listed(all.clone(), Page::default()).await?, [three.id, two.id, one.id]);
    assert_eq!(listed(all.clone(), Page { limit: Some(1), before: Some(Position(3)) }).await?, [two.id]);
    assert_eq!(listed(all.clone(), Page { limit: Some(0), before: None }).await?, [] as [uuid::Uuid; 0]);
    let of_purchase = LicenseFilter { purchase: Some(purchase), ..all.clone() };
    assert_eq!(listed(of_purchase, Page::default()).await?, [two.id, one.id]);
    let of_buyer = LicenseFilter { customer_ids: vec![buyer], provider: Some(Origin::Stripe), ..all.clone() };
    assert_eq!(listed(of_buyer, Page::default()).await?, [two.id, one.id]);
    let of_polymart = LicenseFilter { provider: Some(Origin::Polymart), ..all.clone() };
    assert!(listed(of_polymart, Page::default()).await?.is_empty());

    home.append(team, vec![event(one, LicenseReinstated { reason: None })]).await?;
    home.catch_up(&runner).await?;
    assert_eq!(views.license(one.id).await?.map(|license| license.suspended()), Some(false));
    let elsewhere = home.views.team(other);
    assert!(elsewhere.license(one.id).await?.is_none());
    assert!(elsewhere.license_by_key(&key_lookup(one)).await?.is_none());
    assert!(elsewhere.licenses(&all, Page::default()).await?.is_empty());
    Ok(())
}

async fn a_placeholder_names_the_latest_licence_that_is_not_revoked(home: &Home) -> TestResult {
    let (team, other, runner) = (team(), team(), home.runner());
    let [old, new, stripe] = [(); 3].map(|()| stream(StreamKind::License));
    home.append(team, vec![issued(team, old, of_polymart("12", "34")), issued(team, stripe, for_ever())]).await?;
    home.append(team, vec![issued(team, new, of_polymart("12", "34"))]).await?;
    home.catch_up(&runner).await?;
    let views = home.views.team(team);
    let named = async |user: &str| TestResult::Ok(views.placeholder_license("12", user).await?);
    assert_eq!(named("34").await?, Some(new.id));
    assert_eq!(named("35").await?, None);
    assert!(home.views.team(other).placeholder_license("12", "34").await?.is_none());

    let removed = LicenseRevoked { reason: None, terms: Some(Terms { revoked: true, ..of_polymart("12", "34") }) };
    home.append(team, vec![event(new, removed)]).await?;
    home.catch_up(&runner).await?;
    assert_eq!(named("34").await?, Some(old.id), "the older one is still good");
    home.append(team, vec![event(old, LicenseRevoked { reason: None, terms: None })]).await?;
    home.catch_up(&runner).await?;
    assert_eq!(named("34").await?, None);
    Ok(())
}

async fn long_lists_come_whole_and_newest_first(home: &Home) -> TestResult {
    let (team, runner) = (team(), home.runner());
    let licenses: Vec<_> = (0..2_001).map(|_| stream(StreamKind::License)).collect();
    let purchase = stream(StreamKind::Purchase);
    let events = licenses.iter().map(|license| issued_with(team, *license, for_ever(), purchase, None)).collect();
    home.append(team, events).await?;
    home.catch_up(&runner).await?;
    let views = home.views.team(team);
    let listed = views.licenses(&LicenseFilter::default(), Page::default()).await?;
    assert!(listed.iter().map(|license| license.id).eq(licenses.iter().rev().map(|stream| stream.id)));
    let some = views.licenses(&LicenseFilter::default(), Page { before: None, limit: Some(1_500) }).await?;
    assert_eq!(some, listed[..1_500]);
    Ok(())
}
