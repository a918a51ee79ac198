//! What a verification can be answered, in the words that existing client programs know.

use axum::http::StatusCode;

/// How a verification ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// Accepted.
    Valid,
    /// The request is not well-formed.
    BadRequest,
    /// Too many requests.
    RateLimit,
    /// No such team.
    TeamNotFound,
    /// No such licence key.
    LicenseNotFound,
    /// The licence does not belong to the customer who was named, or wants one named.
    CustomerNotFound,
    /// The licence does not open the product that was named, or wants one named.
    ProductNotFound,
    /// The team's blacklist has the address.
    IpBlacklisted,
    /// The team's blacklist has the country.
    CountryBlacklisted,
    /// The team's blacklist has the device.
    HardwareIdentifierBlacklisted,
    /// Suspended or revoked.
    LicenseSuspended,
    /// Past its end.
    LicenseExpired,
    /// All seats for addresses are taken.
    IpLimitReached,
    /// All seats for devices are taken.
    HwidLimitReached,
    /// Our fault.
    InternalServerError,
}

impl Code {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "VALID",
            Self::BadRequest => "BAD_REQUEST",
            Self::RateLimit => "RATE_LIMIT",
            Self::TeamNotFound => "TEAM_NOT_FOUND",
            Self::LicenseNotFound => "LICENSE_NOT_FOUND",
            Self::CustomerNotFound => "CUSTOMER_NOT_FOUND",
            Self::ProductNotFound => "PRODUCT_NOT_FOUND",
            Self::IpBlacklisted => "IP_BLACKLISTED",
            Self::CountryBlacklisted => "COUNTRY_BLACKLISTED",
            Self::HardwareIdentifierBlacklisted => "HARDWARE_IDENTIFIER_BLACKLISTED",
            Self::LicenseSuspended => "LICENSE_SUSPENDED",
            Self::LicenseExpired => "LICENSE_EXPIRED",
            Self::IpLimitReached => "IP_LIMIT_REACHED",
            Self::HwidLimitReached => "HWID_LIMIT_REACHED",
            Self::InternalServerError => "INTERNAL_SERVER_ERROR",
        }
    }

    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Valid => StatusCode::OK,
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::RateLimit => StatusCode::TOO_MANY_REQUESTS,
            Self::TeamNotFound | Self::LicenseNotFound | Self::CustomerNotFound | Self::ProductNotFound => {
                StatusCode::NOT_FOUND
            }
            Self::IpBlacklisted
            | Self::CountryBlacklisted
            | Self::HardwareIdentifierBlacklisted
            | Self::LicenseSuspended
            | Self::LicenseExpired
            | Self::IpLimitReached
            | Self::HwidLimitReached => StatusCode::FORBIDDEN,
            Self::InternalServerError => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A verification that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which way.
    pub code: Code,
    /// In words.
    pub details: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: Code, details: impl Into<String>) -> Self {
        Self { code, details: details.into() }
    }
}
