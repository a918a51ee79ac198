//! Members on both engines, and beside others who do the same at once.

use keyledger_events::event::member::{MemberRole, RevealedKind};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tower_sessions::SessionStore as _;
use tower_sessions::cookie::time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use uuid::Uuid;

use super::*;
use crate::activity::Sessions;
use crate::admin::{ACTOR_CLI, teams};
use crate::test_support::{DAY, Home, TestResult, noon_and, stories};

stories!(
    of_many_who_want_to_be_the_first_owner_one_is,
    who_is_invited_joins_once,
    two_owners_who_demote_each_other_leave_one,
    a_removed_member_is_nobody_and_may_come_back,
    a_password_is_changed_and_the_old_one_opens_nothing,
    a_code_works_once,
    looking_leaves_a_trace,
    sessions_are_listed_ended_and_expire,
);

const PASSWORD: &str = "correct horse battery";

async fn owner(home: &Home) -> TestResult<Uuid> {
    Ok(register_owner(&home.app, ACTOR_CLI, FirstTeam::Known(home.team), "Ada@example.test", PASSWORD).await?.1)
}

async fn member(home: &Home, email: &str, role: MemberRole) -> TestResult<Uuid> {
    let invitation = invite(&home.app, ACTOR_CLI, home.team, email, role).await?;
    Ok(join(&home.app, invitation.token.expose_secret(), PASSWORD).await?.1)
}

/// Guards: both find no member, both append.
async fn of_many_who_want_to_be_the_first_owner_one_is(home: Home) -> TestResult {
    let (other, _) = home.another().await?;
    assert!(!exist(&home.app).await?);
    let token = first_start_token(&home.app).await?;
    assert!(is_first_start_token(&other, token.expose_secret()).await?, "the same on every node");
    assert!(!is_first_start_token(&other, "").await? && !is_first_start_token(&other, "wrong").await?);
    let before = teams::list(&home.app).await?.len();
    let (one, two, three) = tokio::join!(
        register_owner(&home.app, ACTOR_CLI, FirstTeam::New("Acme"), "ada@example.test", PASSWORD),
        register_owner(&home.app, ACTOR_CLI, FirstTeam::New("Acme"), "ada@example.test", PASSWORD),
        register_owner(&other, ACTOR_CLI, FirstTeam::New("Eve's"), "eve@example.test", PASSWORD),
    );
    let owners = [one.is_ok(), two.is_ok(), three.is_ok()].iter().filter(|ok| **ok).count();
    assert_eq!(owners, 1, "{one:?} {two:?} {three:?}");
    assert!(exist(&home.app).await?);
    assert_eq!(teams::list(&home.app).await?.len(), before + 1, "a team comes with its owner, or not at all");
    assert!(owner(&home).await.is_err());
    Ok(())
}

/// Guards: two browsers with the same link, both before the other's append.
async fn who_is_invited_joins_once(home: Home) -> TestResult {
    owner(&home).await?;
    let first = invite(&home.app, ACTOR_CLI, home.team, "bo@example.test", MemberRole::Support).await?;
    let second = invite(&home.app, ACTOR_CLI, home.team, " Bo@Example.test", MemberRole::Auditor).await?;
    assert_eq!(first.member_id, second.member_id);
    assert!(invited(&home.app, first.token.expose_secret()).await?.is_none(), "the newer one counts");
    let token = second.token.expose_secret();
    assert!(matches!(join(&home.app, token, "too short").await, Err(AdminError::Invalid(_))));
    let (other, _) = home.another().await?;
    let (one, two) = tokio::join!(join(&home.app, token, PASSWORD), join(&other, token, "another horse battery"));
    assert_eq!([one.is_ok(), two.is_ok()].iter().filter(|ok| **ok).count(), 1, "{one:?} {two:?}");
    let member = find(&home.app, home.team, second.member_id).await?;
    assert_eq!((member.role, member.joined()), (MemberRole::Auditor, true));
    let again = invite(&home.app, ACTOR_CLI, home.team, "bo@example.test", MemberRole::Owner).await;
    assert!(matches!(again, Err(AdminError::Refused(_))), "{again:?}");

    let late = invite(&home.app, ACTOR_CLI, home.team, "cy@example.test", MemberRole::Admin).await?;
    home.clock.advance_seconds(i64::from(INVITATION_DAYS) * DAY);
    assert!(invited(&home.app, late.token.expose_secret()).await?.is_none());
    assert!(join(&home.app, late.token.expose_secret(), PASSWORD).await.is_err());
    Ok(())
}

/// Guards: each sees the other as an owner, each takes the role from the other.
async fn two_owners_who_demote_each_other_leave_one(home: Home) -> TestResult {
    let ada = owner(&home).await?;
    assert!(matches!(remove(&home.app, ACTOR_CLI, home.team, ada).await, Err(AdminError::Refused(_))));
    let bo = member(&home, "bo@example.test", MemberRole::Owner).await?;
    let (other, _) = home.another().await?;
    let (by_ada, by_bo) = (actor(ada), actor(bo));
    let (one, two) = tokio::join!(
        change_role(&home.app, &by_ada, home.team, bo, MemberRole::Support),
        remove(&other, &by_bo, home.team, ada),
    );
    assert_eq!([one.is_ok(), two.is_ok()].iter().filter(|ok| **ok).count(), 1, "{one:?} {two:?}");
    let owners = list(&home.app, home.team).await?.into_iter().filter(|member| member.role == MemberRole::Owner);
    assert_eq!(owners.count(), 1);
    Ok(())
}

async fn a_removed_member_is_nobody_and_may_come_back(home: Home) -> TestResult {
    owner(&home).await?;
    let first = invite(&home.app, ACTOR_CLI, home.team, "bo@example.test", MemberRole::Admin).await?;
    let invited = find(&home.app, home.team, first.member_id).await?;
    let bo = member(&home, "bo@example.test", MemberRole::Admin).await?;
    let known = find(&home.app, home.team, bo).await?;
    assert_eq!(email(&home.app, home.team, &known).await?.as_deref(), Some("bo@example.test"));
    remove(&home.app, ACTOR_CLI, home.team, bo).await?;
    assert!(memberships(&home.app, "bo@example.test", PASSWORD).await?.is_empty());
    assert!(find(&home.app, home.team, bo).await.is_err());
    assert_eq!(email(&home.app, home.team, &known).await?, None, "the key of the address is destroyed");
    assert_eq!(email(&home.app, home.team, &invited).await?, None, "and that of an earlier invitation");
    assert!(remove(&home.app, ACTOR_CLI, home.team, bo).await.is_err(), "once");
    assert_eq!(list(&home.app, home.team).await?.len(), 1);
    assert_eq!(member(&home, "bo@example.test", MemberRole::Auditor).await?, bo);
    let found = memberships(&home.app, "bo@example.test", PASSWORD).await?;
    assert_eq!(found.first().map(|(_, member)| member.role), Some(MemberRole::Auditor));
    Ok(())
}

async fn a_password_is_changed_and_the_old_one_opens_nothing(home: Home) -> TestResult {
    let ada = owner(&home).await?;
    let opens = async |password: &str| -> TestResult<bool> {
        Ok(!memberships(&home.app, "ADA@example.test ", password).await?.is_empty())
    };
    assert!(opens(PASSWORD).await? && !opens("wrong horse battery").await? && !opens("").await?);
    assert!(memberships(&home.app, "nobody@example.test", PASSWORD).await?.is_empty());
    let new = "staple horse battery";
    let sessions = home.app.activity.sessions(home.clock.clone());
    let (mut phone, mut laptop) = (signed_in(&home, ada, "phone")?, signed_in(&home, ada, "laptop")?);
    sessions.create(&mut phone).await?;
    sessions.create(&mut laptop).await?;
    let kept = Sessions::handle_of(&laptop.id);
    change_password(&home.app, &actor(ada), home.team, ada, new, Some(&kept)).await?;
    assert_eq!((sessions.load(&phone.id).await?, sessions.load(&laptop.id).await?), (None, Some(laptop)));
    assert!(!opens(PASSWORD).await? && opens(new).await?);
    assert!(check_password(&home.app, home.team, ada, new).await?);
    assert!(change_password(&home.app, &actor(ada), home.team, ada, "ada@example.test", None).await.is_err());
    Ok(())
}

/// What an authenticator app shows for the secret of the story.
fn code_at(second: i64) -> TestResult<String> {
    let secret = b"12345678901234567890".to_vec();
    let app = totp_rs::Builder::new().with_secret(secret).with_account_name("ada").build()?;
    Ok(app.generate(u64::try_from(second)?).to_string())
}

async fn a_code_works_once(home: Home) -> TestResult {
    let ada = owner(&home).await?;
    let (secret, code) = ("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", code_at(noon_and(0).as_second())?);
    assert!(enable_totp(&home.app, &actor(ada), home.team, ada, secret, "000000").await.is_err());
    enable_totp(&home.app, &actor(ada), home.team, ada, secret, &code).await?;
    let member = find(&home.app, home.team, ada).await?;
    assert!(!check_totp(&home.app, home.team, &member, &code).await?, "it was used to enable codes");
    home.clock.advance_seconds(60);
    let next = code_at(noon_and(60).as_second())?;
    let (other, _) = home.another().await?;
    let (one, two) =
        tokio::join!(check_totp(&home.app, home.team, &member, &next), check_totp(&other, home.team, &member, &next));
    assert_eq!([one?, two?].iter().filter(|ok| **ok).count(), 1);
    assert!(!check_totp(&home.app, home.team, &member, &next).await?);
    assert!(disable_totp(&home.app, &actor(ada), home.team, ada).await?);
    assert!(!disable_totp(&home.app, &actor(ada), home.team, ada).await?);
    Ok(())
}

async fn looking_leaves_a_trace(home: Home) -> TestResult {
    let (ada, license) = (owner(&home).await?, Uuid::from_u128(7));
    reveal(&home.app, &actor(ada), home.team, ada, RevealedKind::LicenseKey, license).await?;
    let events = home.history(stream(ada)).await?;
    let (last, _) = events.last().ok_or("no event")?;
    assert_eq!((last.event_type.as_str(), last.provenance.actor.as_str()), ("DataRevealed", actor(ada).as_str()));
    assert_eq!(find(&home.app, home.team, ada).await?.version, 2);
    Ok(())
}

/// A browser that a member is signed in on for a day, before it is kept.
fn signed_in(home: &Home, member_id: Uuid, agent: &str) -> TestResult<Record> {
    let owner = json!({ "team": home.team, "id": member_id });
    let data = [("member", owner), ("agent", json!(agent))].map(|(name, value)| (name.to_owned(), value)).into();
    let ends = OffsetDateTime::from_unix_timestamp(noon_and(DAY).as_second())?;
    Ok(Record { id: Id(1), data, expiry_date: ends })
}

async fn sessions_are_listed_ended_and_expire(home: Home) -> TestResult {
    let sessions = home.app.activity.sessions(home.clock.clone());
    let (team, ada) = (home.team, Uuid::from_u128(7));
    let (mut phone, mut laptop) = (signed_in(&home, ada, "phone")?, signed_in(&home, ada, "laptop")?);
    sessions.create(&mut phone).await?;
    assert_ne!(phone.id, Id(1), "a new session has a new id");
    sessions.create(&mut laptop).await?;
    laptop.data.insert("x".to_owned(), json!(-1));
    sessions.save(&laptop).await?;
    assert_eq!(sessions.load(&phone.id).await?, Some(phone.clone()));
    assert_eq!(sessions.load(&laptop.id).await?, Some(laptop.clone()));
    assert_eq!(sessions.load(&Id(1)).await?, None);
    home.clock.advance_seconds(90);
    sessions.load(&laptop.id).await?;
    let agents = async || -> TestResult<Vec<String>> {
        let listed = sessions.of_member(team, ada).await?;
        Ok(listed.into_iter().filter_map(|session| session.agent).collect())
    };
    assert_eq!(agents().await?, ["laptop", "phone"], "the latest seen first");
    assert!(!sessions.end(team, Uuid::from_u128(8), &Sessions::handle_of(&phone.id)).await?, "another member's");
    assert!(sessions.end(team, ada, &Sessions::handle_of(&phone.id)).await?);
    assert_eq!(sessions.load(&phone.id).await?, None);
    // A request of it that was under way when it was ended.
    sessions.save(&phone).await?;
    assert_eq!(sessions.load(&phone.id).await?, None, "an ended session stays ended");
    sessions.create(&mut phone).await?;
    assert_eq!(sessions.end_all_of(team, ada, Some(&Sessions::handle_of(&laptop.id))).await?, 1);
    assert_eq!(agents().await?, ["laptop"]);
    home.clock.advance_seconds(DAY);
    assert_eq!(sessions.load(&laptop.id).await?, None);
    assert_eq!(sessions.purge().await?, 1);
    Ok(())
}
