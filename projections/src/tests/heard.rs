//! Hearing how views that are computed together come along; and the same for one view, with its result.

use crate::rebuild::{Progress, RebuildError, Rebuilt, Verified, Watcher};
use crate::runner::Runner;

/// What was told of views that were computed together.
pub(super) struct Heard<T> {
    pub(super) progress: Vec<(&'static str, Progress)>,
    pub(super) ended: Vec<(&'static str, Result<T, RebuildError>)>,
}

impl<T> Default for Heard<T> {
    fn default() -> Self {
        Self { progress: Vec::new(), ended: Vec::new() }
    }
}

impl<T> Heard<T> {
    pub(super) fn done(&self) -> impl Iterator<Item = &T> {
        self.ended.iter().filter_map(|(_, result)| result.as_ref().ok())
    }
}

impl<T: Send> Watcher<T> for Heard<T> {
    fn progress(&mut self, name: &'static str, progress: Progress) {
        self.progress.push((name, progress));
    }

    fn ended(&mut self, name: &'static str, result: Result<T, RebuildError>) {
        self.ended.push((name, result));
    }
}

/// Of one view: its progress goes to a closure, and its result is kept.
struct One<T, P> {
    progress: P,
    ended: Option<Result<T, RebuildError>>,
}

impl<T: Send, P: FnMut(Progress) + Send> Watcher<T> for One<T, P> {
    fn progress(&mut self, _: &'static str, progress: Progress) {
        (self.progress)(progress);
    }

    fn ended(&mut self, _: &'static str, result: Result<T, RebuildError>) {
        self.ended = Some(result);
    }
}

impl Runner {
    pub(super) async fn rebuild(
        &self,
        name: &'static str,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<Rebuilt, RebuildError> {
        let mut one = One { progress, ended: None };
        self.rebuild_together(&[name], &mut one).await?;
        one.ended.unwrap_or_else(|| Err(RebuildError::Unknown(name.to_owned())))
    }

    pub(super) async fn verify(
        &self,
        name: &'static str,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<Verified, RebuildError> {
        let mut one = One { progress, ended: None };
        self.verify_together(&[name], &mut one).await?;
        one.ended.unwrap_or_else(|| Err(RebuildError::Unknown(name.to_owned())))
    }
}
