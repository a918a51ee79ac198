//! Who gets in, who may do what, and what strangers try.

use std::collections::BTreeSet;

use futures::future::try_join_all;
use serde_json::{Value, json};

use crate::support::client::device;
use crate::support::visitor::{Form, PASSWORD, Visitor, check_headers};
use crate::support::{Backend, Error, TestApp, TestResult, eventually, on_both_stores};

on_both_stores!(
    an_auditor_changes_nothing_on_any_route,
    an_auditor_does_not_see_who_uses_a_licence,
    a_form_from_elsewhere_or_without_its_token_changes_nothing,
    a_session_that_somebody_else_planted_is_worth_nothing,
    signing_in_is_limited_and_says_nothing_about_who_there_is,
    a_removed_member_is_out_at_once,
    a_changed_password_ends_every_other_sign_in_in_every_browser,
    the_first_start_belongs_to_who_has_the_link,
    a_first_start_that_is_sent_twice_makes_one_team,
    the_only_owner_who_lost_the_password_is_invited_anew,
    an_answer_to_a_form_is_not_asked_for_by_its_address,
);

/// Every page of a team's that links lead to, and the forms on them.
async fn crawled(visitor: &mut Visitor, team: &str) -> Result<(BTreeSet<String>, BTreeSet<Form>), Error> {
    let root = format!("/teams/{team}/");
    let (mut seen, mut left, mut forms) = (BTreeSet::new(), vec![root.clone()], BTreeSet::new());
    while let Some(path) = left.pop() {
        let ours = path.starts_with(&root) && !path.contains("/export") && !path.contains("/checkpoints/");
        if !ours || seen.len() > 200 || !seen.insert(path.clone()) {
            continue;
        }
        let page = visitor.get(&path).await?;
        assert!([200, 303].contains(&page.status), "{path}: {}", page.status);
        check_headers(&page)?;
        left.extend(page.links());
        forms.extend(page.forms());
    }
    Ok((seen, forms))
}

/// A ledger with something of everything.
async fn furnished(backend: Backend) -> Result<TestApp, Error> {
    let app = TestApp::with_polymart(backend).await?;
    app.sell("hwidLimit=2").await?;
    app.server.cli(&["apikey", "create", "--team", &app.team, "--scope", "developer", "--json"]).await?;
    let url = "https://hooks.example.com/keyledger";
    app.server.cli(&["webhook", "create", "--team", &app.team, "--url", url, "--json"]).await?;
    app.server.cli(&["blacklist", "add", "--team", &app.team, "--country", "NE", "--json"]).await?;
    Ok(app)
}

/// What concerns nobody but oneself, or changes nothing.
fn is_own(action: &str) -> bool {
    action == "/sign-out"
        || action.contains("/account/")
        || action.ends_with("/audit/verification")
        || action.ends_with("/explain")
}

async fn an_auditor_changes_nothing_on_any_route(backend: Backend) -> TestResult {
    let app = furnished(backend).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let (_, forms) = crawled(&mut owner, &app.team).await?;
    let mut auditor = Visitor::member(&app.server, &app.team, "auditor").await?;
    let (pages, own) = crawled(&mut auditor, &app.team).await?;
    assert!(pages.len() >= 16, "{pages:?}");
    for form in &own {
        assert!(is_own(&form.action), "an auditor is shown {form:?}");
    }
    let csrf = auditor.get(&format!("/teams/{}/", app.team)).await?.csrf();
    let before = app.events().await?.len();
    let actions: BTreeSet<_> = forms.into_iter().filter(|form| !is_own(&form.action)).collect();
    let kinds: BTreeSet<_> = actions.iter().map(|form| form.action.rsplit('/').next().unwrap_or_default()).collect();
    assert!(kinds.len() >= 20, "only these forms were found: {kinds:?}");
    for form in &actions {
        let mut fields = vec![("csrf", csrf.as_str()), ("confirm-password", PASSWORD)];
        let others = form.fields.iter().filter(|(name, _)| name != "csrf");
        fields.extend(others.map(|(name, value)| (name.as_str(), value.as_str())));
        let answer = auditor.send(&form.action, &fields).await?;
        assert_eq!(answer.status, 403, "{}", form.action);
    }
    assert_eq!(app.events().await?.len(), before);
    Ok(())
}

async fn an_auditor_does_not_see_who_uses_a_licence(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let (license, key) = app.sell("hwidLimit=2&ipLimit=2").await?;
    let device = device();
    assert_eq!(app.verify_from(&key, &device).await?.said(), (200, "VALID"));
    let page = format!("/teams/{}/licenses/{license}", app.team);
    let mut auditor = Visitor::member(&app.server, &app.team, "auditor").await?;
    let mut support = Visitor::member(&app.server, &app.team, "support").await?;
    let (shut, open) = (auditor.get(&page).await?.text, support.get(&page).await?.text);
    assert!(!shut.contains(&device) && !shut.contains("<code>127.0.0.1</code>"), "{shut}");
    assert_eq!(shut.matches("<code>sealed</code>").count(), 2, "{shut}");
    assert!(open.contains(&device) && open.contains("<code>127.0.0.1</code>"), "{open}");

    // Nor is it to be learnt by asking whether it is one that is known already.
    let root = format!("/teams/{}", app.team);
    let answered = eventually("the request is in the log", async || {
        let all = support.get(&format!("{root}/requests?device={device}")).await?.text;
        Ok(all.contains("<table").then_some(all))
    });
    assert!(answered.await?.contains(&device));
    for query in [format!("device={device}"), "device=another-device".to_owned(), "address=192.0.2.1".to_owned()] {
        let shown = auditor.get(&format!("{root}/requests?{query}")).await?.text;
        assert!(shown.contains("VALID") && !shown.contains("name=\"device\""), "{query}: {shown}");
    }
    let explain = format!("{page}/explain");
    let (known, guessed) = ([("device", device.as_str())], [("device", "another-device")]);
    let told = auditor.submit(&page, &explain, &known).await?.text;
    assert!(told.contains("What a verification is answered") && !told.contains("has a seat"), "{told}");
    let steps = |text: &str| {
        text.split("id=\"explanation\"").nth(1).and_then(|rest| rest.split("</table>").next().map(str::to_owned))
    };
    assert_eq!(steps(&told), steps(&auditor.submit(&page, &explain, &guessed).await?.text));
    assert!(support.submit(&page, &explain, &known).await?.text.contains("has a seat"));

    let customer = json!({ "email": "grace@example.test", "fullName": "Grace" });
    let customer = app.program("developer").await?.post("/customers", &customer).await?.id()?;
    let by_mail = format!("{root}/customers?q=grace@example.test");
    assert_eq!(support.get(&by_mail).await?.to, format!("{root}/customers/{customer}"));
    let shown = auditor.get(&by_mail).await?;
    assert!(shown.status == 200 && !shown.text.contains(&customer), "{}", shown.text);
    assert_eq!(
        auditor.get(&format!("{root}/customers?q={customer}")).await?.status,
        303,
        "by an id that they were given"
    );
    Ok(())
}

async fn a_form_from_elsewhere_or_without_its_token_changes_nothing(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let path = format!("/teams/{}/products", app.team);
    let csrf = owner.get(&path).await?.csrf();
    assert!(csrf.len() >= 40, "{csrf}");
    let before = app.events().await?.len();
    let good = [("csrf", csrf.as_str()), ("name", "Trojan")];
    for site in ["cross-site", "same-site", "none"] {
        assert_eq!(owner.send_from(&path, &good, Some(site)).await?.status, 403, "{site}");
    }
    for bad in [vec![("name", "Trojan")], vec![("csrf", ""), ("name", "Trojan")], vec![("csrf", "x"), ("name", "T")]] {
        assert_eq!(owner.send(&path, &bad).await?.status, 403, "{bad:?}");
    }
    // Somebody else's token is not one's own.
    let mut support = Visitor::member(&app.server, &app.team, "admin").await?;
    let theirs = support.get(&path).await?.csrf();
    let events = app.events().await?.len();
    assert_eq!(owner.send(&path, &[("csrf", &theirs), ("name", "Trojan")]).await?.status, 403);
    assert_eq!(app.events().await?.len(), events);
    assert_eq!(events, before + 2, "the invitation and the joining");
    assert_eq!(owner.send(&path, &good).await?.status, 303);
    Ok(())
}

/// Guards: an attacker knows the id before the victim signs in with it.
async fn a_session_that_somebody_else_planted_is_worth_nothing(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let root = format!("/teams/{}/", app.team);
    let sign_in = [("email", "ada@example.test"), ("password", PASSWORD), ("next", root.as_str())];

    let mut victim = Visitor::new(&app.server)?;
    victim.cookie = Some("__Host-keyledger=AAAAAAAAAAAAAAAAAAAAAA".to_owned());
    let planted = victim.cookie.clone();
    assert_eq!(victim.send("/sign-in", &sign_in).await?.to, root);
    assert!(victim.cookie.is_some() && victim.cookie != planted, "the id is a new one");
    let mut attacker = Visitor::new(&app.server)?;
    attacker.cookie = planted;
    assert!(attacker.get(&root).await?.to.starts_with("/sign-in"));

    // Nor does a real session of the attacker's become the victim's.
    let mut mallory = Visitor::member(&app.server, &app.team, "auditor").await?;
    let before = mallory.cookie.clone();
    assert_eq!(mallory.send("/sign-in", &sign_in).await?.status, 303);
    assert_ne!(mallory.cookie, before);
    attacker.cookie = before;
    assert!(attacker.get(&root).await?.to.starts_with("/sign-in"), "the old session is gone");

    // Signing out ends it on the server, not only in the browser.
    let kept = owner.cookie.clone();
    let csrf = owner.get(&root).await?.csrf();
    assert_eq!(owner.send("/sign-out", &[("csrf", &csrf)]).await?.to, "/sign-in");
    owner.cookie = kept;
    assert!(owner.get(&root).await?.to.starts_with("/sign-in"));
    Ok(())
}

async fn signing_in_is_limited_and_says_nothing_about_who_there_is(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    Visitor::owner(&app.server, &app.team).await?;
    let mut stranger = Visitor::new(&app.server)?;
    let mut said = Vec::new();
    for email in ["ada@example.test", "nobody@example.test"] {
        let page = stranger.send("/sign-in", &[("email", email), ("password", "wrong horse battery")]).await?;
        assert_eq!(page.status, 422);
        said.push(page.text.replace(email, "EMAIL"));
    }
    assert_eq!(said[0], said[1]);
    let mut last = 0;
    for _ in 0..12 {
        let wrong = [("email", "ada@example.test"), ("password", "wrong horse battery")];
        last = stranger.send("/sign-in", &wrong).await?.status;
    }
    assert_eq!(last, 429);
    let right = [("email", "ada@example.test"), ("password", PASSWORD)];
    assert_eq!(stranger.send("/sign-in", &right).await?.status, 429, "whoever asks");
    let elsewhere = Visitor::new(&app.server)?.get("/sign-in?next=//evil.example").await?;
    assert!(elsewhere.text.contains("name=\"next\" value=\"/\""), "{}", elsewhere.text);
    Ok(())
}

async fn a_removed_member_is_out_at_once(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let mut admin = Visitor::member(&app.server, &app.team, "admin").await?;
    let page = format!("/teams/{}/members", app.team);
    assert_eq!(admin.get(&page).await?.status, 200);
    let members = app.server.cli(&["member", "list", "--team", &app.team, "--json"]).await?;
    let of = |role: &str| {
        let all = members.as_array().into_iter().flatten();
        let found = all.into_iter().find(|member| member["role"] == role);
        found.and_then(|member| member["id"].as_str()).unwrap_or_default().to_owned()
    };
    let (ada, admin_id) = (of("owner"), of("admin"));
    // An admin does not look after members, and the last owner stays.
    assert_eq!(admin.submit(&page, &format!("{page}/{ada}/remove"), &[]).await?.status, 403);
    assert_eq!(owner.submit(&page, &format!("{page}/{ada}/remove"), &[]).await?.to, page);
    assert!(owner.get(&page).await?.text.contains("role=\"alert\""), "and the page says why");
    let demoted = owner.submit(&page, &format!("{page}/{admin_id}/role"), &[("role", "auditor")]).await?;
    assert_eq!(demoted.status, 303);
    let products = format!("/teams/{}/products", app.team);
    assert_eq!(admin.submit(&products, &products, &[("name", "Trojan")]).await?.status, 403);
    assert_eq!(owner.submit(&page, &format!("{page}/{admin_id}/remove"), &[]).await?.status, 303);
    assert!(admin.get(&page).await?.to.starts_with("/sign-in"));
    let gone = [("email", "admin@example.test"), ("password", PASSWORD)];
    assert_eq!(Visitor::new(&app.server)?.send("/sign-in", &gone).await?.status, 422);
    Ok(())
}

/// Guards: somebody else knows the password, and signed in with it in all teams that it opens.
async fn a_changed_password_ends_every_other_sign_in_in_every_browser(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    Visitor::owner(&app.server, &app.team).await?;
    let other = app.server.cli(&["team", "create", "Another", "--json"]).await?;
    let other = other["id"].as_str().ok_or("no id")?.to_owned();
    let invite = ["member", "invite", "ada@example.test", "--team", &other, "--role", "admin", "--json"];
    let made = app.server.cli(&invite).await?;
    let token = made["path"].as_str().and_then(|path| path.split_once('=')).ok_or("no token")?.1.to_owned();
    let join = [("token", token.as_str()), ("new-password", PASSWORD), ("password-again", PASSWORD)];
    assert_eq!(Visitor::new(&app.server)?.send("/invite", &join).await?.status, 303);

    let sign_in = [("email", "ada@example.test"), ("password", PASSWORD)];
    let (mut ada, mut mallory) = (Visitor::new(&app.server)?, Visitor::new(&app.server)?);
    let (first, second) = (format!("/teams/{}/", app.team), format!("/teams/{other}/"));
    for visitor in [&mut ada, &mut mallory] {
        assert_eq!(visitor.send("/sign-in", &sign_in).await?.status, 303);
        assert_eq!((visitor.get(&first).await?.status, visitor.get(&second).await?.status), (200, 200));
    }
    // Whichever team she looks from, she sees every browser that is signed in, and signs out which she wants.
    let mut lost = Visitor::new(&app.server)?;
    assert_eq!(lost.send("/sign-in", &sign_in).await?.status, 303);
    for page in [&first, &second] {
        let shown = ada.get(&format!("{page}account")).await?;
        // Hers, that of her sign-up, that of the invitation, and two more.
        assert_eq!(shown.text.matches("/sessions/").count(), 5, "{}", shown.text);
        assert_eq!(shown.text.matches("this one").count(), 1, "{}", shown.text);
    }
    let account = format!("{second}account");
    let shown = ada.get(&account).await?;
    for row in shown.text.split("<tr>").filter(|row| row.contains("/sessions/") && !row.contains("this one")) {
        let handle = row.split("/sessions/").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        assert_eq!(ada.submit(&account, &format!("{account}/sessions/{handle}/end"), &[]).await?.status, 303);
    }
    for visitor in [&mut lost, &mut mallory] {
        assert!(visitor.get(&first).await?.to.starts_with("/sign-in"));
    }
    assert_eq!(mallory.send("/sign-in", &sign_in).await?.status, 303);
    let new = "staple horse battery";
    let fields = [("password", PASSWORD), ("new-password", new), ("password-again", new)];
    assert_eq!(ada.submit(&account, &format!("{account}/password"), &fields).await?.status, 303);
    let told = ada.get(&account).await?.text;
    assert!(told.contains("changed in all 2 teams that the old one opened"), "{told}");
    assert_eq!((ada.get(&first).await?.status, ada.get(&second).await?.status), (200, 200), "hers goes on");
    for page in [&second, &first] {
        let shut = mallory.get(page).await?;
        assert!(shut.to.starts_with("/sign-in?next="), "{} {}", shut.status, shut.to);
        assert_eq!(mallory.get(&shut.to).await?.status, 200, "and there the password is asked for");
    }
    assert_eq!(mallory.send("/sign-in", &sign_in).await?.status, 422, "the old password opens nothing");
    let anew = [("email", "ada@example.test"), ("password", new)];
    let mut phone = Visitor::new(&app.server)?;
    assert_eq!(phone.send("/sign-in", &anew).await?.status, 303);
    assert_eq!((phone.get(&first).await?.status, phone.get(&second).await?.status), (200, 200));
    Ok(())
}

async fn the_first_start_belongs_to_who_has_the_link(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let mut stranger = Visitor::new(&app.server)?;
    assert_eq!(stranger.get("/").await?.to, "/welcome");
    assert_eq!(stranger.get("/welcome").await?.forms(), []);
    let form = [
        ("token", "guessed"),
        ("team", app.team.as_str()),
        ("email", "eve@example.test"),
        ("new-password", PASSWORD),
        ("password-again", PASSWORD),
    ];
    assert_eq!(stranger.send("/welcome", &form).await?.status, 403);
    assert!(app.server.log().contains("/welcome?token="), "the log has the link");
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let token = app.server.log();
    let token = token.split("/welcome?token=").nth(1).and_then(|rest| rest.split_whitespace().next());
    let token = token.ok_or("no link in the log")?.to_owned();
    let again = [("token", token.as_str()), form[1], form[2], form[3], form[4]];
    assert_eq!(stranger.send("/welcome", &again).await?.status, 409, "there is an owner already");
    assert_eq!(owner.get("/").await?.to, format!("/teams/{}/", app.team));
    Visitor::member(&app.server, &app.team, "support").await?;
    let sign_in = [("email", "ada@example.test"), ("password", PASSWORD)];
    assert_eq!(Visitor::new(&app.server)?.send("/sign-in", &sign_in).await?.status, 303);
    assert!(!app.server.log().contains("no session id"), "signing up, joining and signing in are nothing to warn of");
    let other = app.server.cli(&["team", "create", "Somebody Else", "--json"]).await?;
    let other = other["id"].as_str().ok_or("no id")?;
    assert_eq!(owner.get(&format!("/teams/{other}/licenses")).await?.status, 404, "not a member there");
    Ok(())
}

/// Interleaving: both find nobody there yet, and both make their team before one of them is the owner.
async fn a_first_start_that_is_sent_twice_makes_one_team(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let start = app.server.cli(&["member", "first-start", "--json"]).await?;
    let token = start["path"].as_str().and_then(|path| path.split_once('=')).ok_or("no token")?.1.to_owned();
    let form = |again: &'static str| {
        [
            ("token", token.as_str()),
            ("team-name", "Acme"),
            ("email", "ada@example.test"),
            ("new-password", PASSWORD),
            ("password-again", again),
        ]
    };
    // Whoever mistypes a few times is not kept out.
    for _ in 0..7 {
        let refused = Visitor::new(&app.server)?.send("/welcome", &form("battery staple")).await?;
        assert_eq!((refused.status, refused.text.contains("not the same")), (422, true), "{}", refused.text);
    }
    let before = app.server.cli(&["team", "list", "--json"]).await?;
    let mut tabs = [Visitor::new(&app.server)?, Visitor::new(&app.server)?];
    let form = form(PASSWORD);
    let sent = try_join_all(tabs.iter_mut().map(|tab| tab.send("/welcome", &form))).await?;
    let mut answers: Vec<_> = sent.iter().map(|answer| answer.status).collect();
    answers.sort_unstable();
    assert_eq!(answers, [303, 409]);
    let after = app.server.cli(&["team", "list", "--json"]).await?;
    let count = |teams: &Value| teams.as_array().map_or(0, Vec::len);
    assert_eq!(count(&after), count(&before) + 1, "{after}");
    Ok(())
}

async fn the_only_owner_who_lost_the_password_is_invited_anew(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let root = format!("/teams/{}/", app.team);
    let invite = |role: &'static str| {
        ["member", "invite", "ada@example.test", "--team", app.team.as_str(), "--role", role, "--json"]
    };
    let other_role = app.server.cli_output(&invite("auditor"), None).await?;
    let said = String::from_utf8_lossy(&other_role.stderr).into_owned();
    assert!(!other_role.status.success() && said.contains("`--role owner`"), "{said}");
    assert_eq!(owner.get(&root).await?.status, 200, "that was refused");

    let made = app.server.cli(&invite("owner")).await?;
    let token = made["path"].as_str().and_then(|path| path.split_once('=')).ok_or("no token")?.1.to_owned();
    assert!(owner.get(&root).await?.to.starts_with("/sign-in"), "whoever was signed in is out");
    let mut ada = Visitor::new(&app.server)?;
    let sign_in = |password| [("email", "ada@example.test"), ("password", password)];
    assert_eq!(ada.send("/sign-in", &sign_in(PASSWORD)).await?.status, 422, "the lost password opens nothing");
    let new = "staple horse battery";
    let join = [("token", token.as_str()), ("new-password", new), ("password-again", new)];
    assert_eq!(ada.send("/invite", &join).await?.to, root);
    let members = ada.get(&format!("{root}members")).await?.text;
    assert!(
        members.contains("ada@example.test") && members.contains("Invite somebody"),
        "an owner as before: {members}"
    );
    assert_eq!(Visitor::new(&app.server)?.send("/sign-in", &sign_in(new)).await?.status, 303);
    Ok(())
}

async fn an_answer_to_a_form_is_not_asked_for_by_its_address(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let (license, _) = app.sell("").await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let root = format!("/teams/{}", app.team);
    for (form, page) in [
        (format!("{root}/licenses/{license}/key"), format!("{root}/licenses/{license}")),
        (format!("{root}/settings/verification"), format!("{root}/settings")),
        ("/sign-out".to_owned(), "/".to_owned()),
    ] {
        let asked = owner.get(&form).await?;
        assert_eq!((asked.status, asked.to), (303, page), "{form}");
    }
    Ok(())
}
