//! The second step: codes that an authenticator app shows (RFC 6238, SHA-1, six digits, 30 seconds). Each works once.

use keyledger_events::event::member::{MemberTotpDisabled, MemberTotpEnabled};
use keyledger_events::{AppendOutcome, AppendRequest, NewEvent, TeamId};
use keyledger_projections::{Member, view};
use totp_rs::{Builder, Secret, Totp};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{find, key_of, sealing, stream};
use crate::admin::{AdminError, CONFLICTS_MAX, by};
use crate::app::App;

/// Bytes of a secret (RFC 4226 section 4 recommends 160 bits).
const SECRET_BYTES: usize = 20;

/// What authenticator apps show beside the address.
const ISSUER: &str = "keyledger";

/// A new secret, in base32 as people type it.
pub fn new_totp_secret() -> Zeroizing<String> {
    let bytes = Zeroizing::new(rand::random::<[u8; SECRET_BYTES]>());
    Zeroizing::new(Secret::from(bytes.as_slice()).to_base32())
}

fn bad_secret() -> AdminError {
    AdminError::Invalid("the secret of the codes is not one of ours; begin again".to_owned())
}

fn codes(secret: Vec<u8>, account: &str) -> Result<Totp, AdminError> {
    let builder = Builder::new().with_secret(secret).with_account_name(account).with_issuer(Some(ISSUER));
    builder.build().map_err(|_| bad_secret())
}

fn bytes(secret: &str) -> Result<Vec<u8>, AdminError> {
    let secret = Secret::try_from_base32(secret).map_err(|_| bad_secret())?;
    let bytes = secret.as_ref().to_vec();
    if bytes.len() == SECRET_BYTES { Ok(bytes) } else { Err(bad_secret()) }
}

/// The address that authenticator apps read from a picture: `otpauth://totp/…`.
///
/// # Errors
/// When the secret is not one of ours.
pub fn totp_uri(secret: &str, email: &str) -> Result<String, AdminError> {
    // A colon would end the name.
    let account = email.replace(':', "");
    codes(bytes(secret)?, &account)?.to_url().map_err(|_| bad_secret())
}

/// Wants codes from a member from now on, once they have shown that they can make one.
///
/// # Errors
/// When the code is not right, or there is no such member.
pub async fn enable_totp(
    app: &App,
    actor: &str,
    team: TeamId,
    member_id: Uuid,
    secret: &str,
    code: &str,
) -> Result<(), AdminError> {
    let bytes = Zeroizing::new(bytes(secret)?);
    let Some(step) = step(bytes.to_vec(), code, app.clock.now().as_second())? else {
        return Err(AdminError::Invalid("the code is not right: type the one that the app shows now".to_owned()));
    };
    // Whoever saw this code being typed cannot sign in with it.
    app.activity.use_code(team, member_id, step).await?;
    for _ in 0..CONFLICTS_MAX {
        let member = find(app, team, member_id).await?;
        let key = key_of(app, &member).await?;
        let event = sealing(app, (team, member_id), &key, Member::TOTP_FIELD, &bytes, |secret| {
            MemberTotpEnabled { secret }.into()
        });
        let request = AppendRequest::new(team, by(actor)).expect(stream(member_id), member.version).event(event);
        if let AppendOutcome::Appended { .. } = app.writer.append(request).await? {
            app.catch_up(&[view::MEMBERS]).await?;
            return Ok(());
        }
    }
    Err(AdminError::Contended)
}

/// Wants no codes from a member from now on. Tells whether any were wanted.
///
/// # Errors
/// When there is no such member.
pub async fn disable_totp(app: &App, actor: &str, team: TeamId, member_id: Uuid) -> Result<bool, AdminError> {
    for _ in 0..CONFLICTS_MAX {
        let member = find(app, team, member_id).await?;
        if member.totp.is_none() {
            return Ok(false);
        }
        let event = NewEvent::new(stream(member_id), app.clock.now(), MemberTotpDisabled {});
        let request = AppendRequest::new(team, by(actor)).expect(stream(member_id), member.version).event(event);
        if let AppendOutcome::Appended { .. } = app.writer.append(request).await? {
            app.catch_up(&[view::MEMBERS]).await?;
            return Ok(true);
        }
    }
    Err(AdminError::Contended)
}

/// Whether a code is the member's, now, for the first time.
///
/// # Errors
/// When keys store or activity do not answer.
pub async fn check_totp(app: &App, team: TeamId, member: &Member, code: &str) -> Result<bool, AdminError> {
    let Some(secret) = &member.totp else { return Ok(false) };
    let opened = app.keys.open_unless_gone(secret.context(team, Member::TOTP_FIELD), &secret.value).await?;
    let Some(secret) = opened else { return Ok(false) };
    let Some(step) = step(secret.to_vec(), code, app.clock.now().as_second())? else { return Ok(false) };
    // A code that somebody looked at over the shoulder is worth nothing once it was used.
    Ok(app.activity.use_code(team, member.id, step).await?)
}

/// The step of time that a code belongs to, one before and one after the present one included.
fn step(secret: Vec<u8>, code: &str, now: i64) -> Result<Option<i64>, AdminError> {
    let code: String = code.chars().filter(|character| !character.is_whitespace()).collect();
    if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let now = u64::try_from(now).unwrap_or_default();
    Ok(codes(secret, "member")?.check(&code, now).and_then(|step| i64::try_from(step).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B: the secret is the ASCII of 12345678901234567890; at 59 s the code ends in 287082.
    #[test]
    fn codes_are_those_of_the_standard() -> Result<(), AdminError> {
        let secret = b"12345678901234567890".to_vec();
        assert_eq!(step(secret.clone(), "287 082", 59)?, Some(1));
        assert_eq!(step(secret.clone(), "287082", 89)?, Some(1), "one step late");
        assert_eq!(step(secret.clone(), "287082", 120)?, None, "two steps late");
        for bad in ["", "28708", "2870822", "28708x", "000000"] {
            assert_eq!(step(secret.clone(), bad, 59)?, None, "{bad}");
        }
        Ok(())
    }

    #[test]
    fn a_secret_is_shown_as_apps_read_it() -> Result<(), AdminError> {
        let secret = new_totp_secret();
        assert_eq!(bytes(&secret)?.len(), SECRET_BYTES);
        let uri = totp_uri(&secret, "ada:x@example.test")?;
        assert!(uri.starts_with("otpauth://totp/keyledger:adax%40example.test?"), "{uri}");
        assert!(uri.contains(secret.trim_end_matches('=')) && uri.contains("issuer=keyledger"), "{uri}");
        assert!(totp_uri("not base32!", "a@b.test").is_err() && totp_uri("MFRGG", "a@b.test").is_err());
        Ok(())
    }
}
