//! A person is forgotten: nothing is left of who they were, and everything else goes on.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, Row as _};

use crate::support::client::{device, unlimited};
use crate::support::compose::{Checkout, Layout, event, id_of};
use crate::support::scan::traces;
use crate::support::stripe_api::session_line;
use crate::support::{
    Backend, Error, Keyledger, Options, TestApp, TestResult, eventually, now, on_both_stores, unique,
};

on_both_stores!(
    nothing_is_left_of_a_forgotten_person,
    a_forgotten_person_is_forgotten_under_every_entry,
    whoever_buys_again_is_somebody_new,
    what_is_under_way_for_a_forgotten_person_is_concluded,
    a_restored_keys_store_forgets_again,
    a_server_deletes_mails_that_a_command_did_not_find,
);

/// A seller whose server logs all it can.
async fn selling(backend: Backend) -> Result<TestApp, Error> {
    selling_with(backend, unlimited()).await
}

async fn selling_with(backend: Backend, options: Options) -> Result<TestApp, Error> {
    let options = options.env("KEYLEDGER_LOG", "debug").env("RUST_LOG", "debug");
    let app = TestApp::builder(backend).stripe().polymart().options(options).build().await?;
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product)]);
    Ok(app)
}

/// A paid checkout of a customer of Stripe's, of a licence for two devices.
fn checkout(app: &TestApp) -> Checkout {
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product), ("hwid_limit", "2")]);
    let checkout = Checkout { customer: Some(unique("cus")), name: "Ada Quitefamous", ..Checkout::paid(Layout::Basil) };
    app.stripe.add_session(&checkout.id, vec![session_line("li_1", "prod_plugin", 1)]);
    checkout
}

async fn forget_email(app: &TestApp, email: &str) -> Result<Value, Error> {
    app.server.cli(&["customer", "forget", "--team", &app.team, "--email", email, "--json"]).await
}

/// The ledger with everything opened that still opens.
async fn revealed(server: &Keyledger) -> Result<Vec<Value>, Error> {
    let events = server.cli(&["events", "list", "--reveal", "--json"]).await?;
    Ok(events.as_array().ok_or("no list")?.clone())
}

async fn nothing_is_left_of_a_forgotten_person(backend: Backend) -> TestResult {
    let app = selling(backend).await?;
    let beside = app.server.start_beside().await?;
    let (theirs, others) = (checkout(&app), Checkout { name: "Grace Notforgotten", ..checkout(&app) });
    let street = unique("Lovelace Street");
    app.deliver(&[theirs.completed(), others.completed()]).await?;
    // Further deliveries that name them, of which nothing comes.
    let customer = theirs.customer.clone().ok_or("no customer")?;
    let named = json!({ "id": customer, "object": "customer", "email": theirs.email, "name": theirs.name });
    let by_id = json!({ "id": unique("pm"), "object": "payment_method", "customer": customer, "owner": theirs.name });
    let ignored = [
        event(Layout::Basil, "customer.updated", now(), named),
        event(Layout::Basil, "payment_method.attached", now(), by_id),
        theirs.completed(),
    ];
    app.deliver(&ignored).await?;
    // Where they live, a device of theirs, and what they asked.
    let program = app.program("developer").await?;
    let found = program.get(&format!("/customers?search={}", theirs.email)).await?.data()?.clone();
    let id = found["customers"][0]["id"].as_str().ok_or("no customer")?.to_owned();
    let profile = json!({ "email": theirs.email, "fullName": theirs.name, "address": { "street": street } });
    program.put(&format!("/customers/{id}"), &profile).await?.data()?;
    let licenses = app.licenses().await?;
    let theirs_is = |license: &&Value| license["references"]["stripeCheckoutSession"] == theirs.id.as_str();
    let license = licenses.iter().find(theirs_is).ok_or("no licence")?;
    let (license_id, key) = (license["id"].as_str().unwrap_or_default(), license["key"].as_str().unwrap_or_default());
    let hardware = device();
    for server in [&app.server, &beside] {
        let body = json!({ "licenseKey": key, "hardwareIdentifier": hardware });
        let verdict = crate::support::client::ask(&app.http, server, &app.team, "verify", &body).await?;
        assert_eq!(verdict.said(), (200, "VALID"));
    }
    let texts = [theirs.email.as_str(), theirs.name, street.as_str(), hardware.as_str()];
    let before = eventually("their device is written down", async || {
        Ok(Some(traces(&app.server, &texts).await?).filter(|all| all.iter().any(|it| it.starts_with(&hardware))))
    })
    .await?;
    assert!(before.iter().any(|it| it.starts_with(&theirs.email) && it.contains(".eml")), "found before: {before:?}");
    let known = json!(revealed(&app.server).await?).to_string();
    assert!(texts.iter().all(|text| known.contains(text)), "all of it can be read before");

    let forgotten = forget_email(&app, &theirs.email).await?;
    assert_eq!(forgotten["customerIds"], json!([id]), "{forgotten}");
    assert!(forgotten["keysDestroyed"].as_u64().is_some_and(|keys| keys >= 4), "{forgotten}");
    assert_eq!((&forgotten["mails"], &forgotten["already"]), (&json!(1), &json!(false)));
    // Servers have noted things of theirs that were not written down: they hear of it within their poll.
    let mut left = Vec::new();
    let gone = eventually("every trace is gone", async || {
        left = traces(&app.server, &texts).await?;
        Ok(left.is_empty().then_some(()))
    });
    gone.await.map_err(|error| format!("{error}; left: {left:?}"))?;

    // What was sealed does not open any more, with everything that there is to open it.
    let known = json!(revealed(&app.server).await?).to_string();
    assert!(texts.iter().all(|text| !known.contains(text)), "it can still be read");
    assert!(known.contains(&others.email), "others are not touched");
    if backend == Backend::Sqlite {
        let copy = tempfile::tempdir()?;
        copy_folder(&app.server.folder().join("data"), &copy.path().join("data"))?;
        let url = format!("sqlite:{}", copy.path().join("data").display());
        let args = ["events", "list", "--reveal", "--json", "--database-url", &url];
        let copied = app.server.cli(&args).await?.to_string();
        assert!(texts.iter().all(|text| !copied.contains(text)) && copied.contains(&others.email));
    }

    // History, proofs, licences and verifications go on.
    assert_eq!(app.server.cli(&["audit", "verify", "--json"]).await?["ok"], true);
    let shown = app.license_of(license_id).await?;
    assert_eq!((&shown["key"], &shown["status"]), (&json!(key), &json!("ACTIVE")));
    for server in [&app.server, &beside] {
        let body = json!({ "licenseKey": key, "hardwareIdentifier": device(), "customerId": id });
        let verdict = crate::support::client::ask(&app.http, server, &app.team, "verify", &body).await?;
        assert!(verdict.said() == (200, "VALID") || verdict.code() == "HWID_LIMIT_REACHED", "{:?}", verdict.said());
    }
    assert_eq!(program.get(&format!("/customers/{id}")).await?.code(), "CUSTOMER_NOT_FOUND");
    let search = program.get(&format!("/customers?search={}", theirs.email)).await?.data()?.clone();
    assert_eq!(search["customers"], json!([]));
    let record = app.events_of("CustomerForgotten").await?;
    assert_eq!((record.len(), &record[0]["actor"]), (2, &json!("cli")), "their own keys, and those of deliveries");
    app.server.cli(&["projections", "rebuild", "--json"]).await?;
    assert!(traces(&app.server, &texts[..3]).await?.is_empty(), "views that are computed again tell nothing");

    // What was seen with their licence since then goes when it is done again; once more, and there is nothing to record.
    forget_email(&app, &theirs.email).await?;
    let events = app.events().await?.len();
    assert_eq!(forget_email(&app, &theirs.email).await?["already"], true);
    assert_eq!(app.events().await?.len(), events);
    let args = ["customer", "forget", "--team", &app.team, "--email", "no@body.test"];
    let nobody = app.server.cli_output(&args, None).await?;
    assert!(!nobody.status.success() && !String::from_utf8_lossy(&nobody.stderr).contains("no@body"), "{nobody:?}");
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> TestResult {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// One person with a new mail address at Stripe, and an entry that the seller made by hand.
async fn a_forgotten_person_is_forgotten_under_every_entry(backend: Backend) -> TestResult {
    let app = selling(backend).await?;
    let first = checkout(&app);
    let moved = Checkout { customer: first.customer.clone(), ..checkout(&app) };
    let stranger = checkout(&app);
    app.deliver(&[first.completed(), moved.completed(), stranger.completed()]).await?;
    let (developer, admin) = (app.program("developer").await?, app.program("admin").await?);
    let by_hand =
        developer.post("/customers", &json!({ "email": moved.email, "fullName": "Ada B. Hand" })).await?.id()?;
    let before = json!(revealed(&app.server).await?).to_string();
    assert!(before.contains("Ada B. Hand"));

    let forgotten = admin.admin(Method::POST, &format!("/customers/{by_hand}/forget"), None).await?.data()?.clone();
    assert_eq!(forgotten["customerIds"].as_array().map(Vec::len), Some(3), "{forgotten}");
    assert_eq!(forgotten["mails"], 2, "{forgotten}");
    let after = json!(revealed(&app.server).await?).to_string();
    for text in [first.email.as_str(), moved.email.as_str(), "Ada B. Hand"] {
        assert!(!after.contains(text), "{text} can still be read");
    }
    assert!(after.contains(&stranger.email));
    let texts = [first.email.as_str(), moved.email.as_str(), "Ada B. Hand"];
    assert_eq!(traces(&app.server, &texts).await?, Vec::<String>::new());
    let actor = format!("api:{}", admin.key_id);
    assert!(app.events_of("CustomerForgotten").await?.iter().all(|event| event["actor"] == actor.as_str()));
    let again = admin.admin(Method::POST, "/customers/forget", Some(&json!({ "email": moved.email }))).await?;
    assert_eq!(again.data()?["already"], true);
    let unknown = format!("/customers/{}/forget", uuid::Uuid::new_v4());
    assert_eq!(admin.admin(Method::POST, &unknown, None).await?.code(), "CUSTOMER_NOT_FOUND");
    Ok(())
}

async fn whoever_buys_again_is_somebody_new(backend: Backend) -> TestResult {
    let app = selling(backend).await?;
    let first = checkout(&app);
    app.deliver(&[first.completed()]).await?;
    forget_email(&app, &first.email).await?;
    let second = Checkout { email: first.email.clone(), customer: first.customer.clone(), ..checkout(&app) };
    app.deliver(&[second.completed()]).await?;
    let licenses = app.licenses().await?;
    assert_eq!(licenses.len(), 2);
    assert_eq!(app.mails()?.len(), 1, "the new keys are mailed, the old mail is gone");
    let program = app.program("developer").await?;
    let found = program.get(&format!("/customers?search={}", first.email)).await?.data()?.clone();
    assert_eq!(found["customers"][0]["fullName"], first.name, "{found}");
    // What was there before them stays unreadable.
    let events = revealed(&app.server).await?;
    let readable = |event: &&Value| event["data"].to_string().contains(&first.email);
    let forgotten = events.iter().position(|event| event["type"] == "CustomerForgotten").ok_or("not forgotten")?;
    assert!(!events[..forgotten].iter().any(|event| readable(&event)));
    assert!(events[forgotten..].iter().any(|event| readable(&event)));
    // And they can be forgotten again, whole.
    assert_eq!(forget_email(&app, &first.email).await?["already"], false);
    assert_eq!(traces(&app.server, &[first.email.as_str(), first.name]).await?, Vec::<String>::new());
    assert_eq!(app.server.cli(&["audit", "verify", "--json"]).await?["ok"], true);
    Ok(())
}

/// Guards: a delivery waits for Stripe's API, and a mail for its folder, while their buyer is forgotten.
async fn what_is_under_way_for_a_forgotten_person_is_concluded(backend: Backend) -> TestResult {
    let place = tempfile::tempdir()?;
    let folder = place.path().join("mail");
    let options = unlimited().env("KEYLEDGER_MAIL_URL", format!("file:{}", folder.display()));
    let app = selling_with(backend, options).await?;
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::write(&folder, "in the way")?;
    let bought = checkout(&app);
    assert_eq!(app.post_stripe(&bought.completed()).await?.status, 200);
    eventually("the mail waits", async || Ok(app.events_of("MailFailed").await?.pop())).await?;
    // A second purchase of theirs cannot be interpreted: Stripe's API is down.
    let waiting = Checkout { email: bought.email.clone(), ..Checkout::paid(Layout::Basil) };
    let delivery = waiting.completed();
    app.stripe.fail_next(1_000, 500);
    assert_eq!(app.post_stripe(&delivery).await?.status, 200);
    eventually("the delivery waits", async || Ok(app.events_of("ProviderEventDeferred").await?.pop())).await?;

    forget_email(&app, &bought.email).await.map(drop).or_else(|error| {
        // The folder is no folder, which the command says after all else is done.
        if error.to_string().contains("folder") { Ok(()) } else { Err(error) }
    })?;
    app.settle().await?;
    let entry = app.entry(id_of(&delivery)).await?;
    assert_eq!(entry.outcome, "rejected");
    assert!(entry.reason.contains("no longer be read"), "{}", entry.reason);
    let abandoned = app.events_of("MailAbandoned").await?;
    assert_eq!(abandoned.len(), 1);
    assert!(abandoned[0]["data"]["reason"].as_str().is_some_and(|text| text.contains("forgotten")));
    app.settle().await?;
    std::fs::remove_file(&folder)?;
    forget_email(&app, &bought.email).await?;
    assert!(!folder.exists() || std::fs::read_dir(&folder)?.next().is_none(), "no mail goes out afterwards");
    assert_eq!(traces(&app.server, &[bought.email.as_str(), bought.name]).await?, Vec::<String>::new());
    // Nothing is tried for ever: retrying by hand is refused with the same reason.
    let retried = app.server.cli(&["inbox", "retry", &entry.id, "--json"]).await?;
    assert!(retried.to_string().contains("no longer be read"), "{retried}");
    Ok(())
}

/// A copy of all keys, as a backup has it.
enum Keys {
    Sqlite(Vec<(PathBuf, Vec<u8>)>),
    Postgres(Vec<(uuid::Uuid, Vec<u8>)>),
}

impl Keys {
    async fn save(server: &Keyledger, backend: Backend) -> Result<Self, Error> {
        Ok(match backend {
            // The server has been stopped; its last commits may still be in the log beside the file.
            Backend::Sqlite => Self::Sqlite(
                ["keys.db", "keys.db-wal"]
                    .iter()
                    .map(|name| server.folder().join("data").join(name))
                    .filter(|file| file.exists())
                    .map(|file| Ok((file.clone(), std::fs::read(file)?)))
                    .collect::<Result<_, Error>>()?,
            ),
            Backend::Postgres => {
                let mut connection = PgConnection::connect(server.database_url()).await?;
                let rows = sqlx::query("SELECT id, wrapped FROM keys.data_key").fetch_all(&mut connection).await?;
                Self::Postgres(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
            }
        })
    }

    async fn restore(self, server: &Keyledger) -> TestResult {
        match self {
            Self::Sqlite(files) => {
                for name in ["keys.db-wal", "keys.db-shm"] {
                    let _ = std::fs::remove_file(server.folder().join("data").join(name));
                }
                for (file, bytes) in files {
                    std::fs::write(file, bytes)?;
                }
            }
            Self::Postgres(rows) => {
                let mut connection = PgConnection::connect(server.database_url()).await?;
                for (id, wrapped) in rows {
                    let insert = sqlx::query("INSERT INTO keys.data_key VALUES ($1, $2) ON CONFLICT DO NOTHING");
                    insert.bind(id).bind(wrapped).execute(&mut connection).await?;
                }
            }
        }
        Ok(())
    }
}

async fn a_restored_keys_store_forgets_again(backend: Backend) -> TestResult {
    let mut app = selling(backend).await?;
    let (theirs, others) = (checkout(&app), checkout(&app));
    app.deliver(&[theirs.completed(), others.completed()]).await?;
    assert!(app.server.terminate().await?.success());
    let keys = Keys::save(&app.server, backend).await?;
    let mail = mail_to(&app.server.mail_folder(), &theirs.email)?;
    let written = std::fs::read(&mail)?;
    forget_email(&app, &theirs.email).await?;
    assert!(!json!(revealed(&app.server).await?).to_string().contains(&theirs.email));

    keys.restore(&app.server).await?;
    std::fs::write(mail, written)?;
    app.server.restart().await?;
    let known = json!(revealed(&app.server).await?).to_string();
    assert!(!known.contains(&theirs.email), "a restored key opens what was forgotten");
    assert!(known.contains(&others.email), "others are not touched");
    eventually("the restored mail is deleted again", async || {
        Ok(traces(&app.server, &[theirs.email.as_str()]).await?.is_empty().then_some(()))
    })
    .await?;
    assert!(app.server.log().contains("destroyed again"), "the log says so");
    Ok(())
}

/// The mail to this address.
fn mail_to(folder: &Path, email: &str) -> Result<PathBuf, Error> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if String::from_utf8_lossy(&std::fs::read(&path)?).contains(email) {
            return Ok(path);
        }
    }
    Err("no mail to them".into())
}

/// A command that is not told where the server writes mails looks for them elsewhere.
async fn a_server_deletes_mails_that_a_command_did_not_find(backend: Backend) -> TestResult {
    let mut app = selling(backend).await?;
    let (theirs, others) = (checkout(&app), checkout(&app));
    app.deliver(&[theirs.completed(), others.completed()]).await?;
    app.settle().await?;
    assert_eq!(app.mails()?.len(), 2);
    assert!(app.server.terminate().await?.success());
    let elsewhere = format!("file:{}", app.server.folder().join("elsewhere").display());
    let forget = ["customer", "forget", "--team", &app.team, "--email", &theirs.email, "--mail-url", &elsewhere];
    let output = app.server.cli_output(&forget, None).await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("elsewhere are deleted"), "{said}");
    assert_eq!(app.mails()?.len(), 2);
    app.server.restart().await?;
    eventually("the mail is deleted", async || Ok((app.mails()?.len() == 1).then_some(()))).await?;
    assert!(app.mails()?[0].to.contains(&others.email), "{:?}", app.mails()?[0].to);
    Ok(())
}
