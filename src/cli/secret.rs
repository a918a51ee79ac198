//! Secrets on the command line: given as they are, as `@FILE`, or as `-` for standard input.

use std::convert::Infallible;
use std::io::Read as _;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use zeroize::Zeroizing;

/// The most that is read of a file or of standard input, in bytes. No secret is that long.
const READ_BYTES_MAX: u64 = 65_536;

/// Where a secret comes from.
#[derive(Debug, Clone)]
pub(super) enum SecretSource {
    /// The argument itself.
    Given(SecretString),
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

impl FromStr for SecretSource {
    /// The argument parser would repeat a bad value in its message; so there is none.
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match (text, text.strip_prefix('@')) {
            ("-", _) => Self::Stdin,
            (_, Some(path)) => Self::File(path.into()),
            _ => Self::Given(SecretString::from(text.to_owned())),
        })
    }
}

impl SecretSource {
    /// The secret. What stands around it in a file or pipe, the end of the line above all, is no part of it.
    pub(super) fn read(&self) -> anyhow::Result<SecretString> {
        match self {
            Self::Given(secret) => Ok(secret.clone()),
            Self::File(path) => {
                let context = || format!("the secret cannot be read from the file {}", path.display());
                read(std::fs::File::open(path).with_context(context)?).with_context(context)
            }
            Self::Stdin => read(std::io::stdin().lock()).context("the secret cannot be read from standard input"),
        }
    }
}

/// Several secrets of one command. Standard input holds one of them.
pub(super) fn read_all(sources: &[SecretSource]) -> anyhow::Result<Vec<SecretString>> {
    if sources.iter().filter(|source| matches!(source, SecretSource::Stdin)).count() > 1 {
        bail!("`-` may be given once: standard input holds one secret");
    }
    sources.iter().map(SecretSource::read).collect()
}

fn read(from: impl std::io::Read) -> anyhow::Result<SecretString> {
    let mut text = Zeroizing::new(String::new());
    from.take(READ_BYTES_MAX).read_to_string(&mut text)?;
    let secret = text.trim_start_matches('\u{feff}').trim();
    if secret.is_empty() {
        bail!("it is empty");
    }
    Ok(SecretString::from(secret))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn source(text: &str) -> SecretSource {
        text.parse().unwrap_or_else(|error| match error {})
    }

    #[test]
    fn a_secret_comes_from_where_it_is_said() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("secret.txt");
        for (written, expected) in
            [("whsec_1\n", "whsec_1"), ("\u{feff}  two words\r\n", "two words"), ("whsec_2", "whsec_2")]
        {
            std::fs::write(&file, written)?;
            assert_eq!(source(&format!("@{}", file.display())).read()?.expose_secret(), expected);
        }
        assert_eq!(source("whsec_3").read()?.expose_secret(), "whsec_3");
        assert!(matches!(source("-"), SecretSource::Stdin));
        assert_eq!(read(&b"whsec_4\n"[..])?.expose_secret(), "whsec_4");
        Ok(())
    }

    #[test]
    fn what_cannot_be_read_names_the_file() {
        let missing = source("@no/such/file").read().map(|_| ());
        assert!(missing.is_err_and(|error| error.to_string().contains("no/such/file")));
        assert!(read(&b" \n"[..]).is_err());
        assert!(read_all(&[SecretSource::Stdin, SecretSource::Stdin]).is_err());
        assert!(!format!("{:?}", source("whsec_5")).contains("whsec_5"));
    }
}
