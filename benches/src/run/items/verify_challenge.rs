//! Verifications whose answers are signed twice, beside a program that does nothing but sign with RSA-2048.

use super::verify::{LICENSES, load};
use super::webhooks::failures;
use crate::run::context::Context;
use crate::run::item::{Bar, Row, rates, rounds};
use crate::run::verified::Verified;

pub(super) fn measure(context: &Context) -> anyhow::Result<Vec<Row>> {
    let ours = Verified::make(context, "verify-challenge", LICENSES)?;
    let load = load(context, "verify-challenge");
    let seconds = context.seconds.to_string();
    let pairs =
        rounds(context, |_| ours.load(context, &load), |_| context.measure(&["sign-rsa", "--seconds", &seconds]))?;
    let mine = || pairs.iter().map(|(ours, _)| ours);
    Ok(vec![
        Row::ratio("verify with challenge / RSA alone", "req/s", &rates(&pairs), Bar::RatioAtLeast(0.8)).noting(mine()),
        failures("verify with challenge failed", mine()),
    ])
}
