//! Hooks are owed because of what is in the ledger, whoever computes it and in whatever batches.

use keyledger_events::event::license::{LicenseExpiringSoon, LicenseSuspended};
use keyledger_events::event::team::RemindersUpdated;
use keyledger_events::event::webhook::*;
use keyledger_events::id::StreamKind;
use keyledger_events::{NewEvent, StreamId, TeamId};
use uuid::Uuid;

use super::facts::*;
use super::home::Home;
use super::{TestResult, stories};
use crate::page::Page;
use crate::teams::Reminders;
use crate::view;
use crate::webhooks::{HookState, hook_id};

stories!(
    each_endpoint_is_owed_what_it_wants_from_its_place_in_the_ledger_on,
    a_hook_is_work_until_it_is_delivered_or_abandoned,
    an_endpoint_with_much_to_do_hides_none_with_little,
    a_rebuild_owes_the_same_hooks,
    reminders_are_due_between_their_lead_and_the_end,
);

fn registered(team: TeamId, endpoint: StreamId, types: &[&str]) -> NewEvent {
    let registered = WebhookEndpointRegistered {
        url: sealed(team, "url"),
        description: None,
        types: types.iter().map(|&kind| kind.to_owned()).collect(),
        include_keys: false,
        secret: sealed(team, "secret"),
    };
    event(endpoint, registered)
}

async fn kinds(home: &Home, team: TeamId, endpoint: StreamId) -> TestResult<Vec<String>> {
    let hooks = home.views.team(team).hooks(endpoint.id, &[], Page::default()).await?;
    Ok(hooks.into_iter().rev().map(|hook| hook.kind).collect())
}

async fn each_endpoint_is_owed_what_it_wants_from_its_place_in_the_ledger_on(home: &Home) -> TestResult {
    let (ours, theirs, runner) = (team(), team(), home.runner());
    let [early, late, foreign] = [(); 3].map(|()| stream(StreamKind::Webhook));
    let (license, other) = (stream(StreamKind::License), stream(StreamKind::License));
    let suspended = || event(license, LicenseSuspended { reason: None });
    // All in one batch: what is owed depends on the order within it.
    home.append(
        ours,
        vec![
            registered(ours, early, &["license.*"]),
            issued(ours, license, for_ever()),
            registered(ours, late, &["license.suspended"]),
            suspended(),
            event(early, WebhookEndpointDisabled { reason: "by hand".to_owned() }),
            suspended(),
            event(early, WebhookEndpointEnabled {}),
            event(late, WebhookEndpointRemoved {}),
            suspended(),
        ],
    )
    .await?;
    home.append(theirs, vec![registered(theirs, foreign, &[]), issued(theirs, other, for_ever())]).await?;
    home.catch_up(&runner).await?;
    assert_eq!(kinds(home, ours, early).await?, ["license.issued", "license.suspended", "license.suspended"]);
    assert_eq!(kinds(home, ours, late).await?, ["license.suspended", "license.suspended"]);
    assert_eq!(kinds(home, theirs, foreign).await?, ["license.issued"]);
    assert!(kinds(home, ours, foreign).await?.is_empty(), "another team's");
    let known: Vec<Uuid> = home.views.team(ours).webhooks().await?.into_iter().map(|it| it.id).collect();
    assert_eq!(known, [early.id]);
    assert!(home.views.team(ours).webhook(late.id).await?.is_none());
    let hooks = home.views.team(ours).hooks(early.id, &[HookState::Pending], Page::default()).await?;
    for hook in &hooks {
        assert_eq!((hook.id, hook.version), (hook_id(ours, early.id, hook.source.event_id), 0));
    }
    Ok(())
}

async fn a_hook_is_work_until_it_is_delivered_or_abandoned(home: &Home) -> TestResult {
    let (team, runner) = (team(), home.runner());
    let (endpoint, license) = (stream(StreamKind::Webhook), stream(StreamKind::License));
    home.append(team, vec![registered(team, endpoint, &[]), issued(team, license, for_ever())]).await?;
    home.catch_up(&runner).await?;
    let views = home.views.team(team);
    let hook = views.hooks(endpoint.id, &[], Page::default()).await?.pop().ok_or("no hook")?;
    let stream = StreamId::new(StreamKind::Hook, hook.id);
    let endpoint_id = endpoint.id;
    let work = async |seconds| {
        let waiting = home.views.endpoints_waiting(noon_and(seconds), Uuid::nil(), 10).await?;
        let pending = home.views.pending_hooks(endpoint_id, noon_and(seconds), 10).await?;
        assert_eq!(waiting.is_empty(), pending.is_empty());
        TestResult::Ok(pending.len())
    };
    assert_eq!(work(0).await?, 1);
    let started = |attempt, seconds| HookAttemptStarted {
        endpoint_id,
        source: hook.source.event_id,
        attempt,
        lease_until: noon_and(seconds),
    };
    home.append(team, vec![event(stream, started(1, 45))]).await?;
    home.catch_up(&runner).await?;
    assert_eq!((work(44).await?, work(45).await?), (0, 1), "a node has it, then that node died");
    let failed = |attempts, seconds| HookFailed {
        endpoint_id,
        reason: "no answer".to_owned(),
        status: None,
        response: None,
        attempts,
        retry_at: noon_and(seconds),
    };
    home.append(team, vec![event(stream, failed(1, 60))]).await?;
    home.catch_up(&runner).await?;
    assert_eq!((work(59).await?, work(60).await?), (0, 1));
    assert_eq!((work(-3_600).await?, work(-86_400).await?), (0, 1), "no pause is that long: a clock was set back");
    assert!(views.webhook(endpoint_id).await?.ok_or("no endpoint")?.failing_since.is_some());
    let delivered = HookDelivered { endpoint_id, status: 200, attempts: 2 };
    home.append(team, vec![event(stream, started(2, 100)), event(stream, delivered)]).await?;
    home.catch_up(&runner).await?;
    assert_eq!(work(1_000_000).await?, 0);
    let known = views.webhook(endpoint_id).await?.ok_or("no endpoint")?;
    assert!(known.failing_since.is_none() && known.last_delivered_at.is_some());

    home.append(team, vec![event(stream, HookRedeliveryRequested { endpoint_id })]).await?;
    home.catch_up(&runner).await?;
    assert_eq!(work(0).await?, 1);
    let asked = views.hook(hook.id).await?.ok_or("no hook")?;
    assert_eq!((asked.state, asked.attempts, asked.version), (HookState::Pending, 0, 5));
    let abandoned =
        HookAbandoned { endpoint_id, reason: "gone".to_owned(), status: Some(410), response: None, attempts: 1 };
    home.append(team, vec![event(stream, started(1, 0)), event(stream, abandoned)]).await?;
    home.catch_up(&runner).await?;
    assert_eq!(work(1_000_000).await?, 0);
    // A test is a hook of its own, with nothing behind it.
    let test = StreamId::new(StreamKind::Hook, Uuid::max());
    home.append(team, vec![event(test, HookTestRequested { endpoint_id })]).await?;
    home.catch_up(&runner).await?;
    let pending = home.views.pending_hooks(endpoint_id, noon_and(0), 10).await?;
    assert_eq!(
        pending.iter().map(|hook| (hook.id, hook.kind.as_str())).collect::<Vec<_>>(),
        [(test.id, "webhook.test")]
    );
    Ok(())
}

async fn an_endpoint_with_much_to_do_hides_none_with_little(home: &Home) -> TestResult {
    let (team, runner) = (team(), home.runner());
    let busy: Vec<StreamId> = (0..3).map(|_| stream(StreamKind::Webhook)).collect();
    let mut events: Vec<NewEvent> = busy.iter().map(|endpoint| registered(team, *endpoint, &[])).collect();
    events.extend((0..1_500).map(|_| issued(team, stream(StreamKind::License), for_ever())));
    let quiet = stream(StreamKind::Webhook);
    events.push(registered(team, quiet, &[]));
    events.push(issued(team, stream(StreamKind::License), for_ever()));
    home.append(team, events).await?;
    home.catch_up(&runner).await?;
    let waiting = home.views.endpoints_waiting(noon_and(0), Uuid::nil(), 100).await?;
    let mut all: Vec<Uuid> = busy.iter().chain([&quiet]).map(|endpoint| endpoint.id).collect();
    all.sort();
    assert_eq!(waiting, all);
    assert_eq!(home.views.endpoints_waiting(noon_and(0), Uuid::nil(), 2).await?, all[..2]);
    assert_eq!(home.views.endpoints_waiting(noon_and(0), all[1], 9).await?, all[2..]);
    let first: Vec<i64> =
        home.views.pending_hooks(busy[0].id, noon_and(0), 3).await?.iter().map(|hook| hook.source.position.0).collect();
    assert_eq!(first, [4, 5, 6], "in the order of their events");
    let page = Page { before: None, limit: Some(1_200) };
    assert_eq!(home.views.team(team).hooks(busy[1].id, &[], page).await?.len(), 1_200);
    Ok(())
}

async fn a_rebuild_owes_the_same_hooks(home: &Home) -> TestResult {
    let (team, runner) = (team(), home.runner());
    let (endpoint, license) = (stream(StreamKind::Webhook), stream(StreamKind::License));
    for n in 0..20 {
        // In batches of their own, as they come.
        let change = if n % 3 == 0 {
            event(endpoint, WebhookEndpointDisabled { reason: "by hand".to_owned() })
        } else {
            event(endpoint, WebhookEndpointEnabled {})
        };
        let first = if n == 0 {
            vec![registered(team, endpoint, &[]), issued(team, license, for_ever())]
        } else {
            vec![change, event(license, LicenseSuspended { reason: None })]
        };
        home.append(team, first).await?;
        home.catch_up(&runner).await?;
    }
    let verified = runner.verify(view::WEBHOOKS, |_| {}).await?;
    assert!(verified.matches(), "{verified:?}");
    assert_eq!(kinds(home, team, endpoint).await?.len(), 14);
    Ok(())
}

async fn reminders_are_due_between_their_lead_and_the_end(home: &Home) -> TestResult {
    const DAY: i64 = 86_400;
    let (ours, runner) = (team(), home.runner());
    let license = stream(StreamKind::License);
    let mut terms = for_ever();
    terms.offer.expiration_days = Some(30);
    home.append(ours, vec![team_registered(ours, "Acme"), issued(ours, license, terms)]).await?;
    home.catch_up(&runner).await?;
    assert_eq!(home.views.reminding_teams().await?, [(ours, Reminders { days: 7, mail: true })]);
    let due = async |day: i64, lead: i64| {
        let due = home.views.team(ours).due_reminders(noon_and(day * DAY), lead * DAY, 10).await?;
        TestResult::Ok(due.into_iter().map(|it| (it.license_id, it.expires_at)).collect::<Vec<_>>())
    };
    assert!(due(22, 7).await?.is_empty());
    for day in [23, 29] {
        assert_eq!(due(day, 7).await?, [(license.id, noon_and(30 * DAY))]);
    }
    assert!(due(30, 7).await?.is_empty(), "it is over");
    assert!(due(29, 30).await?.is_empty(), "it lasts no longer than the lead");
    assert!(home.views.team(team()).due_reminders(noon_and(29 * DAY), 7 * DAY, 10).await?.is_empty());
    let told = LicenseExpiringSoon { expires_at: noon_and(30 * DAY) };
    home.append(ours, vec![event(license, told)]).await?;
    let stream = StreamId::new(StreamKind::Team, ours.0);
    home.append(ours, vec![event(stream, RemindersUpdated { days: Some(0), mail: None })]).await?;
    home.catch_up(&runner).await?;
    assert!(due(29, 7).await?.is_empty(), "it was told");
    assert!(home.views.reminding_teams().await?.is_empty());
    Ok(())
}
