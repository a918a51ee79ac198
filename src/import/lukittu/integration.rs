//! Connections to Stripe and Polymart: with their secrets, so that only the address at the provider has to change.

use keyledger_events::event::inbox::Provider;
use keyledger_events::event::integration::SecretKind;
use secrecy::SecretString;

use super::error::ImportError;
use super::rows::IntegrationRow;
use super::{ACTOR, Progress, Step};
use crate::admin::integrations::{self, IntegrationChange, NewSecret};
use crate::admin::{AdminError, teams};

/// Imports the team's connections, each unless the team has one to that provider already.
pub(super) async fn import(step: &mut Step<'_>) -> Result<(), ImportError> {
    if let Some(row) = step.source.stripe(&step.scope.lukittu).await? {
        set(step, "StripeIntegration", Provider::Stripe, SecretKind::ApiKey, &row).await?;
    }
    if let Some(row) = step.source.polymart(&step.scope.lukittu).await? {
        set(step, "PolymartIntegration", Provider::Polymart, SecretKind::Signing, &row).await?;
    }
    Ok(())
}

async fn set(
    step: &mut Step<'_>,
    table: &'static str,
    provider: Provider,
    other: SecretKind,
    row: &IntegrationRow,
) -> Result<(), ImportError> {
    let (app, team) = (step.app, step.scope.team);
    let counts = &mut step.report.integrations;
    counts.found += 1;
    (step.progress)(Progress { table, done: counts.found });
    if app.fresh_team(team).await?.is_some_and(|team| team.config.integration(provider).is_some()) {
        counts.present += 1;
        return Ok(());
    }
    let secret = |kind, value: &str| {
        let value = value.trim();
        (!value.is_empty()).then(|| NewSecret { kind, value: SecretString::from(value.to_owned()) })
    };
    let secrets = [secret(SecretKind::Webhook, &row.webhook_secret), secret(other, &row.other_secret)];
    let secrets = secrets.into_iter().flatten().collect();
    let change = IntegrationChange { secrets, api_base: None, active: Some(row.active) };
    if step.scope.dry_run {
        counts.imported += 1;
        return Ok(());
    }
    teams::find(app, team).await?;
    match integrations::set(app, ACTOR, team, provider, &change).await {
        Ok(_) => counts.imported += 1,
        Err(AdminError::Invalid(problem) | AdminError::Refused(problem)) => {
            counts.skipped += 1;
            step.report.problem(table, &row.id, problem);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
