//! Signing in: in which teams an address and a password are whose.

use keyledger_events::TeamId;
use keyledger_projections::{Member, view};

use super::{lookup, password};
use crate::admin::AdminError;
use crate::app::App;

/// Passwords that one attempt is compared with at most: somebody is a member of a few teams.
const COMPARED_MAX: usize = 10;

/// The memberships whose address and password these are. With an address that nobody has, it takes as long.
///
/// # Errors
/// When views or keys store do not answer.
pub async fn memberships(app: &App, email: &str, given: &str) -> Result<Vec<(TeamId, Member)>, AdminError> {
    app.catch_up(&[view::MEMBERS]).await?;
    let mut known = app.views.members_by_email(&lookup(&app.keys, email)).await?;
    known.retain(|(_, member)| member.joined());
    known.truncate(COMPARED_MAX);
    if known.is_empty() {
        password::verify(given, None).await?;
    }
    let mut opened = Vec::new();
    for (team, member) in known {
        let hash = password::hash_of(app, team, &member).await?;
        if password::verify(given, hash).await? {
            opened.push((team, member));
        }
    }
    Ok(opened)
}
