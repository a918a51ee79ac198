//! Names that people give to things.

use super::AdminError;

/// The longest name, in characters.
const NAME_CHARS_MAX: usize = 200;

/// A name without white space around it.
///
/// # Errors
/// When nothing is left, it is too long, or it has control characters, which would end up in a mail's head.
pub(crate) fn checked(what: &str, name: &str) -> Result<String, AdminError> {
    let name = name.trim();
    if name.is_empty() {
        return Err(AdminError::Invalid(format!("the {what}'s name is empty")));
    }
    let characters = name.chars().count();
    if characters > NAME_CHARS_MAX {
        let message = format!("the {what}'s name has {characters} characters; at most {NAME_CHARS_MAX} are allowed");
        return Err(AdminError::Invalid(message));
    }
    if name.chars().any(char::is_control) {
        return Err(AdminError::Invalid(format!("the {what}'s name has a line break or another control character")));
    }
    if name.chars().any(turns_around) {
        let message = format!("the {what}'s name has a character that turns around what is written after it");
        return Err(AdminError::Invalid(message));
    }
    if name.chars().all(|character| character.is_whitespace() || is_invisible(character)) {
        return Err(AdminError::Invalid(format!("the {what}'s name has nothing in it that can be seen")));
    }
    Ok(name.to_owned())
}

/// Whether a character turns around the text behind it, the name's own and what stands beside it on a page (the explicit
/// formatting characters of UAX #9).
fn turns_around(character: char) -> bool {
    matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character has no shape of its own. Beside others many of them are of use, as in an emoji of several parts.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{AD}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2064}'
            | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_short_line() {
        assert_eq!(checked("team", " Acme Software ").ok().as_deref(), Some("Acme Software"));
        assert_eq!(checked("team", &"é".repeat(200)).ok().map(|name| name.chars().count()), Some(200));
        assert!(checked("product", "👩\u{200D}💻 Editor \u{5E9}\u{200F}").is_ok());
        let unseen = ["\u{200B}", "\u{200B} \u{FEFF}", "\u{202E}rotidE", "a\u{2067}b"];
        for bad in ["", "  ", "two\nlines", "a\u{7}bell", &"x".repeat(201)].into_iter().chain(unseen) {
            assert!(matches!(checked("team", bad), Err(AdminError::Invalid(_))), "{bad:?}");
        }
    }
}
