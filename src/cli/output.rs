//! What a command says on standard output, and notes for people on standard error.

use std::io::{self, BufWriter, Stdout, Write};

use comfy_table::Table;
use serde::Serialize;
use serde_json::Value;

/// Why nothing more can be said.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutputError {
    /// The reader has gone, as `head` does.
    #[error("standard output was closed")]
    Closed,
    /// Something else.
    #[error("standard output cannot be written: {0}")]
    Io(io::Error),
}

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Io(error) }
    }
}

impl From<serde_json::Error> for OutputError {
    fn from(error: serde_json::Error) -> Self {
        io::Error::from(error).into()
    }
}

/// Standard output.
pub(super) struct Output<W: Write = BufWriter<Stdout>> {
    /// Whether a machine reads.
    pub(super) json: bool,
    to: W,
}

impl Output {
    /// Standard output for a machine or for people.
    pub(super) fn new(json: bool) -> Self {
        Self { json, to: BufWriter::new(io::stdout()) }
    }
}

impl<W: Write> Output<W> {
    /// One JSON document.
    pub(super) fn document(&mut self, document: &impl Serialize) -> Result<(), OutputError> {
        serde_json::to_writer_pretty(&mut self.to, document)?;
        Ok(writeln!(self.to)?)
    }

    /// One JSON document on a line of its own, seen at once.
    pub(super) fn document_line(&mut self, document: &impl Serialize) -> Result<(), OutputError> {
        serde_json::to_writer(&mut self.to, document)?;
        writeln!(self.to)?;
        self.flush()
    }

    /// A line for people.
    pub(super) fn line(&mut self, text: &str) -> Result<(), OutputError> {
        Ok(writeln!(self.to, "{text}")?)
    }

    /// A table for people; of an empty one only a note.
    pub(super) fn table(&mut self, table: &Table, if_empty: &str) -> Result<(), OutputError> {
        if table.row_iter().next().is_none() {
            note(if_empty);
            return Ok(());
        }
        self.line(&table.trim_fmt())
    }

    /// A JSON array whose elements come one after the other. Nothing is written before the first of them, so that
    /// a failure to find them leaves standard output empty.
    pub(super) fn array(&mut self) -> JsonArray<'_, W> {
        JsonArray { output: self, begun: false, end: "" }
    }

    /// A JSON object with some fields and, last, an array whose elements come one after the other.
    pub(super) fn array_in(&mut self, fields: &Value, name: &str) -> Result<JsonArray<'_, W>, OutputError> {
        let mut head = serde_json::to_string(fields)?;
        // The object stays open.
        head.pop();
        let comma = if head.len() > 1 { "," } else { "" };
        write!(self.to, "{head}{comma}{}:", serde_json::to_string(name)?)?;
        Ok(JsonArray { output: self, begun: false, end: "}" })
    }

    /// Text as it is, for machines that read lines.
    pub(super) fn text(&mut self, text: &str) -> Result<(), OutputError> {
        Ok(self.to.write_all(text.as_bytes())?)
    }

    /// Makes sure that everything is out.
    pub(super) fn flush(&mut self) -> Result<(), OutputError> {
        Ok(self.to.flush()?)
    }
}

/// A JSON array that is being written, an element a line.
pub(super) struct JsonArray<'o, W: Write> {
    output: &'o mut Output<W>,
    begun: bool,
    /// What closes the object that it stands in.
    end: &'static str,
}

impl<W: Write> JsonArray<'_, W> {
    /// A further element.
    pub(super) fn push(&mut self, element: &impl Serialize) -> Result<(), OutputError> {
        self.output.to.write_all(if self.begun { b",\n" } else { b"[\n" })?;
        self.begun = true;
        Ok(serde_json::to_writer(&mut self.output.to, element)?)
    }

    /// The end.
    pub(super) fn finish(self) -> Result<(), OutputError> {
        let close = if self.begun { "\n]" } else { "[]" };
        Ok(writeln!(self.output.to, "{close}{}", self.end)?)
    }
}

/// A note for people, beside the result.
pub(super) fn note(text: &str) {
    // Nobody is there to tell if standard error is gone.
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(elements: &[u8]) -> Result<String, Box<dyn std::error::Error>> {
        let mut output = Output { json: true, to: Vec::new() };
        let mut array = output.array();
        for element in elements {
            array.push(element)?;
        }
        array.finish()?;
        Ok(String::from_utf8(output.to)?)
    }

    #[test]
    fn an_array_is_one_document() -> Result<(), Box<dyn std::error::Error>> {
        assert_eq!(array(&[])?, "[]\n");
        assert_eq!(array(&[1])?, "[\n1\n]\n");
        assert_eq!(array(&[1, 2, 3])?, "[\n1,\n2,\n3\n]\n");
        Ok(())
    }

    #[test]
    fn an_array_in_an_object_is_one_document() -> Result<(), Box<dyn std::error::Error>> {
        for (fields, expected) in
            [(serde_json::json!({ "a": 1 }), "{\"a\":1,\"rows\":"), (serde_json::json!({}), "{\"rows\":")]
        {
            let mut output = Output { json: true, to: Vec::new() };
            output.array_in(&fields, "rows")?.finish()?;
            let mut array = output.array_in(&fields, "rows")?;
            array.push(&7)?;
            array.finish()?;
            let said = String::from_utf8(output.to)?;
            assert_eq!(said, format!("{expected}[]}}\n{expected}[\n7\n]}}\n"));
            for document in serde_json::Deserializer::from_str(&said).into_iter::<Value>() {
                document?;
            }
        }
        Ok(())
    }

    /// A pipe whose reader has gone.
    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_has_gone_is_told_apart() {
        let mut output = Output { json: true, to: Gone };
        assert!(matches!(output.line("text"), Err(OutputError::Closed)));
        assert!(matches!(output.document(&1), Err(OutputError::Closed)));
        assert!(matches!(output.array().finish(), Err(OutputError::Closed)));
    }
}
