//! Deliveries caught elsewhere, read where `KEYLEDGER_SAMPLES` names their folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::providers::stripe::signature::verify;

#[test]
fn every_sample_delivery_can_be_read() -> Result<(), Box<dyn Error>> {
    let Some(folder) = std::env::var_os("KEYLEDGER_SAMPLES") else { return Ok(()) };
    let mut files = Vec::new();
    json_files(Path::new(&folder), &mut files)?;
    let (mut events, mut failures) = (0, Vec::new());
    for file in files {
        let body = fs::read(&file)?;
        if !is_event(&body) {
            continue;
        }
        events += 1;
        if let Err(error) = check(&body) {
            failures.push(format!("{}: {error}", file.display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(events > 0, "{} holds no event", folder.display());
    Ok(())
}

/// Beside each delivery that was caught live lie its headers.
#[test]
fn every_signature_of_a_sample_holds() -> Result<(), Box<dyn Error>> {
    let Some(folder) = std::env::var_os("KEYLEDGER_SAMPLES") else { return Ok(()) };
    let mut files = Vec::new();
    json_files(Path::new(&folder), &mut files)?;
    let mut verified = 0;
    for file in files {
        let Some(name) = file.to_str().and_then(|name| name.strip_suffix(".headers.json")) else { continue };
        let (headers, body): (Value, _) =
            (serde_json::from_slice(&fs::read(&file)?)?, fs::read(format!("{name}.raw.json"))?);
        let header = headers["headers"]["Stripe-Signature"].as_str().unwrap_or_default();
        let signed_at = header.get(2..12).unwrap_or_default().parse()?;
        verify(header, &body, &["whsec_other", "whsec_localtest"], signed_at)
            .map_err(|error| format!("{name}: {error}"))?;
        assert!(verify(header, &body, &["whsec_other"], signed_at).is_err(), "{name}");
        verified += 1;
    }
    assert!(verified > 0, "{} holds no signed delivery", folder.display());
    Ok(())
}

fn json_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            json_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(())
}

/// The samples hold headers and single objects as well, and an event object whose data is empty.
fn is_event(body: &[u8]) -> bool {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    value["object"] == "event" && value["data"]["object"].is_object()
}

/// What a handled type must be read as, and the ids it must have brought along.
fn check(body: &[u8]) -> Result<(), String> {
    let StripeEvent { event_type, created, livemode, object, .. } = parse(body).map_err(|error| error.to_string())?;
    if created.is_none() || livemode.is_none() {
        return Err("no time or mode".to_owned());
    }
    let read = match (event_type.as_str(), &object) {
        ("checkout.session.completed", StripeObject::CheckoutSession(_)) => true,
        ("invoice.paid" | "invoice.payment_succeeded", StripeObject::Invoice(invoice)) => !invoice.lines.is_empty(),
        ("invoice_payment.paid", StripeObject::InvoicePayment(payment)) => payment.payment_intent.is_some(),
        (name, StripeObject::Subscription(subscription)) if name.starts_with("customer.subscription.") => {
            subscription.current_period_end.is_some()
                && subscription.items.iter().all(|item| item.product.is_some() && item.price.is_some())
        }
        (name, StripeObject::Other) => !name.starts_with("customer.subscription.") && !name.starts_with("checkout."),
        _ => false,
    };
    if read { Ok(()) } else { Err(format!("`{event_type}` was read as {object:?}")) }
}
