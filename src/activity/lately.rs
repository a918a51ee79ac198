//! What was noted a moment ago. A device that asks every minute need not be written down every minute: the database
//! learns of it again after [`STEP_US`], and this process knows the exact time meanwhile.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};

use keyledger_events::{Timestamp, clock};

/// How far behind the database may be, in microseconds.
const STEP_US: i64 = 5 * 60 * 1_000_000;
/// Owners of one generation at most; of two generations the older is dropped when the younger is full, and what it held
/// is written down again sooner than it need be. A generation takes 26 MB at most.
const GENERATION_MAX: usize = 225_000;
/// Times that lie together: of a licence, of the device and of the address that use it.
const TOGETHER: usize = 3;

/// Times in microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    /// A hash of what they are of, beside the owner.
    what: u64,
    last: i64,
    /// What the database knows or is about to learn.
    noted: i64,
}

/// What is known of one owner. It lies in one place, for that place is looked up with each verification.
#[derive(Debug, Clone, Copy, Default)]
struct Marks {
    marks: [Mark; TOGETHER],
    count: usize,
}

impl Marks {
    fn find(&mut self, what: u64) -> Option<&mut Mark> {
        self.marks[..self.count].iter_mut().find(|mark| mark.what == what)
    }

    fn is_full(&self) -> bool {
        self.count == TOGETHER
    }

    /// Where there is no place, the last one loses its own.
    fn push(&mut self, mark: Mark) {
        self.count = (self.count + 1).min(TOGETHER);
        self.marks[self.count - 1] = mark;
    }

    fn remove(&mut self, what: u64) {
        if let Some(place) = self.marks[..self.count].iter().position(|mark| mark.what == what) {
            self.count -= 1;
            self.marks.swap(place, self.count);
        }
    }
}

/// Times by a hash of what they are of. Two things with the same hash, one in 2^64, would share a time for a moment.
#[derive(Debug, Default)]
pub(super) struct Lately {
    hasher: RandomState,
    young: HashMap<u64, Marks>,
    old: HashMap<u64, Marks>,
}

impl Lately {
    /// It happened at `at`, to `what` of the owner; whether that is to be written down, which it always is when it is to be
    /// `exact`.
    pub(super) fn is_news(&mut self, owner: &impl Hash, what: &impl Hash, at: Timestamp, exact: bool) -> bool {
        let (owner, what, at) = (self.hasher.hash_one(owner), self.hasher.hash_one(what), at.as_microsecond());
        for owner in [owner, apart(owner, what)] {
            if let Some(mark) = self.known(owner, what) {
                mark.last = mark.last.max(at);
                // An old time that comes late is none of the database's concern either.
                let news = exact || at >= mark.noted.saturating_add(STEP_US);
                if news {
                    mark.noted = at;
                }
                return news;
            }
        }
        let is_full = self.young.get(&owner).is_some_and(Marks::is_full);
        let owner = if is_full { apart(owner, what) } else { owner };
        self.make_room(owner);
        self.young.entry(owner).or_default().push(Mark { what, last: at, noted: at });
        true
    }

    /// What is known of `what`, which is in the younger generation then.
    fn known(&mut self, owner: u64, what: u64) -> Option<&mut Mark> {
        if !self.young.contains_key(&owner) {
            let marks = self.old.remove(&owner)?;
            self.make_room(owner);
            self.young.insert(owner, marks);
        }
        self.young.get_mut(&owner)?.find(what)
    }

    fn make_room(&mut self, owner: u64) {
        if self.young.len() >= GENERATION_MAX && !self.young.contains_key(&owner) {
            self.old = std::mem::take(&mut self.young);
        }
    }

    /// When it happened last, as far as that is known here.
    pub(super) fn last(&self, owner: &impl Hash, what: &impl Hash) -> Option<Timestamp> {
        let (owner, what) = (self.hasher.hash_one(owner), self.hasher.hash_one(what));
        let found = [owner, apart(owner, what)].into_iter().find_map(|owner| {
            let marks = self.young.get(&owner).or_else(|| self.old.get(&owner))?;
            marks.marks[..marks.count].iter().find(|mark| mark.what == what)
        });
        clock::from_microseconds(found?.last)
    }

    /// It never happened.
    pub(super) fn forget(&mut self, owner: &impl Hash, what: &impl Hash) {
        let (owner, what) = (self.hasher.hash_one(owner), self.hasher.hash_one(what));
        for owner in [owner, apart(owner, what)] {
            for generation in [&mut self.young, &mut self.old] {
                if let Some(marks) = generation.get_mut(&owner) {
                    marks.remove(what);
                }
            }
        }
    }
}

/// Where the times of `what` are when there is no place left beside the owner's others.
fn apart(owner: u64, what: u64) -> u64 {
    owner.rotate_left(1) ^ what
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
        let news: Vec<_> =
            (0..=605).filter(|second| lately.is_news(&"licence", &"device", at(*second), false)).collect();
        assert_eq!(news, [0, 300, 600]);
        assert_eq!(lately.last(&"licence", &"device"), Some(at(605)));
        assert!(lately.is_news(&"licence", &"device", at(606), true), "a timeout of minutes wants to know at once");
        assert!(lately.is_news(&"licence", &"another", at(1), false));
        lately.forget(&"licence", &"device");
        assert_eq!(lately.last(&"licence", &"device"), None);
        assert!(lately.is_news(&"licence", &"device", at(607), false));
    }

    #[test]
    fn it_stays_small_and_keeps_what_is_in_use() {
        let mut lately = Lately::default();
        for number in 0..3 * GENERATION_MAX {
            lately.is_news(&number, &"use", at(1), false);
            lately.is_news(&"always", &"use", at(1), false);
        }
        assert!(lately.young.len() + lately.old.len() <= 2 * GENERATION_MAX);
        assert!(!lately.is_news(&"always", &"use", at(2), false));
    }

    /// Guards: a device of many that takes another's time, and one that is forgotten and comes back with it.
    #[test]
    fn each_of_many_devices_has_its_time() {
        let mut lately = Lately::default();
        for device in 0..50 {
            assert!(lately.is_news(&"licence", &device, at(device), false));
        }
        for device in 0..50 {
            assert!(!lately.is_news(&"licence", &device, at(device + 1), false));
            assert_eq!(lately.last(&"licence", &device), Some(at(device + 1)), "{device}");
            assert_eq!(lately.last(&"another licence", &device), None);
        }
        for device in (0_i64..50).step_by(2) {
            lately.forget(&"licence", &device);
        }
        for device in 0..50 {
            let known = (device % 2 == 1).then(|| at(device + 1));
            assert_eq!(lately.last(&"licence", &device), known, "{device}");
            assert_eq!(lately.is_news(&"licence", &device, at(device + 2), false), known.is_none());
        }
        assert!((0..50).all(|device| lately.last(&"licence", &device) == Some(at(device + 2))));
    }
}
