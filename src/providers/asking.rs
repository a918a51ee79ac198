//! Places for deliveries for which Stripe must be asked: some for each team, few while its API is silent, so that one that
//! hangs holds up nobody but itself. What waits for a place waits in memory: it is pending in the ledger, and another node
//! or the next start comes to it as well. What was never tried goes before what is tried again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyledger_events::{Position, StreamId, TeamId};
use keyledger_projections::InboxEntry;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::inbox::stream_of;

/// Deliveries for which Stripe is asked at the same time, of all teams …
const ASKING_MAX: usize = 128;
/// … of one …
const PER_TEAM_MAX: usize = 16;
/// … and of one whose API is silent.
const PER_SILENT_TEAM_MAX: usize = 2;
/// An API is silent when an attempt that failed took so long.
const SILENT: Duration = Duration::from_secs(2);
/// Deliveries that may wait for a place. Of those beyond it is found out anew what they need.
const WAITING_MAX: usize = 100_000;

/// A pending delivery, in the order in which the deliveries of a team are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pending {
    tried: bool,
    position: Position,
    /// Its stream.
    pub(super) stream: StreamId,
    /// Whose it is.
    pub(super) team: TeamId,
}

impl Pending {
    /// As the view has it.
    pub(super) fn of(entry: &InboxEntry) -> Self {
        let InboxEntry { team, received_position: position, attempts, .. } = *entry;
        Self { tried: attempts > 0, position, stream: stream_of(entry), team }
    }
}

/// The places, and who has them. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Asking(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Deliveries that are worked on or wait for a place.
    in_hand: HashSet<StreamId>,
    teams: HashMap<TeamId, Team>,
    asking: usize,
    waiting: usize,
    closed: bool,
}

#[derive(Debug, Default)]
struct Team {
    asking: usize,
    silent: bool,
    waiting: BTreeSet<Pending>,
}

impl Team {
    fn has_place(&self) -> bool {
        self.asking < if self.silent { PER_SILENT_TEAM_MAX } else { PER_TEAM_MAX }
    }
}

/// The right to work on a delivery, until it is dropped.
#[derive(Debug)]
pub(super) struct InHand {
    asking: Asking,
    pending: Pending,
    waits: bool,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    asking: Asking,
    team: TeamId,
    since: Instant,
}

impl Asking {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a delivery in hand, unless somebody in this process has it.
    pub(super) fn take(&self, pending: Pending) -> Option<InHand> {
        let taken = self.state().in_hand.insert(pending.stream);
        taken.then(|| InHand { asking: self.clone(), pending, waits: false })
    }

    /// A place for a delivery of the team, if there is one.
    pub(super) fn place(&self, team: TeamId) -> Option<Place> {
        let mut state = self.state();
        let has_place = state.teams.get(&team).is_none_or(Team::has_place);
        (has_place && state.asking < ASKING_MAX && !state.closed).then(|| self.occupy(&mut state, team))
    }

    fn occupy(&self, state: &mut State, team: TeamId) -> Place {
        state.asking += 1;
        state.teams.entry(team).or_default().asking += 1;
        Place { asking: self.clone(), team, since: Instant::now() }
    }

    /// The next delivery that has waited for a place and has one now: of the team that has the fewest.
    pub(super) fn next(&self) -> Option<(InHand, Place)> {
        let mut state = self.state();
        if state.waiting == 0 || state.asking >= ASKING_MAX || state.closed {
            return None;
        }
        let ready = state.teams.iter_mut().filter(|(_, team)| team.has_place() && !team.waiting.is_empty());
        let pending = ready.min_by_key(|(_, team)| team.asking)?.1.waiting.pop_first()?;
        state.waiting -= 1;
        let place = self.occupy(&mut state, pending.team);
        Some((InHand { asking: self.clone(), pending, waits: false }, place))
    }

    /// Waits until a place may be free.
    pub(super) async fn freed(&self) {
        self.0.freed.notified().await;
    }

    /// From now on there is no place.
    pub(super) fn close(&self) {
        self.state().closed = true;
    }
}

impl InHand {
    /// The delivery.
    pub(super) fn pending(&self) -> Pending {
        self.pending
    }

    /// Lets it wait for a place.
    pub(super) fn wait(mut self) {
        let asking = self.asking.clone();
        let mut state = asking.state();
        if state.waiting < WAITING_MAX {
            state.waiting += 1;
            state.teams.entry(self.pending.team).or_default().waiting.insert(self.pending);
            self.waits = true;
        }
        drop(state);
        // A place may have become free meanwhile.
        asking.0.freed.notify_one();
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        if !self.waits {
            self.asking.state().in_hand.remove(&self.pending.stream);
        }
    }
}

impl Place {
    /// Gives the place back, and says whether the attempt failed.
    pub(super) fn end(self, failed: bool) {
        let silent = failed && self.since.elapsed() >= SILENT;
        self.asking.state().teams.entry(self.team).or_default().silent = silent;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.asking.state();
        state.asking -= 1;
        if let Some(team) = state.teams.get_mut(&self.team) {
            team.asking -= 1;
            if team.asking == 0 && team.waiting.is_empty() && !team.silent {
                state.teams.remove(&self.team);
            }
        }
        drop(state);
        self.asking.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use keyledger_events::{StreamKind, id};

    use super::*;

    fn pending(team: TeamId, position: i64, tried: bool) -> Pending {
        let stream = StreamId::new(StreamKind::Inbox, id::fresh());
        Pending { tried, position: Position(position), stream, team }
    }

    fn let_wait(asking: &Asking, pending: Pending) {
        asking.take(pending).into_iter().for_each(InHand::wait);
    }

    #[test]
    fn a_silent_api_has_few_places_and_keeps_none_from_others() {
        let (asking, silent, other) = (Asking::default(), TeamId(id::fresh()), TeamId(id::fresh()));
        let mut places: Vec<_> = (0..PER_TEAM_MAX).filter_map(|_| asking.place(silent)).collect();
        assert_eq!((places.len(), asking.place(silent).is_none()), (PER_TEAM_MAX, true));
        places.iter_mut().for_each(|place| place.since -= SILENT);
        places.into_iter().for_each(|place| place.end(true));
        let held: Vec<_> = (0..PER_TEAM_MAX).filter_map(|_| asking.place(silent)).collect();
        assert_eq!(held.len(), PER_SILENT_TEAM_MAX);
        assert!(asking.place(other).is_some());
        // It answers again.
        held.into_iter().for_each(|place| place.end(false));
        assert_eq!((0..PER_TEAM_MAX).filter_map(|_| asking.place(silent)).collect::<Vec<_>>().len(), PER_TEAM_MAX);
    }

    #[test]
    fn what_was_never_tried_goes_first_and_each_team_has_its_turn() {
        let (asking, busy, other) = (Asking::default(), TeamId(id::fresh()), TeamId(id::fresh()));
        let (old, new) = (pending(busy, 1, true), pending(busy, 9, false));
        let mut taken: Vec<_> = (0..PER_TEAM_MAX).filter_map(|_| asking.place(busy)).collect();
        for waiting in [old, new] {
            let_wait(&asking, waiting);
            assert!(asking.take(waiting).is_none(), "it is in hand as long as it waits");
        }
        assert!(asking.next().is_none());
        let_wait(&asking, pending(other, 20, true));
        let order: Vec<_> = std::iter::from_fn(|| {
            taken.pop();
            asking.next().map(|(in_hand, place)| {
                taken.insert(0, place);
                in_hand.pending()
            })
        })
        .collect();
        assert_eq!(order.iter().map(|next| next.position.0).collect::<Vec<_>>(), [20, 9, 1]);
        assert!(asking.take(old).is_some(), "done, and given up");
        asking.close();
        assert!(asking.place(other).is_none());
    }
}
