//! Verifying a bundle, line by line, without the ledger.

use std::collections::HashMap;
use std::io::{self, BufRead, Read as _};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{END, EventLine, FORMAT_VERSION, Filter, Header, LINE_BYTES_MAX, end_text};
use crate::check;
use crate::checkpoint::Checkpoint;
use crate::merkle::{Frontier, Hash};
use crate::note::VerifierKey;

/// What a bundle that verifies says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The log's verifier key. Unless it was given, it is the bundle's own word and must be compared with the one that
    /// the log's owner tells.
    pub log: String,
    /// Events in the bundle.
    pub events: u64,
    /// The first event's position.
    pub first: Option<i64>,
    /// The last event's position.
    pub last: Option<i64>,
    /// Events that the checkpoint is over.
    pub size: u64,
    /// Hex of the checkpoint's root.
    pub root: String,
    /// Which events the log says are all in it.
    pub filter: Filter,
    /// When it was made.
    pub exported_at: Timestamp,
}

/// Why a bundle does not verify.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file cannot be read.
    #[error("the bundle cannot be read: {0}")]
    Read(#[from] io::Error),
    /// A line is wrong.
    #[error("line {line}{at}: {problem}")]
    Line {
        /// Which, from 1.
        line: u64,
        /// Which event, in words.
        at: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Reads a bundle to its end and checks everything. `pinned` is the key that the log is known by; `kept` are checkpoints
/// of the log from elsewhere.
///
/// # Errors
/// When the bundle does not verify: the first line that is wrong.
pub fn verify(bundle: impl BufRead, pinned: Option<&VerifierKey>, kept: &[Checkpoint]) -> Result<Verdict, BundleError> {
    let mut lines = Lines { bundle, line: Vec::new(), number: 0, read: Sha256::new(), before: Sha256::new() };
    let mut walk = match lines.next()? {
        true => Walk::begin(&lines.line, pinned, kept).map_err(|problem| lines.wrong(problem))?,
        false => return Err(lines.wrong("the file is empty")),
    };
    loop {
        if !lines.next()? {
            return Err(lines.wrong("the bundle is cut off: its last line is missing"));
        }
        if lines.line.starts_with(END) {
            break;
        }
        walk.event(&lines.line).map_err(|(at, problem)| {
            let at = at.map(|position| format!(" (the event at position {position})")).unwrap_or_default();
            BundleError::Line { line: lines.number, at, problem }
        })?;
    }
    walk.end(&lines).map_err(|problem| lines.wrong(problem))?;
    if lines.next()? {
        return Err(lines.wrong("something follows the end of the bundle"));
    }
    Ok(walk.verdict())
}

/// The lines, with the hash of what was read.
struct Lines<R> {
    bundle: R,
    /// The present line, without its end.
    line: Vec<u8>,
    number: u64,
    read: Sha256,
    /// What was read before the present line.
    before: Sha256,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line; `false` at the end of the file.
    fn next(&mut self) -> Result<bool, BundleError> {
        self.line.clear();
        self.number += 1;
        let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        let bytes = self.bundle.by_ref().take(limit).read_until(b'\n', &mut self.line)?;
        if bytes == 0 {
            return Ok(false);
        }
        self.before = self.read.clone();
        self.read.update(&self.line);
        match self.line.pop() {
            Some(b'\n') => Ok(true),
            _ if bytes >= LINE_BYTES_MAX => Err(self.wrong("the line is too long")),
            _ => Err(self.wrong("the line is cut off")),
        }
    }

    fn wrong(&self, problem: impl Into<String>) -> BundleError {
        BundleError::Line { line: self.number, at: String::new(), problem: problem.into() }
    }
}

/// The last line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    end: String,
}

/// The bundle as read so far.
struct Walk<'k> {
    key: VerifierKey,
    header: Header,
    checkpoint: Checkpoint,
    kept: &'k [Checkpoint],
    tree: Frontier,
    streams: HashMap<(Uuid, Box<str>), i64>,
    events: u64,
    first: Option<i64>,
    last: Option<i64>,
    recorded_at: Option<Timestamp>,
}

impl<'k> Walk<'k> {
    fn begin(line: &[u8], pinned: Option<&VerifierKey>, kept: &'k [Checkpoint]) -> Result<Self, String> {
        let header: Header =
            serde_json::from_slice(line).map_err(|error| format!("this is no header of a bundle: {error}"))?;
        if header.keyledger_bundle != FORMAT_VERSION {
            let found = header.keyledger_bundle;
            return Err(format!(
                "the bundle has format {found}; this program reads {FORMAT_VERSION}, take a newer one"
            ));
        }
        let key: VerifierKey = header.log.parse().map_err(|error| format!("the log's key: {error}"))?;
        if let Some(pinned) = pinned.filter(|pinned| **pinned != key) {
            return Err(format!("the bundle is of the log {key}, not of {pinned}"));
        }
        let checkpoint =
            Checkpoint::open(&key, &header.checkpoint).map_err(|error| format!("the checkpoint: {error}"))?;
        let whole = header.filter.is_everything();
        for kept in kept {
            let comparable = kept.size == checkpoint.size || whole && kept.size < checkpoint.size;
            if !comparable {
                let what = if whole { "the whole bundle" } else { "a filtered bundle" };
                return Err(format!(
                    "{what} over {} events cannot be compared with a checkpoint over {}",
                    checkpoint.size, kept.size
                ));
            }
            if kept.size == checkpoint.size && kept.root != checkpoint.root {
                return Err(rewritten(kept.size));
            }
        }
        Ok(Self {
            key,
            header,
            checkpoint,
            kept,
            tree: Frontier::default(),
            streams: HashMap::new(),
            events: 0,
            first: None,
            last: None,
            recorded_at: None,
        })
    }

    /// Checks the next event; an error tells its position where that can be read.
    fn event(&mut self, line: &[u8]) -> Result<(), (Option<i64>, String)> {
        let event: EventLine<'_> =
            serde_json::from_slice(line).map_err(|error| (None, format!("this is no event: {error}")))?;
        self.check(&event).map_err(|problem| (Some(event.position), problem))
    }

    fn check(&mut self, event: &EventLine<'_>) -> Result<(), String> {
        let payload = event.payload().map_err(|error| error.to_string())?;
        let leaf = event.leaf_hash(&payload);
        if hex::encode(leaf) != event.leaf_hash {
            return Err("the event does not match its hash: it was changed".to_owned());
        }
        self.in_order(event)?;
        let path = event.path().map_err(|error| error.to_string())?;
        match (self.header.filter.is_everything(), path) {
            (true, None) => self.add(leaf, event.position)?,
            (true, Some(_)) => return Err("an event of a whole bundle has no proof of its own".to_owned()),
            (false, None) => return Err("the event's proof is missing".to_owned()),
            (false, Some(path)) => {
                let number = u64::try_from(event.position).unwrap_or(0);
                let index = number.checked_sub(1).ok_or("positions begin at 1")?;
                check::inclusion(&leaf, index, self.checkpoint.size, &self.checkpoint.root, &path)
                    .map_err(|error| format!("the checkpoint's tree does not have the event: {error}"))?;
            }
        }
        self.events += 1;
        self.first.get_or_insert(event.position);
        self.last = Some(event.position);
        self.recorded_at = Some(event.recorded_at);
        Ok(())
    }

    fn in_order(&mut self, event: &EventLine<'_>) -> Result<(), String> {
        let filter = &self.header.filter;
        if !filter.takes(event.position, event.team_id, &event.event_type, event.recorded_at) {
            return Err("the event is not one that the bundle says it holds".to_owned());
        }
        if let Some(last) = self.last.filter(|last| *last >= event.position) {
            return Err(format!("the event comes after the one at position {last}"));
        }
        if self.recorded_at.is_some_and(|before| event.recorded_at < before) {
            return Err("the time of record goes back".to_owned());
        }
        let version = self.streams.entry((event.team_id, event.stream.as_ref().into())).or_default();
        let expected = match filter.takes_whole_streams() {
            true => version.checked_add(1) == Some(event.stream_version),
            false => event.stream_version > *version,
        };
        if !expected {
            let (stream, found) = (&event.stream, event.stream_version);
            return Err(format!("{stream} goes from version {version} to {found}"));
        }
        *version = event.stream_version;
        Ok(())
    }

    /// Adds an event to the tree of a whole bundle.
    fn add(&mut self, leaf: Hash, position: i64) -> Result<(), String> {
        let expected = self.tree.size() + 1;
        if u64::try_from(position) != Ok(expected) {
            return Err(format!("the event at position {expected} is missing"));
        }
        if expected > self.checkpoint.size {
            return Err(format!("the checkpoint is over {} events only", self.checkpoint.size));
        }
        self.tree.push(leaf);
        let forged = self.kept.iter().any(|kept| kept.size == expected && kept.root != self.tree.root());
        if forged { Err(rewritten(expected)) } else { Ok(()) }
    }

    /// Checks the last line, and that nothing is missing before it.
    fn end<R>(&self, lines: &Lines<R>) -> Result<(), String> {
        if self.header.filter.is_everything() {
            let Checkpoint { size, root, .. } = &self.checkpoint;
            if self.tree.size() != *size {
                return Err(format!("the checkpoint is over {size} events, but {} are here", self.events));
            }
            if self.tree.root() != *root {
                return Err("the events do not give the root of the checkpoint".to_owned());
            }
        }
        let end: End = serde_json::from_slice(&lines.line).map_err(|error| format!("this is no end: {error}"))?;
        let text = end_text(&self.key, self.events, &lines.before.clone().finalize());
        let signed = self.key.open(&end.end).map_err(|error| format!("the end: {error}"))?;
        if signed != text {
            return Err("the bundle is not the one that the log signed: something was changed".to_owned());
        }
        // What is signed is the text; this line must be it and nothing else, to the byte.
        let line = serde_json::to_vec(&serde_json::json!({ "end": end.end })).unwrap_or_default();
        if line == lines.line && end.end[text.len()..].lines().count() == 2 {
            Ok(())
        } else {
            Err("the last line is not as the log writes it".to_owned())
        }
    }

    fn verdict(self) -> Verdict {
        Verdict {
            log: self.key.to_string(),
            events: self.events,
            first: self.first,
            last: self.last,
            size: self.checkpoint.size,
            root: hex::encode(self.checkpoint.root),
            filter: self.header.filter,
            exported_at: self.header.exported_at,
        }
    }
}

fn rewritten(size: u64) -> String {
    format!("history was rewritten: the first {size} events do not give the root of the checkpoint that was kept")
}
