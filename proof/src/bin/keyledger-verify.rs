//! `keyledger-verify`: checks an exported bundle, without the ledger and without a database.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Write as _};
use std::process::ExitCode;

use keyledger_proof::bundle::{self, Verdict};
use keyledger_proof::{Checkpoint, VerifierKey};
use serde_json::json;

const USAGE: &str = "\
Checks a bundle that `keyledger audit export --format jsonl` wrote: every event, every proof, every signature.

Usage: keyledger-verify [--key KEY] [--checkpoint NOTE]… [--json] BUNDLE

  BUNDLE             the file; - reads standard input
  --key KEY          the log's verifier key as its owner told it (keyledger audit key), or @FILE
  --checkpoint NOTE  a file with a checkpoint of the log that was kept elsewhere; several are allowed
  --json             say it in JSON
  --help, --version

Exit codes: 0 it verifies, 1 it does not (the reason is on standard error), 2 wrong usage.";

/// Bytes of the bundle read at once.
const BUFFER_BYTES: usize = 1 << 20;

/// What was asked for.
#[derive(Default)]
struct Args {
    bundle: Option<String>,
    key: Option<String>,
    checkpoints: Vec<String>,
    json: bool,
}

/// How the program ends.
enum End {
    Verified(Box<Verdict>, bool),
    Said(String),
    Usage(String),
    Failed(String),
}

fn main() -> ExitCode {
    let args = match parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(end) => return finish(end, false),
    };
    let end = check(&args).unwrap_or_else(End::Failed);
    finish(end, args.json)
}

fn parse(mut given: impl Iterator<Item = String>) -> Result<Args, End> {
    let mut args = Args::default();
    while let Some(argument) = given.next() {
        let mut value = || given.next().ok_or_else(|| End::Usage(format!("{argument} wants a value")));
        match argument.as_str() {
            "--key" => args.key = Some(value()?),
            "--checkpoint" => args.checkpoints.push(value()?),
            "--json" => args.json = true,
            "--help" | "-h" => return Err(End::Said(USAGE.to_owned())),
            "--version" => return Err(End::Said(format!("keyledger-verify {}", env!("CARGO_PKG_VERSION")))),
            option if option.starts_with('-') && option != "-" => {
                return Err(End::Usage(format!("there is no option {option}")));
            }
            _ if args.bundle.is_some() => return Err(End::Usage("one bundle at a time".to_owned())),
            _ => args.bundle = Some(argument),
        }
    }
    if args.bundle.is_none() { Err(End::Usage("the bundle is missing".to_owned())) } else { Ok(args) }
}

fn check(args: &Args) -> Result<End, String> {
    let key = args.key.as_deref().map(key).transpose()?;
    let name = args.bundle.as_deref().unwrap_or_default();
    let file: Box<dyn io::Read> = match name {
        "-" => Box::new(io::stdin().lock()),
        path => Box::new(File::open(path).map_err(|error| format!("{path}: {error}"))?),
    };
    let bundle = BufReader::with_capacity(BUFFER_BYTES, file);
    let kept = kept(args, key.as_ref())?;
    let verdict = bundle::verify(bundle, key.as_ref(), &kept).map_err(|error| format!("{name}: {error}"))?;
    Ok(End::Verified(Box::new(verdict), key.is_some()))
}

fn key(text: &str) -> Result<VerifierKey, String> {
    let text = match text.strip_prefix('@') {
        Some(path) => read(path)?,
        None => text.to_owned(),
    };
    text.trim().parse().map_err(|error| format!("--key: {error}"))
}

/// Checkpoints from elsewhere. They must be the log's, whose key must then be known.
fn kept(args: &Args, key: Option<&VerifierKey>) -> Result<Vec<Checkpoint>, String> {
    let open = |path: &String| {
        let key = key.ok_or("--checkpoint needs --key: a checkpoint proves something only by a key that is known")?;
        Checkpoint::open(key, &read(path)?).map_err(|error| format!("{path}: {error}"))
    };
    args.checkpoints.iter().map(open).collect()
}

fn read(path: &str) -> Result<String, String> {
    let limit = u64::try_from(keyledger_proof::note::NOTE_BYTES_MAX).unwrap_or(u64::MAX);
    let mut text = String::new();
    let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
    file.take(limit).read_to_string(&mut text).map_err(|error| format!("{path}: {error}"))?;
    Ok(text)
}

fn finish(end: End, json: bool) -> ExitCode {
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    // Nobody is there to tell if the streams are gone; the exit code says it all the same.
    match end {
        End::Verified(verdict, pinned) => {
            let _ = if json { say_json(&mut out, &verdict) } else { say(&mut out, &verdict) };
            if !pinned {
                let _ = writeln!(err, "note: the key is the bundle's own word; give the one you know with --key");
            }
            ExitCode::SUCCESS
        }
        End::Said(text) => {
            let _ = writeln!(out, "{text}");
            ExitCode::SUCCESS
        }
        End::Usage(problem) => {
            let _ = writeln!(err, "error: {problem}\n\n{USAGE}");
            ExitCode::from(2)
        }
        End::Failed(problem) => {
            if json {
                let _ = writeln!(out, "{}", json!({ "ok": false, "problem": problem }));
            }
            let _ = writeln!(err, "error: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn say_json(out: &mut impl io::Write, verdict: &Verdict) -> io::Result<()> {
    let mut document = serde_json::to_value(verdict)?;
    document["ok"] = true.into();
    writeln!(out, "{document}")
}

fn say(out: &mut impl io::Write, verdict: &Verdict) -> io::Result<()> {
    let Verdict { log, events, size, root, exported_at, filter, .. } = verdict;
    let places = match (verdict.first, verdict.last) {
        (Some(first), Some(last)) => format!(", positions {first} to {last}"),
        _ => String::new(),
    };
    writeln!(out, "the bundle verifies: {events} events{places}")?;
    if !filter.is_everything() {
        writeln!(out, "only   {}", serde_json::to_string(filter)?)?;
    }
    writeln!(out, "tree   {size} events, root {root}")?;
    writeln!(out, "log    {log}")?;
    writeln!(out, "made   {exported_at}")
}
