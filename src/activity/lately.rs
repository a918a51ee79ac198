//! What was noted a moment ago. A device that asks every second need not be written down every second: the database
//! learns of it again after [`STEP_US`], and this process knows the exact time meanwhile.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};

use keyledger_events::{Timestamp, clock};

/// How far behind the database may be, in microseconds.
const STEP_US: i64 = 60 * 1_000_000;
/// Things of one generation at most; of two generations the older is dropped when the younger is full, and what it held
/// is written down again sooner than it need be. A generation takes 26 MB at most.
const GENERATION_MAX: usize = 450_000;

/// Times in microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy)]
struct Mark {
    last: i64,
    /// What the database knows or is about to learn.
    noted: i64,
}

/// Times by a hash of what they are of. Two things with the same hash, one in 2^64, would share a time for a moment.
#[derive(Debug, Default)]
pub(super) struct Lately {
    hasher: RandomState,
    young: HashMap<u64, Mark>,
    old: HashMap<u64, Mark>,
}

impl Lately {
    /// It happened at `at`; whether that is to be written down, which it always is when it is to be `exact`.
    pub(super) fn is_news(&mut self, key: &impl Hash, at: Timestamp, exact: bool) -> bool {
        let (hash, at) = (self.hasher.hash_one(key), at.as_microsecond());
        let known = match self.young.get_mut(&hash) {
            Some(mark) => Some(mark),
            None => match self.old.remove(&hash) {
                Some(mark) => Some(self.young.entry(hash).or_insert(mark)),
                None => None,
            },
        };
        let Some(mark) = known else {
            if self.young.len() >= GENERATION_MAX {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(hash, Mark { last: at, noted: at });
            return true;
        };
        mark.last = mark.last.max(at);
        // An old time that comes late is none of the database's concern either.
        let news = exact || at >= mark.noted.saturating_add(STEP_US);
        if news {
            mark.noted = at;
        }
        news
    }

    /// When it happened last, as far as that is known here.
    pub(super) fn last(&self, key: &impl Hash) -> Option<Timestamp> {
        let hash = self.hasher.hash_one(key);
        let mark = self.young.get(&hash).or_else(|| self.old.get(&hash))?;
        clock::from_microseconds(mark.last)
    }

    /// It never happened.
    pub(super) fn forget(&mut self, key: &impl Hash) {
        let hash = self.hasher.hash_one(key);
        self.young.remove(&hash);
        self.old.remove(&hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or_default()
    }

    #[test]
    fn what_goes_on_all_the_time_is_news_now_and_then_and_known_to_the_second() {
        let mut lately = Lately::default();
        let news: Vec<_> = (0..=125).filter(|second| lately.is_news(&"device", at(*second), false)).collect();
        assert_eq!(news, [0, 60, 120]);
        assert_eq!(lately.last(&"device"), Some(at(125)));
        assert!(lately.is_news(&"device", at(126), true), "a timeout of minutes wants to know at once");
        assert!(lately.is_news(&"another", at(1), false));
        lately.forget(&"device");
        assert_eq!(lately.last(&"device"), None);
        assert!(lately.is_news(&"device", at(127), false));
    }

    #[test]
    fn it_stays_small_and_keeps_what_is_in_use() {
        let mut lately = Lately::default();
        for number in 0..3 * GENERATION_MAX {
            lately.is_news(&number, at(1), false);
            lately.is_news(&"always", at(1), false);
        }
        assert!(lately.young.len() + lately.old.len() <= 2 * GENERATION_MAX);
        assert!(!lately.is_news(&"always", at(2), false));
    }
}
