//! Looking for a person's traces: in every file of a ledger's folder, and in every table of a database, in whatever form
//! a text may stand there.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD as BASE64, URL_SAFE_NO_PAD as BASE64URL};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::{Error, Keyledger};

/// A text in every form that is looked for.
#[derive(Debug)]
struct Needle {
    text: String,
    forms: Vec<(&'static str, Vec<u8>)>,
}

impl Needle {
    fn new(text: &str) -> Self {
        let mut forms = Vec::new();
        let mut cases = vec![text.to_owned(), text.to_lowercase(), text.to_uppercase()];
        cases.dedup();
        for case in cases {
            let bytes = case.as_bytes();
            forms.push(("plain", bytes.to_vec()));
            forms.push(("hex", hex::encode(bytes).into_bytes()));
            forms.push(("HEX", hex::encode_upper(bytes).into_bytes()));
            let utf16: Vec<u16> = case.encode_utf16().collect();
            forms.push(("UTF-16LE", utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect()));
            forms.push(("UTF-16BE", utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect()));
            // Three bytes are four characters: the text may begin at any of the three. What depends on its neighbours is
            // left out.
            for skipped in 0..3 {
                let whole = &bytes[(3 - skipped) % 3..];
                let whole = &whole[..whole.len() / 3 * 3];
                forms.push(("base64", BASE64.encode(whole).into_bytes()));
                forms.push(("base64url", BASE64URL.encode(whole).into_bytes()));
            }
        }
        Self { text: text.to_owned(), forms }
    }

    fn found_in(&self, bytes: &[u8]) -> Option<&'static str> {
        let holds = |form: &[u8]| !form.is_empty() && find(bytes, form);
        self.forms.iter().find(|(_, form)| holds(form)).map(|(name, _)| *name)
    }
}

/// Whether `bytes` holds `form`: by its first byte first, which most places do not have.
fn find(bytes: &[u8], form: &[u8]) -> bool {
    let Some(first) = form.first() else { return false };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        if rest[at..].starts_with(form) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// Where the texts stand, each with the form that it has there; empty when nothing is left of them.
pub(crate) async fn traces(server: &Keyledger, texts: &[&str]) -> Result<Vec<String>, Error> {
    let needles: Vec<Needle> = texts.iter().map(|text| Needle::new(text)).collect();
    let mut found = Vec::new();
    in_folder(&server.folder(), &needles, &mut found)?;
    if server.database_url().starts_with("postgres") {
        in_database(server.database_url(), &needles, &mut found).await?;
    }
    Ok(found)
}

fn in_folder(folder: &Path, needles: &[Needle], found: &mut Vec<String>) -> Result<(), Error> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            in_folder(&path, needles, found)?;
            continue;
        }
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            // A log of changes comes and goes.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        note(&path.display().to_string(), &bytes, needles, found);
    }
    Ok(())
}

fn note(place: &str, bytes: &[u8], needles: &[Needle], found: &mut Vec<String>) {
    for needle in needles {
        if let Some(form) = needle.found_in(bytes) {
            found.push(format!("{} ({form}) in {place}", needle.text));
        }
    }
}

/// Every row of every table, as text and with its binary columns as the bytes they are.
async fn in_database(url: &str, needles: &[Needle], found: &mut Vec<String>) -> Result<(), Error> {
    let mut connection = PgConnection::connect(url).await?;
    let tables = sqlx::query(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables \
         WHERE schemaname IN ('ledger', 'views', 'keys', 'activity', 'public')",
    );
    let tables = tables.fetch_all(&mut connection).await?;
    assert!(tables.len() > 10, "the tables are found");
    for table in tables {
        let table: String = table.try_get(0)?;
        let rows = sqlx::query(AssertSqlSafe(format!("SELECT t::text FROM {table} AS t")));
        for row in rows.fetch_all(&mut connection).await? {
            let text: String = row.try_get(0)?;
            note(&table, text.as_bytes(), needles, found);
            for part in text.split("\\x").skip(1) {
                let digits: String = part.chars().take_while(char::is_ascii_hexdigit).collect();
                note(&table, &hex::decode(&digits[..digits.len() / 2 * 2])?, needles, found);
            }
        }
    }
    connection.close().await?;
    Ok(())
}

#[test]
fn every_form_is_found() {
    let text = "Ada.Lovelace@example.test";
    let needle = Needle::new(text);
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let mut forms = vec![text.as_bytes().to_vec(), hex::encode_upper(text).into_bytes(), utf16(&text.to_uppercase())];
    for before in ["", "x", "xy", "xyz"] {
        forms.push(BASE64.encode(format!("{before}{text} and more")).into_bytes());
    }
    for form in forms {
        let hidden = [b"before".as_slice(), &form, b"behind"].concat();
        assert!(needle.found_in(&hidden).is_some(), "{}", String::from_utf8_lossy(&form));
    }
    assert!(needle.found_in(b"Ada.Lovelace@example.org").is_none());
}
