//! Golden files: one per event type and version, and one for the encoding under the leaf hash. What they hold is in
//! ledgers out there; it must read, and hash, the same for ever.
//!
//! `KEYLEDGER_BLESS=1` writes the files of the current versions afresh. A file whose version has been released is
//! never written again: the version rises instead, and an upcaster reads the old one.

mod delivery;
mod inbox;
mod leaf;
mod license;
mod member;
mod purchase;
mod settings;
mod webhook;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use keyledger_events::event::DecodeError;
use keyledger_events::{Event, Sealed, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestResult;

/// A realistic event of every type, in its current version.
fn samples() -> TestResult<Vec<Event>> {
    Ok([
        settings::samples()?,
        inbox::samples()?,
        purchase::samples()?,
        license::samples()?,
        delivery::samples()?,
        webhook::samples()?,
        member::samples()?,
    ]
    .concat())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// The content of a golden file, written first when blessing.
fn golden(file: &str, content: impl FnOnce() -> TestResult<String>) -> TestResult<String> {
    let path = folder().join(file);
    if std::env::var_os("KEYLEDGER_BLESS").is_some() {
        std::fs::write(&path, content()?)?;
    }
    std::fs::read_to_string(&path)
        .map_err(|error| format!("golden/{file}: {error}; KEYLEDGER_BLESS=1 writes it").into())
}

/// A fixed id; `n` tells ids apart.
fn uuid(n: u128) -> Uuid {
    Uuid::from_u128(0x0197_c5a2_7d00_7000_8000_0000_0000_0000 + n)
}

fn time(text: &str) -> TestResult<Timestamp> {
    Ok(text.parse()?)
}

/// A sealed value of fixed bytes under the key `key_id`: a nonce of 24 and a ciphertext of 32.
fn sealed(key_id: Uuid) -> TestResult<Sealed> {
    let bytes = [key_id.as_bytes().as_slice(), &[0x24; 24], &[0xc1; 32]].concat();
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    Ok(serde_json::from_value(json!({ "sealed": text }))?)
}

#[test]
fn every_type_has_a_golden_file_of_its_current_version() -> TestResult {
    let samples = samples()?;
    for (name, version) in Event::TYPES {
        let sample = samples.iter().find(|sample| sample.name() == *name).ok_or(format!("no sample of {name}"))?;
        let encoded: Value = serde_json::from_slice(&sample.encode()?)?;
        let file = golden(&format!("{name}.v{version}.json"), || Ok(serde_json::to_string_pretty(&encoded)? + "\n"))?;
        let stored: Value = serde_json::from_str(&file)?;
        assert_eq!(stored, encoded, "{name} is written another way than version {version} was: raise its version");
        assert_eq!(Event::decode(name, *version, file.as_bytes())?, *sample, "{name} is read another way");
    }
    Ok(())
}

#[test]
fn every_golden_file_of_any_version_reads() -> TestResult {
    let mut read = 0;
    for file in std::fs::read_dir(folder())? {
        let path = file?.path();
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("a file without a name")?;
        let Some((event, version)) = name.strip_suffix(".json").and_then(|name| name.split_once(".v")) else {
            continue;
        };
        let (version, newest) = (version.parse()?, Event::TYPES.iter().find(|(known, _)| *known == event));
        let (_, newest) = newest.ok_or(format!("{name}: its type is gone, but its events are not"))?;
        let content = std::fs::read(&path)?;
        let decoded = Event::decode(event, version, &content).map_err(|error| format!("{name}: {error}"))?;
        assert_eq!(decoded.name(), event);
        if version == *newest {
            let again: Value = serde_json::from_slice(&decoded.encode()?)?;
            assert_eq!(again, serde_json::from_slice::<Value>(&content)?, "{name} loses something when read");
        }
        read += 1;
    }
    assert!(read >= Event::TYPES.len(), "only {read} golden files");
    Ok(())
}

#[test]
fn what_a_newer_release_wrote_says_so() -> TestResult {
    let unknown = Event::decode("LicenseTeleported", 1, b"{}").err().ok_or("an unknown type was read")?;
    assert!(matches!(&unknown, DecodeError::UnknownType(name) if name == "LicenseTeleported"));
    assert_eq!(
        unknown.to_string(),
        "event type `LicenseTeleported` is unknown to this version of keyledger; upgrade it"
    );
    for (name, version) in Event::TYPES {
        let newer = Event::decode(name, version + 1, b"{}").err().ok_or("a newer version was read")?;
        assert_eq!(
            newer.to_string(),
            format!(
                "event type `{name}` has version {}, but this version of keyledger reads up to {version}; upgrade it",
                version + 1
            )
        );
    }
    let damaged = Event::decode("ProductRegistered", 1, b"{\"name\":7}").err().ok_or("a number was read as a name")?;
    assert!(damaged.to_string().starts_with("the payload of event type `ProductRegistered` cannot be read:"));
    Ok(())
}
