//! A real mail server beside a test: `tests/peers/smtp_sink.py`, which tells what it fails on.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{Error, in_project, python};

/// The login that a sink with [`SinkOptions::login`] wants.
pub(crate) const LOGIN: &str = "user:p%40ss";
const PLAIN_LOGIN: &str = "user:p@ss";

/// How the sink protects its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SinkTls {
    /// No mail before STARTTLS.
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// None offered.
    None,
}

/// What the sink demands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SinkOptions {
    /// Its TLS.
    pub(crate) tls: SinkTls,
    /// Whether it takes mail only after [`LOGIN`].
    pub(crate) login: bool,
    /// Whether it takes international addresses.
    pub(crate) smtputf8: bool,
}

impl Default for SinkOptions {
    fn default() -> Self {
        Self { tls: SinkTls::StartTls, login: true, smtputf8: true }
    }
}

/// One line of the sink's log.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Accepted {
    /// The envelope's recipients.
    pub(crate) to: Vec<String>,
    /// The envelope's sender.
    pub(crate) from: String,
    /// Whether it came over TLS.
    pub(crate) tls: bool,
    /// Whether the sender had logged in.
    pub(crate) login: bool,
    /// Differs between connections.
    pub(crate) connection: u16,
}

/// A running sink; dropping it ends it.
#[derive(Debug)]
pub(crate) struct SmtpSink {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    /// Its own certificate, to be trusted by the client.
    pub(crate) ca_pem: PathBuf,
    /// Where the accepted mails are.
    pub(crate) maildir: PathBuf,
    options: SinkOptions,
    child: Child,
    _folder: TempDir,
}

impl SmtpSink {
    /// Starts a sink and waits until it listens.
    pub(crate) fn start(options: SinkOptions) -> Result<Self, Error> {
        let folder = tempfile::tempdir()?;
        let (ca_pem, key) = make_certificate(folder.path())?;
        let maildir = folder.path().join("mail");
        std::fs::create_dir(&maildir)?;

        let mut command = Command::new(python()?);
        command.arg(in_project("tests/peers/smtp_sink.py")).arg("--dir").arg(&maildir);
        if options.tls != SinkTls::None {
            let mode = if options.tls == SinkTls::Implicit { "implicit" } else { "starttls" };
            command.arg("--cert").arg(&ca_pem).arg("--key").arg(key).args(["--tls", mode]);
        }
        if options.login {
            command.args(["--login", PLAIN_LOGIN]);
        }
        if !options.smtputf8 {
            command.arg("--no-smtputf8");
        }
        let said = folder.path().join("sink.log");
        command.stderr(File::create(&said)?);
        // The sink ends when this pipe closes, so a killed test leaves none behind.
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("the sink has no output")?).read_line(&mut line)?;
        let Ok(port) = line.trim().parse() else {
            return Err(format!("the mail sink did not start: {}", std::fs::read_to_string(said)?).into());
        };
        Ok(Self { port, ca_pem, maildir, options, child, _folder: folder })
    }

    /// The mail URL with which this sink accepts mail.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.options.tls == SinkTls::Implicit { "smtps" } else { "smtp" };
        let login = if self.options.login { format!("{LOGIN}@") } else { String::new() };
        let (port, ca) = (self.port, self.ca_pem.display());
        let tls = if self.options.tls == SinkTls::None { "none" } else { "required" };
        format!("{scheme}://{login}localhost:{port}?tls={tls}&ca={ca}")
    }

    /// What was accepted so far, oldest first.
    pub(crate) fn accepted(&self) -> Result<Vec<Accepted>, Error> {
        let log = self.maildir.join("log.jsonl");
        let text = if log.exists() { std::fs::read_to_string(log)? } else { String::new() };
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// The accepted mail of this number, from 1.
    pub(crate) fn mail(&self, number: usize) -> Result<Vec<u8>, Error> {
        Ok(std::fs::read(self.maildir.join(format!("{number:04}.eml")))?)
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn make_certificate(folder: &Path) -> Result<(PathBuf, PathBuf), Error> {
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()?;
    if !made.status.success() {
        return Err(format!("openssl made no certificate: {}", String::from_utf8_lossy(&made.stderr)).into());
    }
    Ok((cert, key))
}
