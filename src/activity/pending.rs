//! What was noted and is not written down yet. Bounded: last-seen times by the seats that there are, the log by a
//! number of entries. And what was written down a moment ago, which is not written down again so soon.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use keyledger_events::{TeamId, Timestamp};
use keyledger_projections::SeatKind;
use uuid::Uuid;

use super::entry::{LastSeen, LoggedRequest, Seen};
use super::lately::Lately;
use super::log::Log;

/// Log entries that wait at most; further ones are dropped and counted.
const LOG_ENTRIES_MAX: usize = 100_000;
/// Log entries that do not wait for the next second. Few, so that writing them down takes no processor for long.
const LOG_ENTRIES_SOON: usize = 500;

/// What was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Used {
    /// A licence, by a verification.
    License,
    /// An API key.
    ApiKey,
}

impl Used {
    /// As it is stored.
    pub(super) fn number(self) -> i64 {
        match self {
            Self::License => 1,
            Self::ApiKey => 2,
        }
    }
}

/// The key of a seat.
pub(super) type SeatKey = (TeamId, Uuid, SeatKind, Uuid);

/// What is not written down yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) seats: HashMap<SeatKey, LastSeen>,
    pub(super) uses: HashMap<(TeamId, Used, Uuid), Timestamp>,
    pub(super) log: Log,
    lately: Lately,
}

/// How much of it is to be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Everything.
    All,
    /// The log.
    Log,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.seats.is_empty() && self.uses.is_empty() && self.log.is_empty()
    }

    /// What is to be written down; what was written lately stays known.
    pub(super) fn take(&mut self, part: Part) -> Self {
        let log = std::mem::take(&mut self.log);
        let (seats, uses) = match part {
            Part::All => (std::mem::take(&mut self.seats), std::mem::take(&mut self.uses)),
            Part::Log => Default::default(),
        };
        Self { seats, uses, log, lately: Lately::default() }
    }

    pub(super) fn seen(&mut self, seen: Seen<'_>) {
        let Seen { team, license_id, kind, seat_id, identifier, country, at, exact } = seen;
        if !self.lately.is_news(&(team, license_id), &(kind, seat_id), at, exact) {
            return;
        }
        let country = country.map(str::to_owned);
        match self.seats.entry((team, license_id, kind, seat_id)) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                if country.is_some() && at >= known.last_seen {
                    known.country = country;
                }
                known.last_seen = known.last_seen.max(at);
            }
            Entry::Vacant(free) => {
                let identifier = identifier.to_owned();
                free.insert(LastSeen { seat_id, identifier, country, first_seen: at, last_seen: at });
            }
        }
    }

    pub(super) fn used(&mut self, what: Used, team: TeamId, id: Uuid, at: Timestamp) {
        if self.lately.is_news(&(team, id), &what, at, false) {
            self.note_use(what, team, id, at);
        }
    }

    fn note_use(&mut self, what: Used, team: TeamId, id: Uuid, at: Timestamp) {
        let known = self.uses.entry((team, what, id)).or_insert(at);
        *known = at.max(*known);
    }

    /// Whether there was a place for it, and whether it is the one with which the log is to be written down.
    pub(super) fn log(&mut self, request: LoggedRequest<&str>) -> (bool, bool) {
        let free = self.log.len() < LOG_ENTRIES_MAX;
        if free {
            self.log.push(request);
        }
        (free, free && self.log.len() == LOG_ENTRIES_SOON)
    }

    /// What could not be written comes back, under what was noted since; tells how many log entries had no place.
    pub(super) fn put_back(&mut self, taken: Self) -> u64 {
        for ((team, license_id, kind, seat_id), old) in taken.seats {
            match self.seats.entry((team, license_id, kind, seat_id)) {
                Entry::Occupied(mut newer) => {
                    let newer = newer.get_mut();
                    newer.first_seen = newer.first_seen.min(old.first_seen);
                    newer.last_seen = newer.last_seen.max(old.last_seen);
                    newer.country = newer.country.take().or(old.country);
                }
                Entry::Vacant(free) => drop(free.insert(old)),
            }
        }
        for ((team, what, id), at) in taken.uses {
            self.note_use(what, team, id, at);
        }
        let newer = std::mem::replace(&mut self.log, taken.log);
        let free = LOG_ENTRIES_MAX.saturating_sub(self.log.len());
        let dropped = newer.len().saturating_sub(free);
        newer.iter().take(free).for_each(|request| self.log.push(request));
        u64::try_from(dropped).unwrap_or(u64::MAX)
    }

    /// What is stored of a licence's seats, brought up to date.
    pub(super) fn seen_with(
        &self,
        team: TeamId,
        license_id: Uuid,
        kind: SeatKind,
        stored: Vec<LastSeen>,
    ) -> Vec<LastSeen> {
        let mut all: HashMap<Uuid, LastSeen> = stored.into_iter().map(|seat| (seat.seat_id, seat)).collect();
        let of_license = |key: &&SeatKey| (key.0, key.1, key.2) == (team, license_id, kind);
        for key in self.seats.keys().filter(of_license) {
            let Some(newer) = self.seats.get(key) else { continue };
            let seat = all.entry(newer.seat_id).or_insert_with(|| newer.clone());
            if newer.last_seen >= seat.last_seen {
                seat.last_seen = newer.last_seen;
                seat.country = newer.country.clone().or(seat.country.take());
            }
        }
        let mut all: Vec<_> = all.into_values().collect();
        for seat in &mut all {
            let lately = self.lately.last(&(team, license_id), &(kind, seat.seat_id));
            seat.last_seen = lately.map_or(seat.last_seen, |at| at.max(seat.last_seen));
        }
        all.sort_by_key(|seat| std::cmp::Reverse((seat.last_seen, seat.seat_id)));
        all
    }

    /// What is stored of uses, brought up to date.
    pub(super) fn used_with(
        &self,
        team: TeamId,
        what: Used,
        ids: Option<&[Uuid]>,
        mut stored: HashMap<Uuid, Timestamp>,
    ) -> HashMap<Uuid, Timestamp> {
        let mut note = |id: Uuid, at: Timestamp| {
            let known = stored.entry(id).or_insert(at);
            *known = at.max(*known);
        };
        match ids {
            Some(ids) => {
                for id in ids {
                    if let Some(at) = self.uses.get(&(team, what, *id)) {
                        note(*id, *at);
                    }
                }
            }
            None => {
                let of_team = self.uses.iter().filter(|((of, kind, _), _)| *of == team && *kind == what);
                of_team.for_each(|((_, _, id), at)| note(*id, *at));
            }
        }
        for (id, at) in &mut stored {
            *at = self.lately.last(&(team, *id), &what).map_or(*at, |lately| lately.max(*at));
        }
        stored
    }

    /// What was written down lately may not be there any more.
    pub(super) fn forget_lately(&mut self) {
        self.lately = Lately::default();
    }

    pub(super) fn forget_seat(&mut self, team: TeamId, license_id: Uuid, seat_id: Uuid) {
        for kind in [SeatKind::Device, SeatKind::Address] {
            self.lately.forget(&(team, license_id), &(kind, seat_id));
        }
        self.seats.retain(|key, _| (key.0, key.1, key.3) != (team, license_id, seat_id));
    }
}
