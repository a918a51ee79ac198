//! A ledger that the first release wrote replays: `first_release/ledger.json` holds its rows as they were stored, with
//! payloads of version 1, and what `license list` said of it then. The file is never written again. When a payload gets
//! a second version, this is where its step from the first one is seen to work, on real rows and through the front door.

use keyledger_events::Event;
use keyledger_events::merkle::Frontier;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, PgConnection, Row as _};
use uuid::Uuid;

use crate::support::app::Answer;
use crate::support::compose::polymart;
use crate::support::{Backend, Error, Keyledger, Options, TestApp, TestResult, eventually, now, on_both_stores, sign};

on_both_stores!(a_ledger_of_the_first_release_replays);

/// The ledger's rows. Bytes are in hexadecimal.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    master_key: String,
    /// Of the Merkle tree.
    root: String,
    head: Head,
    keys: Vec<(String, String)>,
    links: Vec<(String, String)>,
    events: Vec<Stored>,
    licenses: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    position: i64,
    recorded_at: i64,
    frontier: String,
}

/// A row of the table `event`, column by column.
#[derive(Debug, Deserialize)]
struct Stored(
    i64,
    String,
    String,
    i64,
    String,
    String,
    i16,
    i64,
    i64,
    Option<String>,
    Option<String>,
    String,
    String,
    String,
);

fn bytes(hex: &str) -> Result<Vec<u8>, Error> {
    Ok(hex::decode(hex)?)
}

fn id(hex: &str) -> Result<Uuid, Error> {
    Ok(Uuid::from_slice(&bytes(hex)?)?)
}

fn maybe_id(hex: Option<&String>) -> Result<Option<Uuid>, Error> {
    hex.map(|hex| id(hex)).transpose()
}

/// Inserts every row, in the words of either engine: the same columns in schemas of other names, and the same types.
macro_rules! restore {
    ($written:expr, $ledger:expr, $keys:expr, $schemas:expr) => {{
        let (written, (ledger, keys)): (&Written, (&str, &str)) = ($written, $schemas);
        let mut tx = $ledger.begin().await?;
        for event in &written.events {
            let insert = format!("INSERT INTO {ledger}event VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)");
            sqlx::query(sqlx::AssertSqlSafe(insert))
                .bind(event.0)
                .bind(id(&event.1)?)
                .bind(event.2.clone())
                .bind(event.3)
                .bind(id(&event.4)?)
                .bind(event.5.clone())
                .bind(event.6)
                .bind(event.7)
                .bind(event.8)
                .bind(maybe_id(event.9.as_ref())?)
                .bind(maybe_id(event.10.as_ref())?)
                .bind(event.11.clone())
                .bind(event.12.clone().into_bytes())
                .bind(bytes(&event.13)?)
                .execute(&mut *tx)
                .await?;
        }
        let update = format!("UPDATE {ledger}ledger_head SET position = $1, recorded_at = $2, frontier = $3");
        let head = &written.head;
        let update = sqlx::query(sqlx::AssertSqlSafe(update)).bind(head.position).bind(head.recorded_at);
        update.bind(bytes(&head.frontier)?).execute(&mut *tx).await?;
        // The keys first: what is sealed can be opened as soon as it is seen.
        for (key, wrapped) in &written.keys {
            let insert = format!(
                "INSERT INTO {keys}data_key (id, wrapped) VALUES ($1,$2) ON CONFLICT (id) DO UPDATE SET wrapped = $2"
            );
            let insert = sqlx::query(sqlx::AssertSqlSafe(insert)).bind(id(key)?).bind(bytes(wrapped)?);
            insert.execute(&mut $keys).await?;
        }
        for (customer, key) in &written.links {
            let insert = format!("INSERT INTO {keys}key_link (customer_id, key_id) VALUES ($1,$2)");
            let insert = sqlx::query(sqlx::AssertSqlSafe(insert)).bind(id(customer)?).bind(id(key)?);
            insert.execute(&mut $keys).await?;
        }
        tx.commit().await?;
    }};
}

/// Puts the rows into the empty ledger of a server that is running: it finds them as if another process had appended.
async fn restore(server: &Keyledger, backend: Backend, written: &Written) -> TestResult {
    match backend {
        Backend::Sqlite => {
            let open = async |file: &str| {
                let path = server.folder().join("data").join(file);
                SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await
            };
            let (mut ledger, mut keys) = (open("ledger.db").await?, open("keys.db").await?);
            restore!(written, ledger, keys, ("", ""));
            ledger.close().await?;
            keys.close().await?;
        }
        Backend::Postgres => {
            let mut ledger = PgConnection::connect(server.database_url()).await?;
            let mut keys = PgConnection::connect(server.database_url()).await?;
            restore!(written, ledger, keys, ("ledger.", "keys."));
            let row = sqlx::query("SELECT COUNT(*) FROM ledger.event").fetch_one(&mut ledger).await?;
            assert_eq!(row.try_get::<i64, _>(0)?, written.head.position);
        }
    }
    Ok(())
}

/// Whether a document has everything that an older one had; later releases may add to it.
fn has_all(new: &Value, old: &Value) -> bool {
    old.as_object().is_some_and(|old| old.iter().all(|(name, value)| new.get(name) == Some(value)))
}

async fn a_ledger_of_the_first_release_replays(backend: Backend) -> TestResult {
    let written: Written = serde_json::from_str(include_str!("first_release/ledger.json"))?;
    assert!(written.events.iter().all(|event| event.6 == 1), "the first release wrote version 1 of everything");
    let types: std::collections::BTreeSet<_> = written.events.iter().map(|event| event.5.as_str()).collect();
    assert!(types.len() > 50 && types.iter().all(|name| Event::TYPES.iter().any(|(known, _)| known == name)));
    let options = Options::default().env("KEYLEDGER_MASTER_KEY", written.master_key.clone());
    let server = Keyledger::start(backend, options).await?;
    restore(&server, backend, &written).await?;

    // Every byte is what it was, and so is the tree over them.
    let verified = server.cli(&["audit", "verify", "--json"]).await?;
    assert_eq!(verified["ok"], true, "{verified}");
    let to = written.head.position.to_string();
    let events = server.cli(&["events", "list", "--to", &to, "--json"]).await?;
    let events = events.as_array().ok_or("no array")?;
    let mut tree = Frontier::default();
    for (event, stored) in events.iter().zip(&written.events) {
        assert_eq!((&event["type"], &event["version"]), (&json!(stored.5), &json!(stored.6)), "shown as it is stored");
        assert_eq!(event["data"], serde_json::from_str::<Value>(&stored.12)?);
        let leaf = bytes(event["leafHash"].as_str().ok_or("no leaf")?)?;
        tree.push(leaf.try_into().map_err(|_| "a leaf is not 32 bytes long")?);
    }
    assert_eq!((events.len(), hex::encode(tree.root())), (written.events.len(), written.root.clone()));

    // The licences are what they were, their keys too.
    let licenses = server.cli(&["license", "list", "--as-of", &to, "--json"]).await?;
    let licenses = licenses.as_array().ok_or("no array")?;
    assert_eq!(licenses.len(), written.licenses.len());
    for (license, then) in licenses.iter().zip(&written.licenses) {
        assert!(has_all(license, then), "is {license}\nwas {then}");
    }
    let team = licenses.first().and_then(|license| license["teamId"].as_str()).ok_or("no team")?.to_owned();
    views_follow(&server).await?;
    it_goes_on(server, &team, licenses).await
}

/// Every view of today is computed from what was written then, in passing and all anew.
async fn views_follow(server: &Keyledger) -> TestResult {
    eventually("the views have read it", async || {
        let ready = reqwest::get(server.url("/readyz")).await?;
        Ok((ready.status() == 200).then_some(()))
    })
    .await?;
    let status = server.cli(&["projections", "status", "--json"]).await?;
    assert!(!status.to_string().contains("\"faulted\""), "{status}");
    server.cli(&["projections", "rebuild", "--json"]).await.map(drop)
}

/// What the first release began is gone on with: a buyer of then buys again and holds the same licence.
async fn it_goes_on(server: Keyledger, team: &str, licenses: &[Value]) -> TestResult {
    let license = licenses.iter().find(|license| license["references"]["polymartUser"] == "9001").ok_or("no buyer")?;
    let product = license["productIds"][0].as_str().ok_or("no product")?;
    let license = license["id"].as_str().ok_or("no id")?;
    let mut app = TestApp::around(server).await?;
    app.team = team.to_owned();
    let body = serde_json::to_vec(&polymart::purchase_at(9001, 77, now()))?;
    let path = format!("/api/v1/integrations/polymart?teamId={team}&productId={product}");
    let signature = sign::polymart("pm_fixture", &body)?;
    let request = app.http.post(app.server.url(&path)).header("x-polymart-signature", signature);
    let answer = Answer::of(request.header("content-type", "application/json").body(body).send().await?).await?;
    assert_eq!(answer.status, 200, "a secret of then opens: {answer:?}");
    assert_eq!(app.licenses().await?.len(), licenses.len(), "the same buyer, the same licence");
    let auditor = app.auditor("auditor").await?;
    let entries = auditor.all(&format!("/timeline?license={license}"), "entries", 100).await?;
    let said: Vec<_> = entries.iter().filter_map(|entry| entry["type"].as_str()).collect();
    assert!(said.contains(&"LicenseIssued") && said.contains(&"LicenseActivated"), "{said:?}");
    assert!(entries[0]["because"]["bodySha256"].as_str().is_some_and(|hash| hash.len() == 64), "{}", entries[0]);
    Ok(())
}
