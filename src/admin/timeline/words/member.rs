//! What members do about themselves and each other.

use keyledger_events::Event;
use keyledger_events::event::member::RevealedKind;

use super::time;

pub(super) fn sentence(event: &Event) -> Option<String> {
    Some(match event {
        Event::MemberRegistered(e) => format!("the first member signed up, as {}", e.role),
        Event::MemberInvited(e) => {
            format!("somebody was invited as {}; the invitation is good until {}", e.role, time(e.expires_at))
        }
        Event::MemberJoined(_) => "the invited member chose a password and joined".to_owned(),
        Event::MemberRoleChanged(e) => format!("the member\u{2019}s role is now {}", e.role),
        Event::MemberPasswordChanged(_) => "the member chose another password".to_owned(),
        Event::MemberTotpEnabled(_) => "the member signs in with a code as well from now on".to_owned(),
        Event::MemberTotpDisabled(_) => "the member signs in without a code from now on".to_owned(),
        Event::MemberRemoved(_) => "the member was removed from the team".to_owned(),
        Event::DataRevealed(e) => format!("the member looked at {} ({})", revealed(e.what), e.subject),
        _ => return None,
    })
}

fn revealed(what: RevealedKind) -> &'static str {
    match what {
        RevealedKind::LicenseKey => "a licence\u{2019}s key",
        RevealedKind::Customer => "a customer\u{2019}s personal data",
        RevealedKind::Payload => "the body of a provider\u{2019}s delivery",
        RevealedKind::Mail => "a mail",
        RevealedKind::Secret => "a secret",
    }
}
