//! `keyledger audit checkpoint`, `key`, `prove` and `consistency`.

use anyhow::anyhow;
use keyledger_events::Position;
use serde_json::json;

use crate::app::App;
use crate::cli::output::Output;
use crate::proofs::{self, Consistency, Inclusion, LogKey, checkpoint_json, sign_now};

/// People get the note as it is, to be piped into a file.
pub(super) async fn checkpoint(app: &App, sign: bool, output: &mut Output) -> anyhow::Result<()> {
    let key = LogKey::open(&app.keys).await?;
    let checkpoint = match sign {
        true => sign_now(app, &key).await?,
        false => {
            let none = || anyhow!("no checkpoint is signed yet; `keyledger audit checkpoint --sign` signs one");
            app.proofs.newest_checkpoint().await?.ok_or_else(none)?
        }
    };
    match output.json {
        true => output.document(&checkpoint_json(&key, &checkpoint))?,
        false => output.line(checkpoint.note.trim_end())?,
    }
    Ok(())
}

pub(super) async fn key(app: &App, output: &mut Output) -> anyhow::Result<()> {
    let key = LogKey::open(&app.keys).await?;
    match output.json {
        true => output.document(&json!({ "log": key.key().to_string(), "origin": key.key().name() }))?,
        false => output.line(&key.key().to_string())?,
    }
    Ok(())
}

pub(super) async fn inclusion(
    app: &App,
    position: Position,
    size: Option<u64>,
    output: &mut Output,
) -> anyhow::Result<()> {
    let key = LogKey::open(&app.keys).await?;
    let newest = app.proofs.newest_checkpoint().await?.map_or(0, |newest| newest.size);
    if size.is_none() && position.0 > 0 && newest < position.0.unsigned_abs() {
        // The newest events are proved as well as the old ones.
        sign_now(app, &key).await?;
    }
    let proof = proofs::inclusion(app, &key, None, position, size).await?;
    if output.json {
        return Ok(output.document(&proof)?);
    }
    let Inclusion { event_id, leaf_hash, path, checkpoint, .. } = proof;
    output.line(&format!("event {event_id} at position {position} is in the tree over {} events", checkpoint.size))?;
    output.line(&format!("leaf {leaf_hash}"))?;
    lines(&path, output)?;
    output.line(&format!("root {}\n\n{}", checkpoint.root, checkpoint.note.trim_end()))?;
    Ok(())
}

pub(super) async fn consistency(app: &App, from: u64, to: Option<u64>, output: &mut Output) -> anyhow::Result<()> {
    let key = LogKey::open(&app.keys).await?;
    let proof = proofs::consistency(app, &key, from, to).await?;
    if output.json {
        return Ok(output.document(&proof)?);
    }
    let Consistency { from_root, to, to_root, path, .. } = proof;
    output.line(&format!("the tree over {from} events is the beginning of the tree over {to}"))?;
    output.line(&format!("root over {from}: {from_root}"))?;
    output.line(&format!("root over {to}: {to_root}"))?;
    lines(&path, output)
}

fn lines(path: &[String], output: &mut Output) -> anyhow::Result<()> {
    Ok(path.iter().try_for_each(|hash| output.line(&format!("     {hash}")))?)
}
