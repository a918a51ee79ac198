//! Passwords, kept as Argon2id hashes.

use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use keyledger_events::event::member::MemberPasswordChanged;
use keyledger_events::{AppendOutcome, AppendRequest, TeamId};
use keyledger_projections::{Member, view};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{find, key_of, memberships, normal, sealing, stream};
use crate::admin::{AdminError, CONFLICTS_MAX, by};
use crate::app::App;
use crate::opened;

/// The shortest password, in characters.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// The longest password, in characters.
pub const PASSWORD_CHARS_MAX: usize = 1_000;
/// Memory of one hash, in KiB (OWASP's first recommendation for Argon2id).
const MEMORY_KIB: u32 = 19 * 1_024;
/// Passes over it.
const PASSES: u32 = 2;
/// Hashes that are computed at once, in one process: each takes a core and 19 MiB.
const HASHES_MAX: usize = 2;

static PLACES: Semaphore = Semaphore::const_new(HASHES_MAX);

/// The hash of a password that nobody has, for those who have no account: they wait as long as others.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash_now("a password that nobody has").ok());

fn argon2() -> Result<Argon2<'static>, AdminError> {
    let parameters = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| unusable(&error))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters))
}

fn unusable(error: &dyn std::fmt::Display) -> AdminError {
    AdminError::Refused(format!("the password could not be hashed: {error}"))
}

fn hash_now(password: &str) -> Result<String, AdminError> {
    Ok(argon2()?.hash_password(password.as_bytes()).map_err(|error| unusable(&error))?.to_string())
}

fn is_right(password: &str, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    // The parameters are those of the hash: older hashes stay good when ours rise.
    Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

/// Checks an address and a password that are to be somebody's.
///
/// # Errors
/// When either cannot be used.
pub fn check_new(email: &str, password: &str) -> Result<(), AdminError> {
    super::invite::check_email(email)?;
    let characters = password.chars().count();
    if characters < PASSWORD_CHARS_MIN {
        let message = format!("the password has {characters} characters; at least {PASSWORD_CHARS_MIN} are needed");
        return Err(AdminError::Invalid(message));
    }
    if characters > PASSWORD_CHARS_MAX {
        let message = format!("the password has {characters} characters; at most {PASSWORD_CHARS_MAX} are allowed");
        return Err(AdminError::Invalid(message));
    }
    if normal(password) == normal(email) {
        return Err(AdminError::Invalid("the password is the mail address; choose another".to_owned()));
    }
    Ok(())
}

/// The hash of a password, computed beside the tasks that serve.
pub(super) async fn hash(password: &str) -> Result<String, AdminError> {
    in_a_place(password, hash_now).await?
}

/// Works on a password beside the tasks that serve. The work keeps its place until it is done, even when nobody waits for
/// it any more: who hangs up early must not have more hashes computed than those who wait.
async fn in_a_place<T: Send + 'static>(
    password: &str,
    work: impl FnOnce(&str) -> T + Send + 'static,
) -> Result<T, AdminError> {
    let place = PLACES.acquire().await.map_err(|error| unusable(&error))?;
    let password = SecretString::from(password);
    let working = tokio::task::spawn_blocking(move || {
        let done = work(password.expose_secret());
        drop(place);
        done
    });
    working.await.map_err(|error| unusable(&error))
}

/// Whether a password fits a hash; without one, it takes as long and does not.
pub(super) async fn verify(password: &str, hash: Option<String>) -> Result<bool, AdminError> {
    if password.chars().count() > PASSWORD_CHARS_MAX {
        return Ok(false);
    }
    let verifying = in_a_place(password, move |password| match hash {
        Some(hash) => is_right(password, &hash),
        None => {
            let _ = NOBODY.as_deref().map(|hash| is_right(password, hash));
            false
        }
    });
    verifying.await
}

/// The hash of a member's password; `None` for who has none.
pub(super) async fn hash_of(app: &App, team: TeamId, member: &Member) -> Result<Option<String>, AdminError> {
    Ok(opened::text(app, team, member.password.as_ref(), Member::PASSWORD_FIELD).await?)
}

/// Whether a password is the member's.
///
/// # Errors
/// When there is no such member, or the keys store does not answer.
pub async fn check_password(app: &App, team: TeamId, member_id: Uuid, password: &str) -> Result<bool, AdminError> {
    let member = find(app, team, member_id).await?;
    verify(password, hash_of(app, team, &member).await?).await
}

/// Gives somebody who knows their password another one, in every team where the old one opens for their address: whoever
/// has learnt it must find it shut everywhere. Ends their sessions, all but the one of the handle `kept`. Tells whose
/// password it is now, the member who asked first.
///
/// # Errors
/// When `old` is not the member's, `new` cannot be used, or there is no such member.
pub async fn change_own_password(
    app: &App,
    (team, member_id): (TeamId, Uuid),
    old: &str,
    new: &str,
    kept: Option<&str>,
) -> Result<Vec<(TeamId, Uuid)>, AdminError> {
    if !check_password(app, team, member_id, old).await? {
        return Err(AdminError::Invalid("that is not your present password".to_owned()));
    }
    let email = super::email(app, team, &find(app, team, member_id).await?).await?.unwrap_or_default();
    check_new(&email, new)?;
    let mut changed = vec![(team, member_id)];
    for (other, member) in memberships(app, &email, old).await? {
        if other != team {
            changed.push((other, member.id));
        }
    }
    // The member's own last: if this breaks off, the old password still asks for it again.
    for (team, id) in changed.iter().rev() {
        change_password(app, &super::actor(*id), *team, *id, new, kept).await?;
    }
    Ok(changed)
}

/// Gives a member another password and ends their sessions, all but the one of the handle `kept`.
///
/// # Errors
/// When it cannot be used, or there is no such member.
pub async fn change_password(
    app: &App,
    actor: &str,
    team: TeamId,
    member_id: Uuid,
    new: &str,
    kept: Option<&str>,
) -> Result<(), AdminError> {
    for _ in 0..CONFLICTS_MAX {
        let member = find(app, team, member_id).await?;
        let email = super::email(app, team, &member).await?.unwrap_or_default();
        check_new(&email, new)?;
        let hash = hash(new).await?;
        let key = key_of(app, &member).await?;
        let event = sealing(app, (team, member_id), &key, Member::PASSWORD_FIELD, hash.as_bytes(), |password| {
            MemberPasswordChanged { password }.into()
        });
        let request = AppendRequest::new(team, by(actor)).expect(stream(member_id), member.version).event(event);
        if let AppendOutcome::Appended { .. } = app.writer.append(request).await? {
            app.catch_up(&[view::MEMBERS]).await?;
            app.activity.sessions(app.clock.clone()).end_all_of(team, member_id, kept).await?;
            return Ok(());
        }
    }
    Err(AdminError::Contended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_opens_with_its_password_alone_and_names_its_parameters() -> Result<(), AdminError> {
        let hash = hash_now("correct horse battery")?;
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(is_right("correct horse battery", &hash) && !is_right("correct horse batterz", &hash));
        assert!(!is_right("correct horse battery", "not a hash"));
        Ok(())
    }

    #[test]
    fn a_password_has_twelve_characters_and_is_not_the_address() {
        let check = |password: &str| check_new("ada@example.test", password).is_ok();
        assert!(check("äöüäöüäöüäöü") && !check("elevenchars") && !check(&"x".repeat(1_001)));
        assert!(!check(" ADA@example.test "));
        assert!(check_new("nobody", "correct horse battery").is_err());
    }
}
