//! Lists over several teams, newest first, read in pages: a million rows never stand in memory at once.

use std::collections::{BinaryHeap, VecDeque};

use keyledger_events::{Position, TeamId};
use keyledger_projections::Page;

/// Rows read of one team at once.
const PAGE_ROWS: u32 = 1_000;

/// A merged list. `fetch` reads a page of one team; `position` tells an item's place in the ledger.
pub struct Listing<T, F> {
    fetch: F,
    position: fn(&T) -> Position,
    teams: Vec<TeamRows<T>>,
    /// The newest unread row of each team that has one.
    heads: BinaryHeap<(Position, usize)>,
    left: u32,
    begun: bool,
}

struct TeamRows<T> {
    team: TeamId,
    rows: VecDeque<T>,
    before: Option<Position>,
    exhausted: bool,
}

impl<T, E, F> Listing<T, F>
where
    F: AsyncFn(TeamId, Page) -> Result<Vec<T>, E>,
{
    /// The newest `limit` items of these teams; without a limit all of them.
    pub fn new(teams: Vec<TeamId>, limit: Option<u32>, position: fn(&T) -> Position, fetch: F) -> Self {
        let begin = |team| TeamRows { team, rows: VecDeque::new(), before: None, exhausted: false };
        let teams = teams.into_iter().map(begin).collect();
        Self { fetch, position, teams, heads: BinaryHeap::new(), left: limit.unwrap_or(u32::MAX), begun: false }
    }

    /// The next item and its team.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn next(&mut self) -> Result<Option<(TeamId, T)>, E> {
        if !self.begun {
            self.begun = true;
            for index in 0..self.teams.len() {
                self.refill(index).await?;
            }
        }
        if self.left == 0 {
            return Ok(None);
        }
        let Some((_, index)) = self.heads.pop() else { return Ok(None) };
        self.left -= 1;
        let Some(rows) = self.teams.get_mut(index) else { return Ok(None) };
        let (team, item) = (rows.team, rows.rows.pop_front());
        self.refill(index).await?;
        Ok(item.map(|item| (team, item)))
    }

    /// Makes sure that the team's newest unread row is known.
    async fn refill(&mut self, index: usize) -> Result<(), E> {
        let Some(team) = self.teams.get_mut(index) else { return Ok(()) };
        if team.rows.is_empty() && !team.exhausted {
            let limit = PAGE_ROWS.min(self.left.max(1));
            let page = Page { before: team.before, limit: Some(limit) };
            team.rows = (self.fetch)(team.team, page).await?.into();
            team.exhausted = u32::try_from(team.rows.len()).is_ok_and(|rows| rows < limit);
            team.before = team.rows.back().map(self.position);
        }
        if let Some(newest) = team.rows.front() {
            self.heads.push(((self.position)(newest), index));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use keyledger_projections::QueryError;
    use uuid::Uuid;

    use super::*;

    /// Rows of a team are its positions: team 0 has the even ones, team 1 the odd ones, down from `newest`.
    async fn read(newest: i64, limit: Option<u32>) -> Result<Vec<i64>, QueryError> {
        let teams = vec![TeamId(Uuid::from_u128(0)), TeamId(Uuid::from_u128(1))];
        let mut listing = Listing::new(
            teams,
            limit,
            |position: &Position| *position,
            async |team: TeamId, page: Page| {
                let parity = i64::try_from(team.0.as_u128()).unwrap_or_default();
                let rows = (1..=newest).rev().filter(|row| row % 2 == parity);
                let rows = rows.filter(|row| page.before.is_none_or(|before| *row < before.0));
                let wanted = usize::try_from(page.limit.unwrap_or(u32::MAX)).unwrap_or(usize::MAX);
                Ok::<_, QueryError>(rows.take(wanted).map(Position).collect())
            },
        );
        let mut read = Vec::new();
        while let Some((_, position)) = listing.next().await? {
            read.push(position.0);
        }
        Ok(read)
    }

    #[tokio::test]
    async fn all_rows_come_once_and_newest_first() -> Result<(), QueryError> {
        // More than two pages of each team, and an exact number of pages.
        for newest in [0, 1, 7, 2_000, 4_001] {
            assert_eq!(read(newest, None).await?, (1..=newest).rev().collect::<Vec<_>>());
        }
        assert_eq!(read(4_000, Some(3)).await?, [4_000, 3_999, 3_998]);
        assert_eq!(read(4_000, Some(0)).await?, Vec::<i64>::new());
        Ok(())
    }
}
