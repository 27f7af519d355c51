//! How far each producer of records has come, so that the recorder waits for nothing that cannot
//! come.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use calltap_evidence::chunk::Chunk;
use calltap_proto::Timestamp;
use crossbeam::utils::CachePadded;

use crate::pool::Pool;

/// Within this time of a frame's arrival every thread has handed it over to a recorder that takes
/// it, whatever its progress says: a chunk is held for 20 ms, and a thread naps for as long.
pub const LAG: Duration = Duration::from_millis(200);

/// Within this time of its arrival the kernel has put a frame into its ring, which it does for
/// many at once.
pub const ON_ITS_WAY: Duration = Duration::from_millis(10);

/// A producer's word that it has handed over all that arrived until a time.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<CachePadded<AtomicU64>>);

impl Progress {
    /// Everything up to `at` has been handed over: to be said behind the hand-over.
    pub fn reach(&self, at: Timestamp) {
        self.0.fetch_max(at.0, Ordering::Release);
    }

    /// Nothing will be handed over any more.
    pub fn end(&self) {
        self.reach(Timestamp::MAX);
    }

    /// How far all of them have come: to be asked ahead of taking in what they handed over.
    pub fn of_all(producers: &[Self]) -> Timestamp {
        let reached = producers.iter().map(|it| it.0.load(Ordering::Acquire));
        Timestamp(reached.min().unwrap_or_default())
    }
}

/// What was taken from a ring by somebody who looked at this time and drained it.
pub fn drained(looked: Timestamp) -> Timestamp {
    let on_its_way = u64::try_from(ON_ITS_WAY.as_nanos()).unwrap_or(u64::MAX);
    Timestamp(looked.0.saturating_sub(on_its_way))
}

/// Up to when records are written, in order of time.
///
/// Records wait for [`LAG`], as a frame may yet become one when those that arrived after it have:
/// a fragment waits for the others.
/// Where the chunks become few, what waits is written as far as all producers have come: a queue
/// alone fills its chunks in less time.
#[derive(Debug)]
pub struct Horizon {
    producers: Vec<Progress>,
    chunks: Vec<Pool<Chunk>>,
    /// When the recorder has taken what there was: every [`STEP`], as far back as [`LAG`].
    turns: VecDeque<Timestamp>,
}

/// Turns closer than this are not told apart.
const STEP: Duration = Duration::from_millis(10);

impl Horizon {
    /// For the records of these producers, which come in these chunks.
    pub fn of(producers: Vec<Progress>, chunks: Vec<Pool<Chunk>>) -> Self {
        Self { producers, chunks, turns: VecDeque::new() }
    }

    /// Up to when records are written at `now`; to be asked ahead of taking them in.
    pub fn at(&mut self, now: Timestamp) -> Timestamp {
        let waited = self.waited(now);
        if self.chunks.iter().all(Pool::is_half_free) {
            return waited;
        }
        Progress::of_all(&self.producers).min(now).max(waited)
    }

    /// Everything up to here has been handed over, whatever anybody's progress says.
    ///
    /// While the recorder waits for a disk, the others fill what they have in hand, and hand it over
    /// once it takes something again: so what arrived until a turn of its own is there when
    /// that turn is [`LAG`] ago.
    fn waited(&mut self, now: Timestamp) -> Timestamp {
        let step_ns = u64::try_from(STEP.as_nanos()).unwrap_or(u64::MAX);
        if self.turns.back().is_none_or(|last| last.0.saturating_add(step_ns) <= now.0) {
            self.turns.push_back(now);
        }
        let due = lagged(now);
        while self.turns.get(1).is_some_and(|next| *next <= due) {
            self.turns.pop_front();
        }
        self.turns.front().filter(|turn| **turn <= due).copied().unwrap_or_default()
    }
}

/// Every record up to this time is written at `now`.
pub fn lagged(now: Timestamp) -> Timestamp {
    Timestamp(now.0.saturating_sub(u64::try_from(LAG.as_nanos()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const NOW: Timestamp = Timestamp(10 * SECOND);

    /// The horizon of a recorder that has had a turn each step of a second until [`NOW`].
    fn horizon(chunks: &Pool<Chunk>) -> (Horizon, [Progress; 2]) {
        let producers = <[Progress; 2]>::default();
        let mut horizon = Horizon::of(producers.to_vec(), vec![chunks.clone()]);
        (1..100).rev().for_each(|back| {
            let _ = horizon.at(Timestamp(NOW.0 - back * SECOND / 100));
        });
        (horizon, producers)
    }

    #[test]
    fn records_wait_while_there_are_chunks_whatever_the_producers_say() {
        let chunks = Pool::new(4, Chunk::default);
        let (mut horizon, producers) = horizon(&chunks);
        producers.iter().for_each(Progress::end);
        let _two = [chunks.lend(), chunks.lend()];
        assert_eq!(horizon.at(NOW), lagged(NOW));
    }

    #[test]
    fn where_chunks_are_few_the_slowest_producer_says_how_far_is_written() {
        let chunks = Pool::new(4, Chunk::default);
        let (mut horizon, [slow, fast]) = horizon(&chunks);
        let _three = [chunks.lend(), chunks.lend(), chunks.lend()];
        slow.reach(Timestamp(NOW.0 - SECOND / 20));
        fast.reach(Timestamp(NOW.0 - SECOND / 1000));
        assert_eq!(horizon.at(NOW), Timestamp(NOW.0 - SECOND / 20));
        slow.end();
        assert_eq!(horizon.at(NOW), Timestamp(NOW.0 - SECOND / 1000));
    }

    #[test]
    fn a_producer_that_says_nothing_holds_the_others_back_for_the_lag_alone() {
        let chunks = Pool::new(1, Chunk::default);
        let (mut horizon, [_, fast]) = horizon(&chunks);
        let _all = chunks.lend();
        fast.end();
        assert_eq!(horizon.at(NOW), lagged(NOW));
    }

    #[test]
    fn after_a_stall_the_producers_have_the_lag_again_to_hand_over_what_they_held() {
        let chunks = Pool::new(1, Chunk::default);
        let (mut horizon, [slow, fast]) = horizon(&chunks);
        let _all = chunks.lend();
        fast.end();
        slow.reach(Timestamp(NOW.0 + SECOND));
        let _ = horizon.at(NOW);
        let woke = Timestamp(NOW.0 + 5 * SECOND);
        assert_eq!(horizon.at(woke), Timestamp(NOW.0 + SECOND), "its word, and nothing beyond it");
        assert_eq!(horizon.at(Timestamp(woke.0 + SECOND / 10)), Timestamp(NOW.0 + SECOND));
        assert_eq!(horizon.at(Timestamp(woke.0 + SECOND / 5)), woke, "then it is waited no longer");
    }
}
