//! What becomes of a form or a question that cannot be used: the page comes back, with everything that was filled in.

use crate::support::scan::traces;
use crate::support::visitor::{PASSWORD, Page, Visitor};
use crate::support::{Backend, Error, TestApp, TestResult, on_both_stores};

on_both_stores!(
    a_refused_form_comes_back_as_it_was_filled_in,
    a_refused_webhook_keeps_what_was_ticked,
    a_refused_password_is_kept_nowhere,
    a_wrong_code_keeps_the_secret,
    a_device_that_no_program_can_name_is_not_blacklisted,
    a_question_without_an_answer_keeps_its_page,
    a_form_that_is_sent_after_the_session_says_that_it_was_not_done,
);

/// An address that no webhook may have.
const NO_HOOK: &str = "ftp://hooks.example.com/";

/// Sends a form that is refused; answers the page that it leads back to.
async fn refused(owner: &mut Visitor, page: &str, path: &str, fields: &[(&str, &str)]) -> Result<String, Error> {
    let sent = owner.submit(page, path, fields).await?;
    assert_eq!((sent.status, sent.to.as_str()), (303, page), "{}", sent.text);
    Ok(owner.get(page).await?.text)
}

fn check_shows(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

async fn a_refused_form_comes_back_as_it_was_filled_in(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let (license, _) = app.sell("expirationDays=30").await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let root = format!("/teams/{}", app.team);

    let page = format!("{root}/licenses/{license}");
    let fields = [("how", "date"), ("days", "30"), ("date", "9999-12-31")];
    let back = refused(&mut owner, &page, &format!("{page}/extend"), &fields).await?;
    let open = "<details class=\"do\" open><summary>Extend";
    check_shows(&back, &[open, "value=\"date\" checked", "value=\"9999-12-31\"", "must be 9999-12-29 or earlier"]);
    assert!(!back.contains("value=\"days\" checked"), "{back}");
    assert_eq!(back.matches("<details class=\"do\" open>").count(), 1, "{back}");
    let calm = owner.get(&page).await?.text;
    check_shows(&calm, &["value=\"days\" checked"]);
    assert!(!calm.contains("<details class=\"do\" open>"), "{calm}");

    let explain = [("device", "0123456789"), ("address", "here")];
    let back = refused(&mut owner, &page, &format!("{page}/explain"), &explain).await?;
    let open = "<details class=\"do\" open><summary>Explain";
    check_shows(&back, &[open, "value=\"0123456789\"", "value=\"here\"", "“here” is no internet address"]);

    let keys = format!("{root}/api-keys");
    let back = refused(&mut owner, &keys, &keys, &[("name", "Audit"), ("scope", "auditor"), ("days", "-1")]).await?;
    let range = "must be a whole number from 1 to 36,500, not “-1”";
    check_shows(&back, &[range, "value=\"auditor\" selected", "value=\"Audit\""]);

    // What was filled in is filled into no other page's form, where it would be saved unawares.
    owner.submit(&keys, &keys, &[("name", "Audit"), ("scope", "auditor"), ("days", "-1")]).await?;
    let settings = owner.get(&format!("{root}/settings")).await?.text;
    check_shows(&settings, &[range, "name=\"name\" value=\"Example Software\""]);

    // Whoever is a member already is not invited: that is no fault of the form, and it comes back all the same.
    let members = format!("{root}/members");
    let fields = [("email", "ada@example.test"), ("role", "auditor")];
    let back = refused(&mut owner, &members, &members, &fields).await?;
    check_shows(&back, &["This address is a member", "value=\"ada@example.test\"", "value=\"auditor\" selected"]);
    Ok(())
}

async fn a_refused_webhook_keeps_what_was_ticked(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let all = format!("/teams/{}/webhooks", app.team);
    let fields = [("url", NO_HOOK), ("type", "license.revoked"), ("type", "device.bound"), ("include-keys", "on")];
    let back = refused(&mut owner, &all, &all, &fields).await?;
    let kept = ["value=\"license.revoked\" checked", "value=\"device.bound\" checked", "name=\"include-keys\" checked"];
    check_shows(&back, &kept);
    assert_eq!(back.matches(" checked").count(), 3, "{back}");

    let url = "https://hooks.example.com/keyledger";
    app.server.cli(&["webhook", "create", "--team", &app.team, "--url", url, "--json"]).await?;
    let webhooks = app.server.cli(&["webhook", "list", "--team", &app.team, "--json"]).await?;
    let one = format!("{all}/{}", webhooks[0]["id"].as_str().ok_or("no id")?);
    let back = refused(&mut owner, &one, &one, &fields).await?;
    check_shows(&back, &kept);
    check_shows(&back, &["<details class=\"do\" open><summary>Change it"]);
    // What is corrected has what was ticked, and nothing else.
    let corrected = [("url", url), fields[1], fields[2]];
    assert_eq!(owner.submit(&one, &one, &corrected).await?.status, 303);
    let saved = owner.get(&one).await?.text;
    check_shows(&saved, &kept[..2]);
    assert_eq!(saved.matches(" checked").count(), 2, "{saved}");
    Ok(())
}

/// The secret that a page asks to be confirmed.
fn secret(page: &Page) -> Option<String> {
    let form = page.forms().into_iter().find(|form| form.action.ends_with("/codes/confirm"))?;
    form.fields.into_iter().find(|(name, _)| name == "secret").map(|(_, value)| value)
}

async fn a_refused_password_is_kept_nowhere(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let account = format!("/teams/{}/account", app.team);
    let (new, other) = ("staple horse correct", "battery staple horse");
    let fields = [("password", PASSWORD), ("new-password", new), ("password-again", other)];
    let sent = owner.submit(&account, &format!("{account}/password"), &fields).await?;
    assert_eq!((sent.status, sent.to.as_str()), (303, account.as_str()), "{}", sent.text);
    // What was refused is in the session until a page says so.
    assert_eq!(traces(&app.server, &[PASSWORD, new, other]).await?, Vec::<String>::new());
    check_shows(&owner.get(&account).await?.text, &["The two passwords are not the same"]);
    Ok(())
}

async fn a_wrong_code_keeps_the_secret(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let account = format!("/teams/{}/account", app.team);
    let begun = owner.submit(&account, &format!("{account}/codes"), &[]).await?;
    let shown = secret(&begun).ok_or("no secret")?;
    let wrong = [("secret", shown.as_str()), ("code", "12345")];
    let again = owner.submit(&account, &format!("{account}/codes/confirm"), &wrong).await?;
    assert_eq!((again.status, secret(&again).as_deref()), (422, Some(shown.as_str())), "{}", again.text);
    check_shows(&again.text, &["The code is not right", "<svg class=\"code\""]);
    Ok(())
}

async fn a_device_that_no_program_can_name_is_not_blacklisted(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let page = format!("/teams/{}/blacklist", app.team);
    for value in ["short", "two words of it"] {
        let rule = "is not a hardware identifier, which has 10 to 1,000 characters without white space";
        let back = refused(&mut owner, &page, &page, &[("kind", "device"), ("value", value)]).await?;
        check_shows(&back, &[rule, &format!("`{value}`"), &format!("value=\"{value}\""), "Nobody is refused"]);
        let add = ["blacklist", "add", "--team", &app.team, "--device", value];
        let told = app.server.cli_output(&add, None).await?;
        assert!(!told.status.success() && String::from_utf8_lossy(&told.stderr).contains(rule), "{told:?}");
    }
    Ok(())
}

async fn a_question_without_an_answer_keeps_its_page(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let (license, key) = app.sell("").await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let root = format!("/teams/{}", app.team);
    let missing = "00000000-0000-4000-8000-000000000000";
    let shown = owner.get(&format!("{root}/audit?license={missing}")).await?;
    assert_eq!(shown.status, 404);
    let field = format!("name=\"license\" value=\"{missing}\"");
    check_shows(&shown.text, &["There is no licence", &field, "Sign out", "The log's key"]);

    // Pages name licences by their keys, and so may who asks.
    for name in [&license, &key] {
        assert_eq!(owner.get(&format!("{root}/requests?license={name}")).await?.status, 200);
    }
    let shown = owner.get(&format!("{root}/requests?license=AAAAA&code=VALID")).await?;
    assert_eq!(shown.status, 404);
    check_shows(&shown.text, &["There is no licence AAAAA", "value=\"AAAAA\"", "value=\"VALID\"", "Sign out"]);

    // Behind the last event there is nothing, however far behind.
    assert_eq!(owner.get(&format!("{root}/audit?after=9223372036854775807")).await?.status, 200);
    for query in ["before=-9223372036854775808", "after=-1"] {
        let shown = owner.get(&format!("{root}/audit?{query}")).await?;
        assert_eq!(shown.status, 422, "{query}");
        check_shows(&shown.text, &["must be a position in the ledger, not “-"]);
    }

    // Whatever else goes wrong, the menu stays, for members.
    for page in ["customers/nobody", "licenses?before=yesterday", "nothing-here"] {
        let shown = owner.get(&format!("{root}/{page}")).await?;
        assert!(shown.status == 404 || shown.status == 422, "{page}: {}", shown.status);
        check_shows(&shown.text, &["Sign out", "role=\"alert\"", "To the first page"]);
    }
    let mut stranger = Visitor::new(&app.server)?;
    let shown = stranger.get(&format!("{root}/nothing-here")).await?;
    assert!(!shown.text.contains("Sign out"), "{}", shown.text);
    Ok(())
}

async fn a_form_that_is_sent_after_the_session_says_that_it_was_not_done(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let mut owner = Visitor::owner(&app.server, &app.team).await?;
    let page = format!("/teams/{}/products", app.team);
    let csrf = owner.get(&page).await?.csrf();
    let before = app.events().await?.len();
    owner.cookie = None;
    let sent = owner.send(&page, &[("csrf", &csrf), ("name", "Anti-Grief")]).await?;
    assert_eq!(sent.status, 303);
    let asked = owner.get(&sent.to).await?;
    check_shows(&asked.text, &["what you sent was not done", &format!("name=\"next\" value=\"{page}\"")]);
    assert_eq!(app.events().await?.len(), before);
    Ok(())
}
