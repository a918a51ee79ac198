//! What a mail server said, made fit to be recorded: mail servers like to repeat the recipient's address.

use lettre::Address;

/// Characters of a server's text that are kept.
const REASON_CHARS_MAX: usize = 300;
/// Shorter names than this are too likely to be part of an ordinary word to be hidden inside one.
const NAME_CHARS_MIN: usize = 4;
/// Stands where an address stood.
const HIDDEN: &str = "[address]";

/// `text` in one line, without `recipients`, their parts, or anything else that looks like a mail address.
pub(super) fn cleaned(text: &str, recipients: &[Address]) -> String {
    let words: Vec<_> = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    let words: Vec<_> = words.into_iter().map(|word| cleaned_word(word, recipients)).collect();
    let line = words.join(" ");
    match line.char_indices().nth(REASON_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn cleaned_word<'a>(word: &'a str, recipients: &[Address]) -> &'a str {
    let lower = word.to_lowercase();
    // `=40` is `@` as delivery reports write it (RFC 3461 `xtext` writes `+40`), `xn--` begins an encoded domain.
    let looks_like_address = ["@", "=40", "+40", "xn--"].iter().any(|sign| lower.contains(sign));
    if looks_like_address || recipients.iter().any(|recipient| names(&lower, recipient)) {
        return HIDDEN;
    }
    word
}

/// Whether the lower-case `word` gives away whose address it was.
fn names(word: &str, recipient: &Address) -> bool {
    let (user, domain) = (recipient.user().to_lowercase(), recipient.domain().to_lowercase());
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    bare == user || (user.chars().count() >= NAME_CHARS_MIN && word.contains(&user)) || word.contains(&domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(recipient: &str, text: &str, expected: &str) -> Result<(), Box<dyn std::error::Error>> {
        assert_eq!(cleaned(text, &[recipient.parse()?]), expected);
        Ok(())
    }

    #[test]
    fn whatever_form_the_server_gives_the_address_it_is_not_recorded() -> Result<(), Box<dyn std::error::Error>> {
        let buyer = "Jane.Doe@Doe-Family.example";
        check(buyer, "5.1.1 <jane.doe@doe-family.example>: no such user", "5.1.1 [address] no such user")?;
        check(buyer, "user JANE.DOE unknown here", "user [address] unknown here")?;
        check(buyer, "no MX for doe-family.example.", "no MX for [address]")?;
        check(buyer, "bounce+jane.doe=40doe-family.example lost", "[address] lost")?;
        check(buyer, "forwarded to jd@other.example\r\n250 fake", "forwarded to [address] 250 fake")?;
        check("al@b.example", "the mailbox 'al' is also full", "the mailbox [address] is also full")
    }

    #[test]
    fn a_long_answer_is_cut_between_characters() -> Result<(), Box<dyn std::error::Error>> {
        let said = cleaned(&"ü".repeat(1000), &["buyer@example.com".parse()?]);
        assert_eq!(said.chars().count(), REASON_CHARS_MAX + 1);
        Ok(())
    }
}
