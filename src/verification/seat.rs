//! Seats: whether a device or an address has one, may take one, or finds all of them taken. Pure.

use std::collections::HashMap;

use keyledger_events::Timestamp;
use keyledger_projections::SeatKind;
use keyledger_projections::seats::{Bound, Holders};
use uuid::Uuid;

/// Seats that are released at once at most, for one append takes so many events: where a limit was lowered by more, a few
/// more newcomers get in before it is kept.
const RELEASED_MAX: usize = 1_000;

/// When seats were last seen, by the id of who holds them.
pub type LastSeen = HashMap<Uuid, Timestamp>;

/// The seats of one kind, and who asks for one.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Device or address.
    pub kind: SeatKind,
    /// How many seats there are; `None` is no limit.
    pub limit: Option<u32>,
    /// Those that are taken.
    pub taken: &'a Holders,
    /// Minutes after which a seat that is not seen is free.
    pub timeout_minutes: Option<u32>,
    /// When they were last seen, if that was looked up.
    pub last_seen: Option<&'a LastSeen>,
    /// Who asks.
    pub id: Uuid,
    /// When.
    pub now: Timestamp,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seat {
    /// It needs no seat, or has one.
    Held,
    /// It takes one, after others were released for not being seen.
    Free {
        /// Those that lose their seats, more than one where more are taken than there are.
        release: Vec<Uuid>,
    },
    /// None is free.
    Full,
    /// One may have been unseen for long enough: look up when they were last seen.
    Unclear,
}

impl Request<'_> {
    /// Decides.
    pub fn decide(&self) -> Seat {
        let Some(limit) = self.limit else { return Seat::Held };
        if self.taken.contains(self.id) {
            return Seat::Held;
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if self.taken.len() < limit {
            return Seat::Free { release: Vec::new() };
        }
        let needed = (self.taken.len() - limit + 1).min(RELEASED_MAX);
        let Some(minutes) = self.timeout_minutes else { return Seat::Full };
        let horizon = self.now.as_microsecond() - i64::from(minutes) * 60 * 1_000_000;
        let old = || self.taken.iter().filter(|(_, bound)| bound.since.as_microsecond() <= horizon);
        if old().count() < needed {
            return Seat::Full;
        }
        let Some(last_seen) = self.last_seen else { return Seat::Unclear };
        let seen = |id: Uuid, bound: Bound| last_seen.get(&id).map_or(bound.since, |at| bound.since.max(*at));
        let unseen = old().map(|(id, bound)| (seen(id, bound), id));
        let mut unseen: Vec<_> = unseen.filter(|(seen, _)| seen.as_microsecond() <= horizon).collect();
        if unseen.len() < needed {
            return Seat::Full;
        }
        unseen.sort_unstable();
        Seat::Free { release: unseen.into_iter().take(needed).map(|(_, id)| id).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap_or_default()
    }

    fn free(release: &[u128]) -> Seat {
        Seat::Free { release: release.iter().map(|id| Uuid::from_u128(*id)).collect() }
    }

    /// Seats taken at these seconds by devices 0, 1, …; device 99 asks at second 6,000.
    fn check(limit: Option<u32>, taken: &[i64], timeout: Option<u32>, seen: Option<&[(u128, i64)]>) -> Seat {
        let id = Uuid::from_u128;
        let taken: Holders = taken.iter().zip(0..).map(|(s, n)| (id(n), Bound { since: at(*s) })).collect();
        let seen: Option<LastSeen> = seen.map(|seen| seen.iter().map(|(n, s)| (id(*n), at(*s))).collect());
        let request = Request {
            kind: SeatKind::Device,
            limit,
            taken: &taken,
            timeout_minutes: timeout,
            last_seen: seen.as_ref(),
            id: id(99),
            now: at(6_000),
        };
        request.decide()
    }

    #[test]
    fn seats_are_taken_until_there_are_none() {
        assert_eq!(check(None, &[0, 0, 0], None, None), Seat::Held);
        assert_eq!(check(Some(2), &[], None, None), free(&[]));
        assert_eq!(check(Some(2), &[0], None, None), free(&[]));
        assert_eq!(check(Some(2), &[0, 0], None, None), Seat::Full);
        // The seller lowered the limit.
        assert_eq!(check(Some(1), &[0, 0], None, None), Seat::Full);
    }

    #[test]
    fn a_seat_that_is_not_seen_is_free_after_the_timeout() {
        let hour_ago = 6_000 - 60 * MINUTE;
        assert_eq!(check(Some(1), &[hour_ago], Some(61), None), Seat::Full);
        assert_eq!(check(Some(1), &[hour_ago], Some(60), None), Seat::Unclear);
        assert_eq!(check(Some(1), &[hour_ago], Some(60), Some(&[])), free(&[0]));
        assert_eq!(check(Some(1), &[hour_ago], Some(60), Some(&[(0, hour_ago + 1)])), Seat::Full);
        // Of several the one unseen for longest goes.
        let seen = [(0, 500), (1, 400)];
        assert_eq!(check(Some(2), &[0, 0], Some(60), Some(&seen)), free(&[1]));
    }

    /// Guards: a limit that was lowered and is never kept, because each newcomer takes the place of one that went.
    #[test]
    fn a_lowered_limit_is_kept_although_seats_are_freed_by_time() {
        let now = 6_000;
        assert_eq!(check(Some(1), &[0, 0, 0], Some(60), Some(&[(0, now), (1, now)])), Seat::Full);
        assert_eq!(check(Some(1), &[0, 0, now], Some(60), None), Seat::Full);
        assert_eq!(check(Some(2), &[0, 0, 0], Some(60), Some(&[(0, now), (1, 7)])), free(&[2, 1]));
        assert_eq!(check(Some(0), &[0], Some(60), Some(&[])), Seat::Full);
    }
}
