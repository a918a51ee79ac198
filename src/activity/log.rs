//! Entries of the requests log that wait to be written down.

use super::entry::LoggedRequest;

/// Entries with their texts in one place. An entry that had memory of its own would give it back on another thread than
/// the one that took it, which makes the allocator slow for everybody.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: Vec<LoggedRequest<Text>>,
    texts: String,
}

/// Where a text begins and ends among the others.
#[derive(Debug, Clone, Copy)]
struct Text(usize, usize);

impl Log {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn push(&mut self, request: LoggedRequest<&str>) {
        let texts = &mut self.texts;
        self.entries.push(request.map(|text| {
            let begin = texts.len();
            texts.push_str(text);
            Text(begin, texts.len())
        }));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = LoggedRequest<&str>> {
        self.entries.iter().map(|entry| entry.clone().map(|Text(begin, end)| &self.texts[begin..end]))
    }
}
