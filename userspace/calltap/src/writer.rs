//! The recorder's thread in a run: takes what the other threads hand over, and writes it in order
//! of time.

use std::collections::VecDeque;
use std::iter;
use std::time::{Duration, Instant};

use calltap_evidence::record::Kind;
use calltap_proto::{CallKey, Timestamp};
use calltap_xdp::clock::{self, Offset};
use crossbeam::channel::{Receiver, RecvTimeoutError};
use hdrhistogram::Histogram;

use crate::drift::Drift;
use crate::follow::Order;
use crate::horizon::{self, Horizon};
use crate::live::news::{Of, Teller};
use crate::merge::Merge;
use crate::recorder::{Delivery, Note, Recorded, Recorder};

/// Within this time every thread has told what it lost, which a call's line must know.
const TOLD_NS: u64 = 1_200_000_000;

/// Calls that are brought to their end in one turn: where very many end at once, records of others
/// are written in between.
const ENDS: usize = 256;

/// The longest sleep, and so the pace of flushing and rotating.
const NAP: Duration = Duration::from_millis(50);

/// How often the system's clock is looked at, and what is kept is told.
const LOOK: Duration = Duration::from_secs(1);

/// Writes until every other thread has ended; `stopped` is told each warrant whose evidence can no
/// longer be written, `heard` each call that has media, once a second, and `ordered` each order
/// that is to be executed from now on. What is kept goes into the news.
///
/// Gives what was recorded, and how long each chunk of media was on its way here: nanoseconds from
/// the arrival of its earliest packet.
pub fn write(
    mut recorder: Recorder,
    (delivered, mut horizon): (&Receiver<Delivery>, Horizon),
    clock: Offset,
    stopped: impl Fn(u32),
    heard: impl Fn(CallKey, Timestamp),
    ordered: impl Fn(Order),
    news: &Teller,
) -> (Recorded, Histogram<u64>) {
    let mut merge = Merge::default();
    // Three digits of anything that a clock can say: such a histogram can be made.
    let mut staged_ns = Histogram::new(3).unwrap_or_else(|_| unreachable!());
    let (mut drift, mut looked) = (Drift::new(clock), Instant::now());
    // A call's end waits until its last records are written, and what was lost of it is known.
    let mut ends: VecDeque<(u64, Note)> = VecDeque::new();
    loop {
        let first = delivered.recv_timeout(NAP);
        let ended = matches!(first, Err(RecvTimeoutError::Disconnected));
        let now_ns = clock.unix_ns(clock::boot_ns());
        let horizon = if ended { Timestamp::MAX } else { horizon.at(Timestamp(now_ns)) };
        for delivery in first.into_iter().chain(delivered.try_iter()) {
            match delivery {
                Delivery::Chunk(chunk) => {
                    // Signalling is held on purpose until it is known whose it is.
                    let earliest = chunk.records().next();
                    if let Some(earliest) = earliest.filter(|it| it.kind() == Kind::Content) {
                        let _ = staged_ns.record(now_ns.saturating_sub(earliest.at_ns()));
                    }
                    merge.push(chunk);
                }
                Delivery::Note(note @ Note::Ended { .. }) => {
                    ends.push_back((now_ns.saturating_add(TOLD_NS), note));
                }
                Delivery::Note(note) => recorder.note(note),
                Delivery::Settings(reloaded) => recorder.settings(&reloaded),
                Delivery::Change(change) => recorder.change(change).into_iter().for_each(&ordered),
            }
        }
        merge.drain(horizon.0, |run| recorder.record_all(run.records(), &stopped));
        recorder.act();
        recorder.media_seen(&heard);
        // While chunks are few, more is written than what is sure to be all.
        let sure = if ended { horizon } else { horizon::lagged(Timestamp(now_ns)) };
        let written = horizon.min(sure);
        let due = iter::from_fn(|| ends.pop_front_if(|(due_ns, _)| *due_ns <= written.0));
        let most = if ended { usize::MAX } else { ENDS };
        due.take(most).for_each(|(_, note)| recorder.note(note));
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            if let Some(ahead_ns) = drift.look(clock::boot_to_unix()) {
                recorder.clock_set(ahead_ns);
            }
            news.tell(Of::Writing(recorder.held()));
        }
        if ended {
            return (recorder.finish(now_ns), staged_ns);
        }
        recorder.tick(written.0).into_iter().for_each(&stopped);
    }
}
