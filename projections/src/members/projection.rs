//! One row a member.

use keyledger_events::event::member::{MemberInvited, MemberRole};
use keyledger_events::id::StreamKind;
use keyledger_events::{Event, Position, RecordedEvent, Sealed, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::db::Value;
use crate::fold::{Fold, Key, from_json, to_json};
use crate::sealed_field::SealedField;
use crate::table::{Column, Index, Table};

/// A member, or somebody who was invited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Their id.
    pub id: Uuid,
    /// The mail address; the field is [`Member::EMAIL_FIELD`]. `None` for who was removed.
    pub email: Option<SealedField>,
    /// Hex of the keyed fingerprint of the address.
    pub email_lookup: String,
    /// What they may do.
    pub role: MemberRole,
    /// The password's hash; the field is [`Member::PASSWORD_FIELD`]. `None` before they have joined.
    pub password: Option<SealedField>,
    /// The secret of the codes; the field is [`Member::TOTP_FIELD`]. `None` where none are wanted.
    pub totp: Option<SealedField>,
    /// The invitation that is not taken up yet.
    pub invitation: Option<Invitation>,
    /// Whether they are no member any more.
    pub removed: bool,
    /// When they were first heard of.
    pub created_at: Timestamp,
    /// The place of that in the ledger; members are listed by it.
    pub created_position: Position,
    /// When they last changed.
    pub updated_at: Timestamp,
    /// The number of events in their stream.
    pub version: i64,
}

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Hex of the SHA-256 of its token.
    pub token_sha256: String,
    /// When it stops working.
    pub expires_at: Timestamp,
}

impl Member {
    /// The field of MemberRegistered and MemberInvited that holds the mail address.
    pub const EMAIL_FIELD: &'static str = "email";
    /// The field that holds the password's hash.
    pub const PASSWORD_FIELD: &'static str = "password";
    /// The field of MemberTotpEnabled that holds the secret.
    pub const TOTP_FIELD: &'static str = "secret";

    /// Whether they can sign in.
    pub fn joined(&self) -> bool {
        self.password.is_some() && !self.removed
    }

    /// The data key that is theirs; `None` for who was removed.
    pub fn key_id(&self) -> Option<Uuid> {
        self.email.as_ref().map(|email| email.value.key_id())
    }

    /// Folds the next event of the stream into the state.
    pub fn evolve(state: Option<Self>, recorded: &RecordedEvent, event: &Event) -> Option<Self> {
        let sealed = |value: &Sealed| Some(SealedField::new(value, recorded.event_id));
        let begun = |email: &Sealed, lookup: &str, role| Self {
            id: recorded.stream.id,
            email: sealed(email),
            email_lookup: lookup.to_owned(),
            role,
            password: None,
            totp: None,
            invitation: None,
            removed: false,
            created_at: recorded.recorded_at,
            created_position: recorded.position,
            updated_at: recorded.recorded_at,
            version: recorded.stream_version,
        };
        let mut member = match (state, event) {
            (None, Event::MemberRegistered(e)) => {
                let member = begun(&e.email, &e.email_lookup, e.role);
                return Some(Self { password: sealed(&e.password), ..member });
            }
            (None, Event::MemberInvited(e)) => begun(&e.email, &e.email_lookup, e.role),
            (None, _) => return None,
            (Some(member), _) => member,
        };
        match event {
            Event::MemberInvited(e) => member.invited(e, recorded),
            Event::MemberJoined(e) => (member.password, member.invitation) = (sealed(&e.password), None),
            Event::MemberRoleChanged(e) => member.role = e.role,
            Event::MemberPasswordChanged(e) => member.password = sealed(&e.password),
            Event::MemberTotpEnabled(e) => member.totp = sealed(&e.secret),
            Event::MemberTotpDisabled(_) => member.totp = None,
            Event::MemberRemoved(_) => {
                (member.email, member.password, member.totp, member.invitation) = (None, None, None, None);
                member.removed = true;
            }
            _ => {}
        }
        member.updated_at = recorded.recorded_at;
        member.version = recorded.stream_version;
        Some(member)
    }

    /// Who was a member before chooses a password anew.
    fn invited(&mut self, invited: &MemberInvited, recorded: &RecordedEvent) {
        self.email = Some(SealedField::new(&invited.email, recorded.event_id));
        (self.password, self.totp) = (None, None);
        (self.role, self.removed) = (invited.role, false);
        self.invitation =
            Some(Invitation { token_sha256: invited.token_sha256.clone(), expires_at: invited.expires_at });
    }
}

/// The view `members`.
pub struct MembersFold;

impl Fold for MembersFold {
    const NAME: &'static str = "members";
    const VERSION: u32 = 1;
    const TABLE: &'static Table = &Table {
        columns: &[
            Column::bytes("team"),
            Column::bytes("id"),
            Column::int("created_position"),
            Column::int("removed"),
            Column::text("email_lookup"),
            Column::text("invitation").or_null(),
            Column::text("doc"),
        ],
        key_columns: 2,
        indexes: &[
            Index { name: "email", columns: "email_lookup", only: None },
            Index { name: "invitation", columns: "invitation", only: Some("invitation IS NOT NULL") },
        ],
    };
    const STREAMS: &'static [StreamKind] = &[StreamKind::Member];
    type State = Member;

    fn key(recorded: &RecordedEvent, _: &Event) -> Option<Key> {
        Some(Key::Item(recorded.team, recorded.stream.id))
    }

    fn evolve(state: Option<Member>, recorded: &RecordedEvent, event: &Event) -> Result<Option<Member>, String> {
        Ok(Member::evolve(state, recorded, event))
    }

    fn encode(member: &Member) -> Result<Vec<Value>, String> {
        Ok(vec![
            member.created_position.into(),
            member.removed.into(),
            Value::text(member.email_lookup.as_str()),
            Value::text_or_null(member.invitation.as_ref().map(|invitation| invitation.token_sha256.as_str())),
            to_json(member)?,
        ])
    }

    fn decode(stored: &Value) -> Result<Member, String> {
        from_json(stored)
    }
}
