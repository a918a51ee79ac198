//! Events in words: a sentence for people, in which nothing stands that is sealed.

mod license;
mod member;
mod provider;
mod purchase;
mod settings;
mod webhook;

use keyledger_events::{Event, RecordedEvent, Timestamp};

/// What happened, in a sentence.
pub(super) fn what(recorded: &RecordedEvent) -> String {
    let Ok(event) = recorded.decode() else {
        return format!("something that this release cannot read: {}", spaced(&recorded.event_type));
    };
    sentence(&event).unwrap_or_else(|| spaced(&recorded.event_type))
}

fn sentence(event: &Event) -> Option<String> {
    license::sentence(event)
        .or_else(|| provider::sentence(event))
        .or_else(|| purchase::sentence(event))
        .or_else(|| settings::sentence(event))
        .or_else(|| member::sentence(event))
        .or_else(|| webhook::sentence(event))
}

/// Who did it, in words.
pub(super) fn who(actor: &str) -> String {
    match actor {
        "stripe" => "Stripe".to_owned(),
        "polymart" => "Polymart".to_owned(),
        "scheduler" => "the scheduler, as time passed".to_owned(),
        "mailer" => "the mailer".to_owned(),
        "hooks" => "the sender of webhooks".to_owned(),
        "cli" => "an admin at the command line".to_owned(),
        "client" => "a program that verified the key".to_owned(),
        "first-start" => "the first start".to_owned(),
        _ => match actor.split_once(':') {
            Some(("api", key)) => format!("the API key {key}"),
            Some(("member", member)) => format!("the member {member}"),
            _ => actor.to_owned(),
        },
    }
}

/// A type's name as words: `MailSent` is "mail sent".
fn spaced(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

/// A time to the second.
fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `: because of this`, where a reason was given.
fn because(reason: Option<&str>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}

/// A number with its noun.
fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every event of the golden files, the old versions too, is told in words of its own and gives nothing away.
    #[test]
    fn every_event_that_was_ever_written_has_a_sentence() -> Result<(), Box<dyn std::error::Error>> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("events/golden");
        let mut told = 0;
        for file in std::fs::read_dir(folder)? {
            let path = file?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            let Some((name, version)) = name.strip_suffix(".json").and_then(|name| name.split_once(".v")) else {
                continue;
            };
            let event = Event::decode(name, version.parse()?, &std::fs::read(&path)?)?;
            let sentence = sentence(&event).ok_or_else(|| format!("{name} has no words"))?;
            assert!(sentence.len() > 8 && !sentence.contains('\n'), "{name}: {sentence}");
            assert!(!sentence.contains("sealed") && !sentence.contains("JCQk"), "{name}: {sentence}");
            told += 1;
        }
        assert!(told >= 50, "only {told} golden files");
        Ok(())
    }

    #[test]
    fn a_name_becomes_words() {
        assert_eq!(spaced("MailSent"), "mail sent");
        assert_eq!(who("api:7"), "the API key 7");
        assert_eq!(who("somebody"), "somebody");
    }
}
