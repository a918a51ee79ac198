//! `keyledger audit keep`

use std::path::Path;

use super::verify;
use crate::admin::audit;
use crate::app::App;
use crate::cli::output::Output;
use crate::proofs::LogKey;

pub(super) async fn run(app: &App, folder: &Path, output: &mut Output) -> anyhow::Result<()> {
    let key = LogKey::open(&app.keys).await?;
    let bar = verify::bar();
    let kept = audit::keep(app, &key, folder, |done, all| verify::draw(&bar, done, all)).await;
    bar.finish_and_clear();
    let kept = kept?;
    if output.json {
        output.document(&kept)?;
    } else {
        verify::say(&kept.verified, output)?;
        if let Some(file) = &kept.file {
            output.line(&format!("kept in {}", file.display()))?;
        }
    }
    verify::judge(&kept.verified)
}
