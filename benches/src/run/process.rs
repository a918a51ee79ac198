//! Programs that are measured: servers that announce their address, and commands that print one result.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

/// How long a server may take until it listens; on a large ledger it may rebuild its views first.
const START_MAX: Duration = Duration::from_secs(300);
/// How long a command may run.
const COMMAND_MAX: Duration = Duration::from_secs(300);
/// How long a server may take until it says that it is ready.
const READY_MAX: Duration = Duration::from_secs(300);
/// How long one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Bytes of a log that an error shows.
const LOG_TAIL_BYTES: usize = 1_500;

/// A running server. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
}

/// What a request was answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Running {
    /// Starts it and waits until it has announced its address.
    pub(crate) fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let mut child = spawn(command, log)?;
        let stdout = child.stdout.take();
        let mut running = Self { child, log: log.to_owned(), url: String::new() };
        running.url = announced(stdout.context("no standard output")?)
            .with_context(|| format!("{} did not start: {}", command.get_program().display(), tail(log)))?;
        Ok(running)
    }

    /// Waits until `/readyz` answers 200.
    pub(crate) fn wait_ready(&self) -> anyhow::Result<()> {
        let start = Instant::now();
        while start.elapsed() < READY_MAX {
            if status(&self.url, "/readyz").is_ok_and(|status| status == 200) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("{} was not ready within {} s: {}", self.url, READY_MAX.as_secs(), tail(&self.log))
    }

    /// Posts one request; the body of its answer.
    pub(crate) fn post(&self, path: &str, body: &str) -> anyhow::Result<String> {
        let headers = [("content-type", "application/json")];
        Ok(self.request(&format!("POST {path} HTTP/1.1"), &headers, body)?.body)
    }

    /// Sends one request, over a connection of its own.
    pub(crate) fn request(&self, line: &str, headers: &[(&str, &str)], body: &str) -> anyhow::Result<Answer> {
        let host = self.url.strip_prefix("http://").context("not an http URL")?;
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("{line}\r\nhost: {host}\r\nconnection: close\r\n{headers}content-length: {}", body.len());
        write!(stream, "{head}\r\n\r\n{body}")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("not an answer: {answer}"))?;
        let status = head.split_whitespace().nth(1).context("no status line")?.parse()?;
        Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
    }

    /// A line of `/proc/PID/status` in KiB: `VmRSS`, or `VmHWM` for the most it ever was.
    pub(crate) fn memory_kib(&self, line: &str) -> anyhow::Result<u32> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).with_context(|| format!("reading {path}: {}", tail(&self.log)))?;
        let value = status.lines().find_map(|each| each.strip_prefix(line)?.strip_prefix(':'));
        let value =
            value.and_then(|value| value.split_whitespace().next()).with_context(|| format!("no {line} in {path}"))?;
        Ok(value.parse()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its database is thrown away or must survive this; a server that is gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end; what it printed.
pub(crate) fn output(command: &mut Command, log: &Path) -> anyhow::Result<String> {
    let mut child = spawn(command, log)?;
    let mut stdout = child.stdout.take().context("no standard output")?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    let start = Instant::now();
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if start.elapsed() > COMMAND_MAX => {
                child.kill()?;
                break child.wait()?;
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let text = reader.join().map_err(|_| anyhow::anyhow!("the reading thread is gone"))??;
    ensure!(status.success(), "`{}` ended with {status}: {}", line(command), tail(log));
    Ok(text)
}

/// The command as one would type it, without its environment.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn spawn(command: &mut Command, log: &Path) -> anyhow::Result<Child> {
    let stderr = File::create(log).with_context(|| format!("making {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
    command.spawn().with_context(|| format!("starting {}", command.get_program().display()))
}

/// Reads on after the announcement, so that a talkative server never waits for its reader.
fn announced(stdout: ChildStdout) -> anyhow::Result<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(url) = line.strip_prefix("listening on ") {
                let _ = sender.send(url.trim_end_matches('/').to_owned());
            }
        }
    });
    receiver.recv_timeout(START_MAX).context("no line `listening on http://…`")
}

fn status(url: &str, path: &str) -> anyhow::Result<u16> {
    let host = url.strip_prefix("http://").context("not an http URL")?;
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line.split_whitespace().nth(1).context("no status line")?.parse()?)
}

fn tail(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let from = bytes.len().saturating_sub(LOG_TAIL_BYTES);
    String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()).trim().to_owned()
}
