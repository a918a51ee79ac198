//! Everything that can happen, one type per event, one file per kind of stream.
//!
//! A stored event is its type's name, a schema version and a JSON payload. Names and stored payloads never
//! change. When a payload must look different, its version rises here and [`upcast`] gains a step; a golden
//! file per type and version under `golden/` proves that every old one still reads.

pub mod customer;
pub mod delivery;
pub mod inbox;
pub mod integration;
pub mod license;
pub mod member;
pub mod metadata;
pub mod payment;
pub mod product;
pub mod purchase;
pub mod team;
pub mod upcast;
pub mod webhook;

use customer::*;
use delivery::*;
use inbox::*;
use integration::*;
use license::*;
use member::*;
use payment::*;
use product::*;
use purchase::*;
use team::*;
use webhook::*;

/// A stored payload that this build cannot read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The type's name is not one of ours: written by a newer release.
    #[error("event type `{0}` is unknown to this version of keyledger; upgrade it")]
    UnknownType(String),
    /// The version is newer than this build.
    #[error(
        "event type `{name}` has version {version}, but this version of keyledger reads up to {newest}; upgrade it"
    )]
    UnknownVersion {
        /// The type.
        name: String,
        /// The stored version.
        version: u16,
        /// The newest version known here.
        newest: u16,
    },
    /// The payload does not fit its type.
    #[error("the payload of event type `{name}` cannot be read: {source}")]
    Payload {
        /// The type.
        name: String,
        /// What serde said.
        source: serde_json::Error,
    },
}

/// Declares the closed list of events: each variant carries the payload type of the same name, at its current
/// schema version.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $version:literal,)*) => {
        /// Something that happened.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Event { $($(#[$doc])* $name($name),)* }

        impl Event {
            /// Every type's name and current schema version.
            pub const TYPES: &[(&'static str, u16)] = &[$((stringify!($name), $version),)*];

            /// The type's name, as stored.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)* }
            }

            /// The schema version that [`Event::encode`] writes.
            pub fn schema_version(&self) -> u16 {
                match self { $(Self::$name(_) => $version,)* }
            }

            /// The payload's bytes, as they are stored and hashed.
            ///
            /// # Errors
            /// Never for the types here: all of them have string keys.
            pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
                match self { $(Self::$name(payload) => serde_json::to_vec(payload),)* }
            }

            /// Reads a stored event, lifting old versions to the current one first.
            ///
            /// # Errors
            /// When the type or version is unknown, or the payload does not fit.
            pub fn decode(name: &str, version: u16, payload: &[u8]) -> Result<Self, DecodeError> {
                let unreadable = |source| DecodeError::Payload { name: name.to_owned(), source };
                match name {
                    $(stringify!($name) => {
                        if version == $version {
                            return serde_json::from_slice(payload).map(Self::$name).map_err(unreadable);
                        }
                        if version > $version {
                            return Err(DecodeError::UnknownVersion { name: name.to_owned(), version, newest: $version });
                        }
                        let old = serde_json::from_slice(payload).map_err(unreadable)?;
                        let lifted = upcast::lift(name, version, old);
                        serde_json::from_value(lifted).map(Self::$name).map_err(unreadable)
                    })*
                    _ => Err(DecodeError::UnknownType(name.to_owned())),
                }
            }
        }

        $(impl From<$name> for Event {
            fn from(payload: $name) -> Self { Self::$name(payload) }
        })*
    };
}

events! {
    /// A team was made, with its signing key.
    TeamRegistered = 1,
    /// A team's settings were changed.
    TeamUpdated = 2,
    /// An API key was made.
    ApiKeyCreated = 2,
    /// An API key was revoked.
    ApiKeyRevoked = 1,
    /// A team got another signing key.
    SigningKeyRotated = 1,
    /// How verifications are answered was changed.
    VerificationSettingsUpdated = 1,
    /// Something was put on the blacklist.
    BlacklistEntryAdded = 1,
    /// Something was taken off the blacklist.
    BlacklistEntryRemoved = 1,
    /// Where the seller is reached was changed.
    TeamContactUpdated = 1,
    /// When buyers are reminded of an end was changed.
    RemindersUpdated = 1,
    /// A product was made.
    ProductRegistered = 1,
    /// A product's description was changed.
    ProductUpdated = 1,
    /// A product is no longer sold.
    ProductRemoved = 1,
    /// A provider's connection was switched on.
    IntegrationEnabled = 1,
    /// A provider's connection was switched off.
    IntegrationDisabled = 1,
    /// A provider's connection got another API address.
    IntegrationUpdated = 1,
    /// A secret or API key of a provider was added.
    SecretAdded = 1,
    /// A secret or API key of a provider is no longer honoured.
    SecretRetired = 1,
    /// A buyer became known.
    CustomerRegistered = 1,
    /// The seller told who a customer is.
    CustomerUpdated = 1,
    /// A customer was taken off the list.
    CustomerRemoved = 1,
    /// A person was forgotten.
    CustomerForgotten = 1,
    /// A verified provider event arrived.
    ProviderEventReceived = 1,
    /// A node set out to interpret a provider event with calls outside.
    ProviderEventAttempted = 1,
    /// A provider event had its effect.
    ProviderEventApplied = 1,
    /// We have no use for a provider event.
    ProviderEventIgnored = 1,
    /// We cannot honour a provider event.
    ProviderEventRejected = 1,
    /// A provider event cannot be interpreted now and will be tried again.
    ProviderEventDeferred = 1,
    /// A concluded provider event is interpreted afresh.
    ProviderEventReopened = 1,
    /// A one-off purchase was paid.
    PurchaseRecorded = 1,
    /// A payment of a purchase failed.
    PaymentFailed = 1,
    /// A period of a subscription was paid.
    PeriodPaid = 1,
    /// The provider told what a subscription consists of.
    SubscriptionObserved = 1,
    /// A subscription ended.
    SubscriptionCeased = 1,
    /// Money went back to the buyer, or did not after all.
    RefundRecorded = 1,
    /// A dispute was opened or closed.
    DisputeRecorded = 1,
    /// The provider took a purchase back.
    RemovalRecorded = 1,
    /// A purchase that another system had licensed was taken over.
    PurchaseAdopted = 1,
    /// A payment was found to belong to an invoice or a purchase.
    PaymentLinked = 1,
    /// A licence was issued.
    LicenseIssued = 1,
    /// The clock of an ACTIVATION licence began.
    LicenseActivated = 1,
    /// A further period was paid.
    SubscriptionRenewed = 1,
    /// What was bought changed.
    SubscriptionChanged = 1,
    /// The subscription behind a licence ended.
    SubscriptionEnded = 1,
    /// A payment for a licence was refunded, in full or in part.
    PaymentRefunded = 1,
    /// A dispute suspends a licence.
    DisputeOpened = 1,
    /// A dispute is over.
    DisputeClosed = 1,
    /// A licence will run out soon.
    LicenseExpiringSoon = 1,
    /// A licence ran out.
    LicenseExpired = 1,
    /// An admin suspended a licence.
    LicenseSuspended = 1,
    /// An admin lifted a suspension.
    LicenseReinstated = 1,
    /// A licence is void.
    LicenseRevoked = 1,
    /// A licence's terms were corrected by an earlier fact that arrived late.
    LicenseUpdated = 1,
    /// The seller set something on a licence, which outranks what providers say.
    LicenseAmended = 1,
    /// The seller put off a licence's end.
    LicenseExtended = 1,
    /// A licence got another key.
    LicenseKeyReplaced = 1,
    /// A device took a seat of a licence.
    DeviceBound = 1,
    /// A device's seat became free.
    DeviceReleased = 1,
    /// An address took a seat of a licence.
    AddressBound = 1,
    /// An address's seat became free.
    AddressReleased = 1,
    /// A licence key was given to a marketplace for a buyer's download.
    PlaceholderAnswered = 1,
    /// A mail is to go out.
    MailRequested = 2,
    /// A node set out to send a mail.
    MailAttemptStarted = 1,
    /// A mail was accepted by the mail server.
    MailSent = 1,
    /// A mail could not be sent and will be tried again.
    MailFailed = 1,
    /// A mail will not be tried again.
    MailAbandoned = 1,
    /// An endpoint for outgoing webhooks was registered.
    WebhookEndpointRegistered = 1,
    /// An endpoint for outgoing webhooks was changed.
    WebhookEndpointUpdated = 1,
    /// An endpoint is posted to again.
    WebhookEndpointEnabled = 1,
    /// An endpoint is not posted to any more.
    WebhookEndpointDisabled = 1,
    /// An endpoint is no more.
    WebhookEndpointRemoved = 1,
    /// An endpoint got another secret.
    WebhookSecretRotated = 1,
    /// The seller wants to see a hook arrive.
    HookTestRequested = 1,
    /// The seller wants a hook sent again.
    HookRedeliveryRequested = 1,
    /// A node set out to send a hook.
    HookAttemptStarted = 1,
    /// A hook was taken by its endpoint.
    HookDelivered = 1,
    /// A hook did not get through and will be tried again.
    HookFailed = 1,
    /// A hook will not be tried again.
    HookAbandoned = 1,
    /// The first owner became a member.
    MemberRegistered = 1,
    /// Somebody was invited to the team.
    MemberInvited = 1,
    /// Who was invited chose a password.
    MemberJoined = 1,
    /// A member may do something else.
    MemberRoleChanged = 1,
    /// A member chose another password.
    MemberPasswordChanged = 1,
    /// A member signs in with a code too.
    MemberTotpEnabled = 1,
    /// A member signs in without a code.
    MemberTotpDisabled = 1,
    /// Somebody is no member any more.
    MemberRemoved = 1,
    /// A member looked at something that is sealed.
    DataRevealed = 1,
}
