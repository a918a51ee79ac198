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
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_short_line() {
        assert_eq!(checked("team", " Acme Software ").ok().as_deref(), Some("Acme Software"));
        assert_eq!(checked("team", &"é".repeat(200)).ok().map(|name| name.chars().count()), Some(200));
        for bad in ["", "  ", "two\nlines", "a\u{7}bell", &"x".repeat(201)] {
            assert!(matches!(checked("team", bad), Err(AdminError::Invalid(_))), "{bad:?}");
        }
    }
}
