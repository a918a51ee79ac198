//! A licence as scripts and programs see it.

use std::collections::BTreeMap;

use keyledger_events::event::inbox::Origin;
use keyledger_events::event::license::ExpirationStart;
use keyledger_events::sealed::SealContext;
use keyledger_events::{TeamId, Timestamp};
use keyledger_projections::{License, LicenseStatus};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::admin::AdminError;
use crate::app::App;

/// A licence with its key in the clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LicenseJson {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub team_id: TeamId,
    /// The licence key; `None` when the data key that opens it is gone.
    pub key: Option<String>,
    /// What it is called at the moment asked about.
    pub status: LicenseStatus,
    /// What it is for.
    pub product_ids: Vec<Uuid>,
    /// Addresses at once; `None` is no limit.
    pub ip_limit: Option<u32>,
    /// Devices at once; `None` is no limit.
    pub hwid_limit: Option<u32>,
    /// Days of validity.
    pub expiration_days: Option<u32>,
    /// When those days begin, where there are any.
    pub expiration_start: ExpirationStart,
    /// The moment from which verification refuses.
    pub expires_at: Option<Timestamp>,
    /// The latest end of a paid period of its subscription.
    pub paid_until: Option<Timestamp>,
    /// When the days of an ACTIVATION licence began.
    pub activated_at: Option<Timestamp>,
    /// Whether real money moved, where the provider tells.
    pub livemode: Option<bool>,
    /// Who sold it.
    pub provider: Origin,
    /// The provider's ids.
    pub references: BTreeMap<String, String>,
    /// Who bought it, or was named first.
    pub customer_id: Option<Uuid>,
    /// All to whom it belongs.
    pub customer_ids: Vec<Uuid>,
    /// When it was last verified with success.
    pub last_used_at: Option<Timestamp>,
    /// When it was bought.
    pub purchased_at: Timestamp,
    /// When the issue was recorded.
    pub created_at: Timestamp,
    /// The number of events in its stream.
    pub version: i64,
}

impl LicenseJson {
    /// The licence as it stands at `now`.
    pub fn new(
        team_id: TeamId,
        license: &License,
        key: Option<String>,
        now: Timestamp,
        last_used_at: Option<Timestamp>,
    ) -> Self {
        let License { terms, .. } = license;
        Self {
            id: license.id,
            team_id,
            key,
            status: license.status(now, last_used_at),
            product_ids: license.product_ids().to_vec(),
            ip_limit: license.ip_limit(),
            hwid_limit: license.hwid_limit(),
            expiration_days: license.expiration_days(),
            expiration_start: license.expiration_start(),
            expires_at: license.expires_at(),
            paid_until: terms.subscription.as_ref().and_then(|subscription| subscription.paid_until),
            activated_at: license.activated_at,
            livemode: license.livemode,
            provider: license.provider,
            references: terms.references.clone(),
            customer_id: license.customer_ids().first().copied(),
            customer_ids: license.customer_ids().to_vec(),
            last_used_at,
            purchased_at: terms.purchased_at,
            created_at: license.created_at,
            version: license.version,
        }
    }

    /// As it is shown for a moment that has passed. Only the latest use is kept. Where that was later, nobody knows when the
    /// licence was used before; it was in use, and is not called INACTIVE.
    pub fn as_of(self, moment: Timestamp) -> Self {
        Self { last_used_at: self.last_used_at.filter(|at| *at <= moment), ..self }
    }

    /// The status as it is written.
    pub fn status_word(&self) -> &'static str {
        match self.status {
            LicenseStatus::Revoked => "REVOKED",
            LicenseStatus::Suspended => "SUSPENDED",
            LicenseStatus::Expired => "EXPIRED",
            LicenseStatus::Expiring => "EXPIRING",
            LicenseStatus::Upcoming => "UPCOMING",
            LicenseStatus::Inactive => "INACTIVE",
            LicenseStatus::Active => "ACTIVE",
        }
    }
}

/// Opens a licence's key and describes the licence as it stands at `now`.
///
/// # Errors
/// When the keys store or the activity does not answer, or the key was tampered with. A key that is gone is left out.
pub async fn describe(app: &App, team: TeamId, license: &License, now: Timestamp) -> Result<LicenseJson, AdminError> {
    let used = app.activity.last_used(team, Some(&[license.id])).await?;
    describe_used(app, team, license, now, used.get(&license.id).copied()).await
}

/// As [`describe`], for lists: when it was last used is known already.
///
/// # Errors
/// As [`describe`].
pub async fn describe_used(
    app: &App,
    team: TeamId,
    license: &License,
    now: Timestamp,
    last_used_at: Option<Timestamp>,
) -> Result<LicenseJson, AdminError> {
    let context = SealContext { team, event_id: license.key_event, field: License::KEY_FIELD };
    let key = app.keys.open_unless_gone(context, &license.key).await?;
    let key = key.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(LicenseJson::new(team, license, key, now, last_used_at))
}

/// As [`describe`], at a moment that has passed.
///
/// # Errors
/// As [`describe`].
pub async fn describe_as_of(
    app: &App,
    team: TeamId,
    license: &License,
    moment: Timestamp,
) -> Result<LicenseJson, AdminError> {
    Ok(describe(app, team, license, moment).await?.as_of(moment))
}

/// As [`describe_as_of`], for those who may see that there is a key and not which one.
///
/// # Errors
/// When the activity does not answer.
pub async fn describe_sealed(
    app: &App,
    team: TeamId,
    license: &License,
    moment: Timestamp,
) -> Result<Value, AdminError> {
    let used = app.activity.last_used(team, Some(&[license.id])).await?.get(&license.id).copied();
    let unwritable = |error: serde_json::Error| AdminError::Invalid(format!("the licence has no JSON form: {error}"));
    let shown = LicenseJson::new(team, license, None, moment, used).as_of(moment);
    let mut json = serde_json::to_value(shown).map_err(unwritable)?;
    json["key"] = serde_json::to_value(&license.key).map_err(unwritable)?;
    Ok(json)
}

#[cfg(test)]
mod tests {
    use keyledger_events::event::license::{Offer, SubscriptionTerms, Terms};
    use keyledger_events::sealed::DataKey;
    use keyledger_events::{Position, StreamId, StreamKind};
    use keyledger_projections::licenses::Amended;
    use serde_json::json;

    use super::*;

    fn license(terms: Terms) -> License {
        let context = SealContext { team: TeamId(Uuid::nil()), event_id: Uuid::nil(), field: License::KEY_FIELD };
        License {
            id: Uuid::nil(),
            key: DataKey::generate(Uuid::nil()).seal(context, b"AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"),
            key_event: Uuid::nil(),
            key_lookup: String::new(),
            provider: Origin::Stripe,
            livemode: Some(false),
            customer_id: None,
            purchase: StreamId::new(StreamKind::Purchase, Uuid::nil()),
            item: "li_1".to_owned(),
            unit: 0,
            terms,
            amended: Amended::default(),
            activated_at: None,
            expired_due: None,
            expiring_told: None,
            admin_suspended: false,
            admin_revoked: false,
            created_at: Timestamp::UNIX_EPOCH,
            created_position: Position(7),
            updated_at: Timestamp::UNIX_EPOCH,
            updated_position: Position(7),
            version: 1,
        }
    }

    #[test]
    fn the_names_and_times_are_the_contract_s() -> Result<(), Box<dyn std::error::Error>> {
        let product = Uuid::from_u128(1);
        let terms = Terms {
            offer: Offer { product_ids: vec![product], hwid_limit: Some(3), ..Offer::default() },
            purchased_at: Timestamp::UNIX_EPOCH,
            subscription: Some(SubscriptionTerms {
                paid_until: Some(Timestamp::from_second(3_000_000)?),
                grace_seconds: 10_800,
                ended_at: None,
            }),
            revoked: false,
            disputed: false,
            references: [("stripeSubscription".to_owned(), "sub_1".to_owned())].into(),
        };
        let key = "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA".to_owned();
        let shown = LicenseJson::new(TeamId(Uuid::nil()), &license(terms), Some(key), Timestamp::UNIX_EPOCH, None);
        let expected = json!({
            "id": Uuid::nil(), "teamId": Uuid::nil(), "key": "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA", "status": "ACTIVE",
            "productIds": [product], "ipLimit": null, "hwidLimit": 3, "expirationDays": null,
            "expirationStart": "CREATION", "expiresAt": "1970-02-04T20:20:00Z", "paidUntil": "1970-02-04T17:20:00Z",
            "activatedAt": null, "livemode": false, "provider": "stripe",
            "references": { "stripeSubscription": "sub_1" }, "customerId": null, "customerIds": [], "lastUsedAt": null,
            "purchasedAt": "1970-01-01T00:00:00Z", "createdAt": "1970-01-01T00:00:00Z", "version": 1,
        });
        assert_eq!(shown.status_word(), "ACTIVE");
        assert_eq!(serde_json::to_value(shown)?, expected);
        Ok(())
    }
}
