//! Teams: made with a key pair of their own, listed, found.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use keyledger_events::event::team::TeamRegistered;
use keyledger_events::sealed::SealContext;
use keyledger_events::{AppendOutcome, AppendRequest, NewEvent, StreamId, StreamKind, TeamId, id};
use keyledger_projections::{TeamConfig, view};
use zeroize::Zeroizing;

use super::{AdminError, by, names};
use crate::app::App;

/// Characters of a PEM line (RFC 7468 section 2).
const PEM_LINE: usize = 64;

/// A team that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTeam {
    /// Its id.
    pub id: TeamId,
    /// Its name.
    pub name: String,
    /// Base64 of the PEM of its RSA public key.
    pub public_key: String,
}

/// A key pair in the forms that are kept and shown.
pub(crate) struct TeamKeyPair {
    pub(crate) pkcs8: Zeroizing<Vec<u8>>,
    pub(crate) public_key: String,
}

/// Makes a key pair, which takes a moment, where nobody waits for it.
pub(crate) async fn new_key_pair() -> Result<TeamKeyPair, AdminError> {
    tokio::task::spawn_blocking(key_pair).await.map_err(|error| AdminError::KeyPair(error.to_string()))?
}

/// Makes a team with a data key and an RSA-2048 key pair of its own.
///
/// # Errors
/// When the name cannot be used or the ledger cannot take it.
pub async fn create(app: &App, actor: &str, name: &str) -> Result<NewTeam, AdminError> {
    let (team, request) = registration(app, actor, name).await?;
    match app.writer.append(request).await? {
        AppendOutcome::Appended { .. } => Ok(team),
        AppendOutcome::AlreadyApplied { .. } | AppendOutcome::Conflict { .. } => Err(AdminError::Contended),
    }
}

/// A new team, and the append that makes it, to which more may be added that is to happen with it or not at all.
///
/// # Errors
/// When the name cannot be used.
pub(super) async fn registration(app: &App, actor: &str, name: &str) -> Result<(NewTeam, AppendRequest), AdminError> {
    let name = names::checked("team", name)?;
    let pair = new_key_pair().await?;
    let team = TeamId(id::fresh());
    let (stream, event_id) = (StreamId::new(StreamKind::Team, team.0), id::fresh());
    let (key, wrapped) = app.keys.generate(team.0);
    let context = SealContext { team, event_id, field: TeamConfig::PRIVATE_KEY_FIELD };
    let registered = TeamRegistered {
        name: name.clone(),
        public_key: pair.public_key.clone(),
        private_key: key.seal(context, &pair.pkcs8),
    };
    let event = NewEvent { stream, event_id, occurred_at: app.clock.now(), event: registered.into() };
    let mut request = AppendRequest::new(team, by(actor)).expect(stream, 0).event(event);
    request.keys.push(wrapped);
    Ok((NewTeam { id: team, name, public_key: pair.public_key }, request))
}

fn key_pair() -> Result<TeamKeyPair, AdminError> {
    let failed = |_| AdminError::KeyPair("the cryptographic library refused".to_owned());
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed)?;
    let public_key = BASE64.encode(pem("PUBLIC KEY", spki.as_ref()));
    Ok(TeamKeyPair { pkcs8: Zeroizing::new(pkcs8.as_ref().to_vec()), public_key })
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = BASE64.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(PEM_LINE));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// All teams, oldest first.
///
/// # Errors
/// When the views do not answer.
pub async fn list(app: &App) -> Result<Vec<TeamConfig>, AdminError> {
    app.catch_up(&[view::TEAMS]).await?;
    Ok(app.views.teams().await?)
}

/// The team as the ledger has it now.
///
/// # Errors
/// When there is none of this id.
pub async fn find(app: &App, team: TeamId) -> Result<TeamConfig, AdminError> {
    app.catch_up(&[view::TEAMS]).await?;
    app.views.team(team).config().await?.ok_or(AdminError::NoTeam(team))
}

/// The ids of one team, which must exist, or of all.
///
/// # Errors
/// When there is no such team.
pub async fn ids(app: &App, team: Option<TeamId>) -> Result<Vec<TeamId>, AdminError> {
    match team {
        Some(team) => Ok(vec![find(app, team).await?.id]),
        None => Ok(list(app).await?.into_iter().map(|team| team.id).collect()),
    }
}

/// Makes sure that a team is in the ledger, for what needs no view.
///
/// # Errors
/// When there is no such team.
pub async fn expect_recorded(app: &App, team: TeamId) -> Result<(), AdminError> {
    let versions = app.ledger.stream_version(team, StreamId::new(StreamKind::Team, team.0)).await?;
    if versions > 0 { Ok(()) } else { Err(AdminError::NoTeam(team)) }
}

/// The given team, or the only one there is.
///
/// # Errors
/// When there is no such team, or there are several to choose from.
pub async fn one(app: &App, team: Option<TeamId>) -> Result<TeamId, AdminError> {
    match ids(app, team).await?.as_slice() {
        [team] => Ok(*team),
        [] => Err(AdminError::Invalid("there is no team yet; `keyledger team create` makes one".to_owned())),
        teams => {
            let message =
                format!("there are {} teams: say which with --team; `keyledger team list` shows them", teams.len());
            Err(AdminError::Invalid(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_key_is_a_pem_that_others_read() -> Result<(), Box<dyn std::error::Error>> {
        let pair = key_pair()?;
        let text = String::from_utf8(BASE64.decode(&pair.public_key)?)?;
        assert!(text.starts_with("-----BEGIN PUBLIC KEY-----\n") && text.ends_with("\n-----END PUBLIC KEY-----\n"));
        assert!(text.lines().all(|line| line.len() <= PEM_LINE));
        let der: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
        // An SPKI of RSA-2048 has 294 bytes; the private key reads back as the same pair.
        assert_eq!(BASE64.decode(&der)?.len(), 294);
        let again = KeyPair::from_pkcs8(&pair.pkcs8).map_err(|error| error.to_string())?;
        let spki: PublicKeyX509Der<'_> = again.public_key().as_der().map_err(|error| error.to_string())?;
        assert_eq!(BASE64.encode(spki.as_ref()), der);
        Ok(())
    }
}
