//! The keys of a ledger: where a backup has the master key, and what is done when one of them, or the ledger, is lost.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::{Copies, master, seller, text};
use crate::support::app::id;
use crate::support::place::Place;
use crate::support::{Backend, Error, TestApp, TestResult, database, on_both_stores};

on_both_stores!(
    the_master_key_is_in_a_backup_only_when_asked_for,
    what_is_lost_is_missed_and_not_made_anew,
    the_copy_of_the_keys_lies_in_its_place_or_outside,
);

async fn the_master_key_is_in_a_backup_only_when_asked_for(backend: Backend) -> TestResult {
    let (app, license, key) = seller(backend).await?;
    let home = tempfile::tempdir()?;
    let (without, with) = (home.path().join("without"), home.path().join("with"));
    let master = master(&app)?;
    // A rotated one that a scheduled job still has opens nothing.
    let mut stale = app.server.command(&["backup", "--to", text(&without), "--with-master-key", "--json"]);
    let stale = stale.env("KEYLEDGER_MASTER_KEY", "11".repeat(32)).output()?;
    let said = String::from_utf8(stale.stderr)?;
    assert!(!stale.status.success() && said.contains("KEYLEDGER_MASTER_KEY is not the one"), "{said}");
    assert!(!without.exists());
    let said = app.server.cli_output(&["backup", "--to", text(&without)], None).await?;
    let said = String::from_utf8(said.stdout)?;
    assert!(said.contains("The master key is not in the backup"), "{said}");
    assert!(said.contains("The keys lie beside the ledger"), "{said}");
    let buyers = app.server.cli(&["customer", "list", "--team", &app.team, "--json"]).await?;
    app.server.cli(&["customer", "forget", &id(&buyers[0])?, "--team", &app.team, "--json"]).await?;
    app.server.cli(&["backup", "--to", text(&with), "--with-master-key", "--json"]).await?;
    let holds = |folder: &Path| -> Result<bool, Error> {
        let mut found = false;
        for folder in [folder, &folder.join("keys")] {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                found |= path.is_file() && String::from_utf8_lossy(&fs::read(path)?).contains(master.trim());
            }
        }
        Ok(found)
    };
    assert_eq!((holds(&without)?, holds(&with)?), (false, true));
    // Nobody gave the place a key: it must not make one up.
    let place = Place::new(Backend::Sqlite, None).await?;
    let said = place.refusal(&["restore", "--from", text(&without), "--json"]).await?;
    assert!(said.contains("there is no master key at") && said.contains("master.key"), "{said}");
    // One that something else has made up meanwhile is not the copy's.
    let file = place.folder().join("data/master.key");
    fs::create_dir_all(place.folder().join("data"))?;
    fs::write(&file, "11".repeat(32))?;
    let said = place.refusal(&["restore", "--from", text(&with), "--json"]).await?;
    assert!(said.contains(text(&file)) && said.contains("move the other out of the way"), "{said}");
    fs::remove_file(&file)?;
    let restored = place.cli(&["restore", "--from", text(&with), "--json"]).await?;
    assert!(restored["masterKey"].is_string(), "{restored}");
    assert_eq!(restored["keysForgotten"], 0, "they were destroyed before: the copy does not have them");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(file)?.permissions());
    assert_eq!(mode & 0o777, 0o600);
    let shown = place.cli(&["license", "show", &license, "--json"]).await?;
    assert_eq!((id(&shown)?, &shown["key"]), (license, &json!(key)));
    Ok(())
}

/// What a command says that must fail, without a master key in its environment.
fn refusal(app: &TestApp, args: &[&str]) -> Result<String, Error> {
    let output = app.server.command(args).env_remove("KEYLEDGER_MASTER_KEY").output()?;
    if output.status.code() != Some(1) {
        return Err(format!("`keyledger {}` ended with {}", args.join(" "), output.status).into());
    }
    Ok(String::from_utf8(output.stderr)?)
}

/// Moves the files of a database with their logs out of the way, or back.
fn move_files(folder: &Path, from: &str, to: &str) -> TestResult {
    for log in ["", "-wal", "-shm"] {
        let path = folder.join(format!("{from}{log}"));
        if path.exists() {
            fs::rename(path, folder.join(format!("{to}{log}")))?;
        }
    }
    Ok(())
}

/// Guards: backups of a ledger whose keys are gone, which push the good ones out; a new master key in place of a lost one.
async fn what_is_lost_is_missed_and_not_made_anew(backend: Backend) -> TestResult {
    let (mut app, license, key) = seller(backend).await?;
    assert!(app.server.terminate().await?.success());
    let (copies, folder) = (Copies::new()?, app.server.folder().join("data"));
    let (list, backup) = (["license", "list", "--team", &app.team, "--json"], copies.backup());

    let master = folder.join("master.key");
    if backend == Backend::Sqlite {
        fs::rename(&master, folder.join("put away"))?;
    }
    let said = refusal(&app, &list)?;
    assert!(said.contains("there is no master key in") && said.contains("master.key"), "{said}");
    assert!(!master.exists(), "and none is made");
    match backend {
        Backend::Sqlite => {
            fs::rename(folder.join("put away"), &master)?;
            move_files(&folder, "ledger.db", "away.db")?;
            for args in [&list[..], &backup] {
                let said = refusal(&app, args)?;
                assert!(said.contains("there is no ledger in"), "{said}");
            }
            let said = refusal(&app, &["team", "create", "Another", "--json"])?;
            assert!(said.contains("has keys (keys.db) and no ledger"), "{said}");
            assert!(!folder.join("ledger.db").exists());
            move_files(&folder, "away.db", "ledger.db")?;
            move_files(&folder, "keys.db", "away.db")?;
        }
        Backend::Postgres => drop(database::run(&app.server, "ledger", "ALTER SCHEMA keys RENAME TO away").await?),
    }
    for args in [&list[..], &backup, &["team", "create", "Another", "--json"]] {
        let output = app.server.cli_output(args, None).await?;
        let said = String::from_utf8(output.stderr)?;
        assert!(output.status.code() == Some(1) && said.contains("its keys store is empty"), "{args:?}: {said}");
    }
    assert!(!copies.ledger.exists() && !copies.keys.exists());
    assert!(!folder.join("keys.db").exists(), "nothing is made where it is to be put back");
    match backend {
        Backend::Sqlite => move_files(&folder, "away.db", "keys.db")?,
        Backend::Postgres => {
            database::run(&app.server, "ledger", "DROP SCHEMA keys CASCADE").await?;
            database::run(&app.server, "ledger", "ALTER SCHEMA away RENAME TO keys").await?;
        }
    }
    let shown = app.server.cli(&["license", "show", &license, "--json"]).await?;
    assert_eq!(shown["key"], json!(key), "put back, all is well");
    Ok(())
}

/// Guards: a backup that is refused only after all of it was copied.
async fn the_copy_of_the_keys_lies_in_its_place_or_outside(backend: Backend) -> TestResult {
    let app = TestApp::builder(backend).build().await?;
    let home = tempfile::tempdir()?;
    let copy = home.path().join("copy");
    let backup = async |to: &Path, keys: &Path| {
        app.server.cli_output(&["backup", "--to", text(to), "--keys-to", text(keys), "--json"], None).await
    };
    for (to, keys, because) in [
        (copy.clone(), copy.join("."), "is to hold both copies"),
        (copy.clone(), copy.join("keys/further"), "lies in the other"),
        (copy.clone(), copy.join("others"), "lies in the other"),
        (copy.join("ledger"), copy.clone(), "lies in the other"),
    ] {
        let output = backup(&to, &keys).await?;
        let said = String::from_utf8(output.stderr)?;
        assert!(output.status.code() == Some(1) && said.contains(because), "{said}");
        assert_eq!(fs::read_dir(home.path())?.count(), 0, "nothing is copied");
    }
    let output = backup(&copy, &copy.join("keys/")).await?;
    assert!(output.status.success(), "{output:?}");
    assert!(copy.join("keys/manifest.json").exists());
    let place = Place::new(backend, Some(&master(&app)?)).await?;
    place.cli(&["restore", "--from", text(&copy), "--json"]).await?;
    Ok(())
}
