//! Writing a bundle, line by line.

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{EventLine, FORMAT_VERSION, Filter, Header, end_text};
use crate::note::NoteSigner;

/// A line that has no JSON form.
#[derive(Debug, thiserror::Error)]
#[error("a line of the bundle cannot be written: {0}")]
pub struct WriteError(#[from] serde_json::Error);

/// The last line.
#[derive(Serialize)]
struct End {
    end: String,
}

/// A bundle that is being written. Whoever drops it before [`BundleWriter::end`] leaves a bundle that does not verify.
#[derive(Debug)]
pub struct BundleWriter {
    written: Sha256,
    events: u64,
}

impl BundleWriter {
    /// Begins a bundle whose events are proved against a signed checkpoint.
    ///
    /// # Errors
    /// Never for what is written here.
    pub fn begin(
        signer: &NoteSigner,
        checkpoint: &str,
        filter: &Filter,
        exported_at: Timestamp,
        out: &mut Vec<u8>,
    ) -> Result<Self, WriteError> {
        let header = Header {
            keyledger_bundle: FORMAT_VERSION,
            log: signer.key().to_string(),
            checkpoint: checkpoint.to_owned(),
            filter: filter.clone(),
            exported_at,
        };
        let mut writer = Self { written: Sha256::new(), events: 0 };
        writer.line(&header, out)?;
        Ok(writer)
    }

    /// Adds an event.
    ///
    /// # Errors
    /// Never for events of a ledger.
    pub fn event(&mut self, event: &EventLine<'_>, out: &mut Vec<u8>) -> Result<(), WriteError> {
        self.events += 1;
        self.line(event, out)
    }

    /// Ends it with the log's word on everything that was written.
    ///
    /// # Errors
    /// Never for what is written here.
    pub fn end(mut self, signer: &NoteSigner, out: &mut Vec<u8>) -> Result<(), WriteError> {
        let text = end_text(signer.key(), self.events, &self.written.clone().finalize());
        self.line(&End { end: signer.sign(&text) }, out)
    }

    fn line(&mut self, line: &impl Serialize, out: &mut Vec<u8>) -> Result<(), WriteError> {
        let from = out.len();
        serde_json::to_writer(&mut *out, line)?;
        out.push(b'\n');
        self.written.update(&out[from..]);
        Ok(())
    }
}
