//! Members.

use keyledger_events::Event;
use keyledger_events::event::member::{
    DataRevealed, MemberInvited, MemberJoined, MemberPasswordChanged, MemberRegistered, MemberRemoved, MemberRole,
    MemberRoleChanged, MemberTotpDisabled, MemberTotpEnabled, RevealedKind,
};

use super::{sealed, time, uuid};
use crate::support::TestResult;

pub(super) fn samples() -> TestResult<Vec<Event>> {
    let lookup = || "5f".repeat(32);
    Ok(vec![
        MemberRegistered {
            email: sealed(uuid(40))?,
            email_lookup: lookup(),
            role: MemberRole::Owner,
            password: sealed(uuid(40))?,
        }
        .into(),
        MemberInvited {
            email: sealed(uuid(41))?,
            email_lookup: lookup(),
            role: MemberRole::Auditor,
            token_sha256: "c4".repeat(32),
            expires_at: time("2026-12-01T00:00:00Z")?,
        }
        .into(),
        MemberJoined { password: sealed(uuid(41))? }.into(),
        MemberRoleChanged { role: MemberRole::Support }.into(),
        MemberPasswordChanged { password: sealed(uuid(41))? }.into(),
        MemberTotpEnabled { secret: sealed(uuid(41))? }.into(),
        MemberTotpDisabled {}.into(),
        MemberRemoved {}.into(),
        DataRevealed { what: RevealedKind::LicenseKey, subject: uuid(42) }.into(),
    ])
}
