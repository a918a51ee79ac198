//! Mail into a folder: one `.eml` file a mail, named after its Message-ID, so that a repeat replaces it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::Message;
use lettre::message::header::MessageId;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::SendError;

/// Characters of a Message-ID that is a file's name as it is; longer ones are hashed.
const NAME_CHARS_MAX: usize = 120;
/// A temporary file that is older was left behind by a crash.
const WRITING_MAX: Duration = Duration::from_secs(60);
/// Only the user that keyledger runs as may look into the folder …
const FOLDER_MODE: u32 = 0o700;
/// … and read the mails: they carry licence keys.
const FILE_MODE: u32 = 0o600;

/// A folder that takes mails.
#[derive(Debug, Clone)]
pub struct FileTransport {
    folder: PathBuf,
}

impl FileTransport {
    /// Mail into `folder`, which the first mail creates.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the mail with this Message-ID is or will be, with or without angle brackets.
    pub fn path_of(&self, message_id: &str) -> PathBuf {
        self.folder.join(file_name(message_id))
    }

    /// Deletes the mails with these Message-IDs, and what crashes left behind of any. Tells how many mails there were.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub async fn forget(&self, message_ids: &[String]) -> io::Result<u64> {
        let (folder, paths) = (self.folder.clone(), message_ids.iter().map(|id| self.path_of(id)).collect());
        let deleted = tokio::task::spawn_blocking(move || delete_durably(&folder, paths)).await;
        deleted.map_err(io::Error::other).flatten()
    }

    /// Writes the mail and waits until it is durable.
    pub(super) async fn send(&self, message: &Message) -> Result<(), SendError> {
        let id = message.headers().get::<MessageId>();
        let Some(id) = id else {
            return Err(SendError::Permanent {
                reason: "the mail has no Message-ID to name its file after".to_owned(),
            });
        };
        let (path, content) = (self.path_of(id.as_ref()), message.formatted());
        let written = tokio::task::spawn_blocking(move || write_durably(&path, &content)).await;
        written.map_err(io::Error::other).flatten().map_err(|error| SendError::Transient {
            reason: format!(
                "the mail cannot be written to the folder `{}`: {error}; make room there, or let keyledger write to it",
                self.folder.display()
            ),
        })
    }
}

fn file_name(message_id: &str) -> String {
    let bare = message_id.trim_start_matches('<').trim_end_matches('>');
    // Capitals are left out because some file systems take `A` and `a` for one name.
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '@' | '.');
    if bare.chars().all(is_plain) && !bare.starts_with(['.', '-']) && (1..=NAME_CHARS_MAX).contains(&bare.len()) {
        return format!("{bare}.eml");
    }
    format!("sha256-{}.eml", hex::encode(Sha256::digest(bare)))
}

/// Whoever finds a file under its final name finds all of it, even after a power cut.
fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
    let temporary = folder.join(format!(".{}.tmp", Uuid::new_v4()));
    let written = write_new(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to tell; a left-over temporary file harms nobody.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    File::open(folder)?.sync_all()
}

fn delete_durably(folder: &Path, paths: Vec<PathBuf>) -> io::Result<u64> {
    if !folder.exists() {
        return Ok(0);
    }
    let mut deleted = 0;
    for path in paths {
        match fs::remove_file(path) {
            Ok(()) => deleted += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_temporary = name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(".tmp"));
        let is_left_over = || entry.metadata()?.modified()?.elapsed().map_err(io::Error::other);
        if is_temporary && is_left_over().is_ok_and(|age| age > WRITING_MAX) {
            fs::remove_file(entry.path())?;
        }
    }
    File::open(folder)?.sync_all()?;
    Ok(deleted)
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::mail::{KeyItem, LicenseMail, SendError};

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn mail(key: &str) -> Result<Message, Box<dyn std::error::Error>> {
        let mail = LicenseMail {
            to: "buyer@example.com".to_owned(),
            message_id: "<2c1f3f0e@keyledger>".to_owned(),
            team_name: "Acme".to_owned(),
            message: None,
            image_url: None,
            items: vec![KeyItem { key: key.to_owned(), products: vec!["Editor".to_owned()], note: String::new() }],
            sent_at: "2026-11-22T08:00:00Z".parse()?,
        };
        Ok(mail.render(&"licenses@localhost".parse()?)?)
    }

    #[tokio::test]
    async fn a_repeated_mail_replaces_its_file_and_leaves_nothing_else() -> Outcome {
        let root = tempfile::tempdir()?;
        let transport = FileTransport::new(root.path().join("a/mail"));
        transport.send(&mail("AAAAA-AAAAA-AAAAA-AAAAA-AAAAA")?).await?;
        transport.send(&mail("BBBBB-BBBBB-BBBBB-BBBBB-BBBBB")?).await?;

        let names: Vec<_> =
            fs::read_dir(root.path().join("a/mail"))?.map(|e| e.map(|e| e.file_name())).collect::<Result<_, _>>()?;
        assert_eq!(names, ["2c1f3f0e@keyledger.eml"]);
        let path = transport.path_of("2c1f3f0e@keyledger");
        assert!(fs::read_to_string(&path)?.contains("BBBBB-BBBBB"));
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(root.path().join("a/mail"))?.permissions().mode() & 0o777, 0o700);
        Ok(())
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_is_worth_another_attempt_and_keeps_the_address_to_itself() -> Outcome {
        let root = tempfile::tempdir()?;
        fs::write(root.path().join("mail"), "a file where the folder should be")?;
        let sent = FileTransport::new(root.path().join("mail")).send(&mail("AAAAA")?).await;
        let Err(SendError::Transient { reason }) = sent else { return Err(format!("{sent:?}").into()) };
        assert!(reason.contains("mail`") && !reason.contains("buyer"), "{reason}");
        Ok(())
    }

    #[test]
    fn no_message_id_leads_out_of_the_folder_or_onto_another_mail() {
        assert_eq!(file_name("<7d@keyledger>"), "7d@keyledger.eml");
        let odd = ["<../../etc/passwd@x>", "<a/b@x>", "<.hidden@x>", "<A@x>", "<a@x y>", "", &"a".repeat(200)];
        let names: std::collections::HashSet<_> = odd.iter().map(|id| file_name(id)).collect();
        assert_eq!(names.len(), odd.len());
        assert!(names.iter().all(|name| name.starts_with("sha256-") && !name.contains('/')), "{names:?}");
    }

    #[tokio::test]
    async fn a_forgotten_mail_is_gone_and_others_stay() -> Outcome {
        let root = tempfile::tempdir()?;
        let transport = FileTransport::new(root.path().join("mail"));
        assert_eq!(transport.forget(&["<2c1f3f0e@keyledger>".to_owned()]).await?, 0, "there is no folder yet");
        transport.send(&mail("AAAAA-AAAAA-AAAAA-AAAAA-AAAAA")?).await?;
        fs::write(root.path().join("mail/other.eml"), "somebody else's")?;
        fs::write(root.path().join("mail/.1.tmp"), "being written")?;
        fs::write(root.path().join("mail/.2.tmp"), "left behind")?;
        let hour_ago = fs::metadata(root.path().join("mail/.2.tmp"))?.modified()? - Duration::from_secs(3_600);
        File::options().write(true).open(root.path().join("mail/.2.tmp"))?.set_modified(hour_ago)?;
        let ids = ["<2c1f3f0e@keyledger>".to_owned(), "<never@keyledger>".to_owned()];
        assert_eq!(transport.forget(&ids).await?, 1);
        let mut names: Vec<_> =
            fs::read_dir(root.path().join("mail"))?.map(|e| e.map(|e| e.file_name())).collect::<Result<_, _>>()?;
        names.sort();
        assert_eq!(names, [".1.tmp", "other.eml"]);
        Ok(())
    }
}
