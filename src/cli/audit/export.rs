//! `keyledger audit export`

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use keyledger_events::Timestamp;
use keyledger_proof::bundle::Filter;
use serde_json::json;

use super::verify;
use crate::admin::export::{Export, Format};
use crate::admin::teams;
use crate::app::App;
use crate::cli::args::{AnyTeamArg, time};
use crate::cli::output::{Output, OutputError, note};
use crate::draft::Draft;
use crate::proofs::{LogKey, sign_now};

/// Links that are followed; as many as Linux follows.
const LINKS_MAX: usize = 40;

#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    /// A bundle with proofs (lines of JSON), or a table.
    #[arg(long, value_enum)]
    format: FormatArg,
    /// The file, a pipe or a device; - is standard output.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    team: AnyTeamArg,
    /// Only events recorded at this time or later: 2026-01-31T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Only events recorded before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Only events of this type; several are allowed.
    #[arg(long = "type", value_name = "NAME")]
    types: Vec<String>,
    /// Only events after this position.
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(i64).range(0..))]
    after: Option<i64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    Jsonl,
    Csv,
}

pub(super) async fn run(app: &App, args: ExportArgs, output: &mut Output) -> anyhow::Result<()> {
    let format = match args.format {
        FormatArg::Jsonl => Format::Jsonl,
        FormatArg::Csv => Format::Csv,
    };
    let filter = Filter {
        team: args.team.team.map(|team| team.0),
        from: args.from,
        until: args.until,
        types: args.types,
        after: args.after,
    };
    if let Some(team) = args.team.team {
        teams::expect_recorded(app, team).await?;
    }
    let key = LogKey::open(&app.keys).await?;
    let checkpoint = sign_now(app, &key).await?;
    let size = checkpoint.size;
    let mut export = Export::begin(app, key, format, filter, checkpoint).await?;
    if args.out == Path::new("-") {
        let failed = |error| OutputError::from(error).into();
        let events = copy(&mut export, size, io::stdout().lock(), failed).await?;
        note(&format!("{events} events of {size} written"));
        return Ok(());
    }
    let events = match std::fs::metadata(&args.out) {
        // A pipe or a device takes what it is given, and stays what it is.
        Ok(found) if !found.is_file() => {
            let target =
                OpenOptions::new().write(true).open(&args.out).map_err(|error| unwritable(&args.out, error))?;
            copy(&mut export, size, target, |error| unwritable(&args.out, error)).await?
        }
        _ => write_file(&mut export, size, &args.out).await?,
    };
    match output.json {
        true => output.document(&json!({ "file": args.out, "events": events, "checkpoint": size }))?,
        false => output.line(&format!("{events} events of {size} written to {}", args.out.display()))?,
    }
    Ok(())
}

/// A file that is there is complete: what breaks off leaves none. Where a link leads to the file, the link stays.
async fn write_file(export: &mut Export, size: u64, out: &Path) -> anyhow::Result<u64> {
    let failed = |error| unwritable(out, error);
    let (draft, file) = Draft::beside(&followed(out)).map_err(failed)?;
    let events = copy(export, size, &file, failed).await?;
    file.sync_all().and_then(|()| draft.finish()).map_err(failed)?;
    Ok(events)
}

fn unwritable(out: &Path, error: io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("cannot write {}", out.display()))
}

/// Where a path leads to, whether that is there or not.
fn followed(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match std::fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => break,
        }
    }
    path
}

/// Writes piece by piece; the number of events.
async fn copy(
    export: &mut Export,
    size: u64,
    mut to: impl Write,
    failed: impl Fn(io::Error) -> anyhow::Error,
) -> anyhow::Result<u64> {
    let bar = verify::bar();
    let done = async {
        while let Some(piece) = export.next().await? {
            to.write_all(&piece).map_err(&failed)?;
            verify::draw(&bar, export.position().0, i64::try_from(size).unwrap_or(i64::MAX));
        }
        to.flush().map_err(&failed)?;
        anyhow::Ok(export.written())
    };
    let done = done.await;
    bar.finish_and_clear();
    done
}
