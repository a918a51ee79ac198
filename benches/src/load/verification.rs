//! What client programs ask: whether a key may be used, by the one device that uses it.

use crate::licenses;

/// A prime that divides no number of licences here, so that numbers one after the other ask about licences that have
/// nothing to do with each other, and as many numbers as there are licences ask about each of them once.
const SPREAD: u64 = 2_654_435_761;

/// The question with this number, about one of the first `licenses` licences.
pub(crate) fn question(number: u64, licenses: u64, challenged: bool) -> String {
    let license = number % licenses * SPREAD % licenses;
    let (key, device) = (licenses::key(license), licenses::device(license));
    let challenge = if challenged { format!(r#","challenge":"bench-{number:016x}""#) } else { String::new() };
    format!(r#"{{"licenseKey":"{key}","hardwareIdentifier":"{device}"{challenge}}}"#)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_round_asks_about_every_licence_once() -> serde_json::Result<()> {
        for licenses in [1, 10, 1_000, 4_096] {
            let asked: HashSet<_> = (0..licenses).map(|number| question(number, licenses, false)).collect();
            assert_eq!(u64::try_from(asked.len()), Ok(licenses));
        }
        let value: serde_json::Value = serde_json::from_str(&question(7, 1_000, true))?;
        assert_eq!(value["challenge"], "bench-0000000000000007");
        Ok(())
    }
}
