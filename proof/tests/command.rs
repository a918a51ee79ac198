//! What somebody sees who checks a bundle with `keyledger-verify`.

use std::process::{Command, Output};

use jiff::Timestamp;
use keyledger_proof::bundle::{BundleWriter, EventLine, Filter};
use keyledger_proof::{Checkpoint, Frontier, Leaf, NoteSigner};

type TestResult<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn signer(seed: u8) -> TestResult<NoteSigner> {
    Ok(NoteSigner::from_seed(&[seed; 32], |_| "example.com/log".to_owned())?)
}

fn leaf<'a>(position: i64, payload: &'a [u8]) -> Leaf<'a> {
    Leaf {
        position,
        team: &[1; 16],
        stream: "license-00000000-0000-0000-0000-000000000001",
        stream_version: position,
        event_id: &[2; 16],
        event_type: "LicenseSuspended",
        schema_version: 1,
        occurred_at: -1_500_000,
        recorded_at: 1_767_355_200_123_456,
        causation: None,
        correlation: Some(&[3; 16]),
        actor: "test",
        payload,
    }
}

/// Payloads as the ledger writes them, and some that no bundle's line could hold as they are.
const PAYLOADS: [&[u8]; 5] = [br#"{"reason":"one"}"#, b"{ }", b"[1,\n2]", b" 7", b"\xff\xfe"];

fn bundle(signer: &NoteSigner) -> TestResult<Vec<u8>> {
    let leaves: Vec<Leaf<'_>> = (1..).zip(PAYLOADS).map(|(position, payload)| leaf(position, payload)).collect();
    let mut tree = Frontier::default();
    leaves.iter().for_each(|leaf| tree.push(leaf.hash()));
    let checkpoint = Checkpoint::sign(signer, tree.size(), &tree.root());
    let mut out = Vec::new();
    let mut writer = BundleWriter::begin(signer, &checkpoint, &Filter::default(), Timestamp::UNIX_EPOCH, &mut out)?;
    for leaf in &leaves {
        let time = Timestamp::from_microsecond;
        writer.event(&EventLine::new(leaf, time(leaf.occurred_at)?, time(leaf.recorded_at)?), &mut out)?;
    }
    writer.end(signer, &mut out)?;
    Ok(out)
}

fn verify(args: &[&str]) -> TestResult<Output> {
    Ok(Command::new(env!("CARGO_BIN_EXE_keyledger-verify")).args(args).output()?)
}

#[test]
fn a_bundle_verifies_and_a_changed_one_does_not() -> TestResult {
    let signer = signer(1)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("history.jsonl");
    let path = file.to_str().ok_or("no path")?;
    let key = signer.key().to_string();
    let good = bundle(&signer)?;
    std::fs::write(&file, &good)?;
    let output = verify(&["--key", &key, path])?;
    let said = String::from_utf8(output.stdout)?;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("5 events, positions 1 to 5") && said.contains(&key), "{said}");
    assert!(output.stderr.is_empty(), "nothing to note when the key is known");
    let json: serde_json::Value = serde_json::from_slice(&verify(&["--json", path])?.stdout)?;
    assert_eq!((&json["ok"], &json["events"], &json["log"]), (&true.into(), &5.into(), &key.as_str().into()));

    for (at, _) in good.iter().enumerate() {
        let mut changed = good.clone();
        changed[at] ^= 4;
        assert!(keyledger_proof::bundle::verify(&changed[..], Some(signer.key()), &[]).is_err(), "byte {at}");
    }
    let text = String::from_utf8(good)?;
    std::fs::write(&file, text.replacen("\"one\"", "\"two\"", 1))?;
    let output = verify(&["--key", &key, path])?;
    let said = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("line 2 (the event at position 1)"), "{said}");
    Ok(())
}

#[test]
fn a_bundle_of_another_log_is_refused_where_the_key_is_known() -> TestResult {
    let (ours, theirs) = (signer(1)?, signer(2)?);
    let folder = tempfile::tempdir()?;
    let (file, key) = (folder.path().join("history.jsonl"), folder.path().join("log.key"));
    std::fs::write(&file, bundle(&theirs)?)?;
    std::fs::write(&key, format!("{}\n", ours.key()))?;
    let path = file.to_str().ok_or("no path")?;
    let output = verify(&[path])?;
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stderr)?.contains("own word"));
    let output = verify(&["--key", &format!("@{}", key.display()), path])?;
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

#[test]
fn wrong_usage_is_told_apart_from_a_bad_bundle() -> TestResult {
    for args in [&[][..], &["--nonsense", "x"], &["a", "b"], &["--key"]] {
        assert_eq!(verify(args)?.status.code(), Some(2), "{args:?}");
    }
    for args in [&["/nowhere/at/all"][..], &["--key", "nonsense", "x"], &["--checkpoint", "x", "y"]] {
        assert_eq!(verify(args)?.status.code(), Some(1), "{args:?}");
    }
    for args in [["--help"], ["--version"]] {
        let output = verify(&args)?;
        assert!(output.status.success() && String::from_utf8(output.stdout)?.contains("keyledger-verify"));
    }
    Ok(())
}
