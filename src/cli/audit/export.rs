//! `keyledger audit export`

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use keyledger_events::Timestamp;
use keyledger_proof::bundle::Filter;
use serde_json::json;

use super::verify;
use crate::admin::export::{Export, Format};
use crate::app::App;
use crate::cli::args::{AnyTeamArg, time};
use crate::cli::output::{Output, OutputError, note};
use crate::proofs::{LogKey, sign_now};

#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    /// A bundle with proofs (lines of JSON), or a table.
    #[arg(long, value_enum)]
    format: FormatArg,
    /// The file; - is standard output.
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
    let key = LogKey::open(&app.keys).await?;
    let checkpoint = sign_now(app, &key).await?;
    let size = checkpoint.size;
    let mut export = Export::begin(app, key, format, filter, checkpoint).await?;
    if args.out == Path::new("-") {
        let events = copy(&mut export, size, std::io::stdout().lock()).await?;
        note(&format!("{events} events of {size} written"));
        return Ok(());
    }
    // A file that is there is complete: what breaks off leaves none.
    let draft = draft(&args.out);
    let at = || format!("cannot write {}", draft.display());
    let file = File::create(&draft).with_context(at)?;
    let copied = copy(&mut export, size, &file).await;
    let done = copied.and_then(|events| {
        file.sync_all().with_context(at)?;
        std::fs::rename(&draft, &args.out).with_context(|| format!("cannot write {}", args.out.display()))?;
        Ok(events)
    });
    if done.is_err() {
        // What is left of it is of no use, and the reason is told anyway.
        let _ = std::fs::remove_file(&draft);
    }
    let events = done?;
    match output.json {
        true => output.document(&json!({ "file": args.out, "events": events, "checkpoint": size }))?,
        false => output.line(&format!("{events} events of {size} written to {}", args.out.display()))?,
    }
    Ok(())
}

/// Beside the file, so that it can be renamed.
fn draft(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    out.with_file_name(name)
}

/// Writes piece by piece; the number of events.
async fn copy(export: &mut Export, size: u64, mut to: impl Write) -> anyhow::Result<u64> {
    let bar = verify::bar();
    let done = async {
        while let Some(piece) = export.next().await? {
            to.write_all(&piece).map_err(OutputError::from)?;
            verify::draw(&bar, export.position().0, i64::try_from(size).unwrap_or(i64::MAX));
        }
        to.flush().map_err(OutputError::from)?;
        anyhow::Ok(export.written())
    };
    let done = done.await;
    bar.finish_and_clear();
    done
}
