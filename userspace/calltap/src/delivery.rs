//! The way to the recorder, who may be waiting for a disk: nobody who hands it something waits too.
//!
//! The channel has a place for every chunk that there is, so that a chunk always finds one, and
//! places for notes beside those.

use std::collections::VecDeque;

use crossbeam::channel::Sender;

use crate::recorder::{Delivery, Note};

/// Places in the channel beside those for every chunk.
pub const PLACES: usize = 1024;

/// Of these, what notes leave to changes in the execution of warrants.
const LEFT: usize = 64;

/// More than one in so many chunks waits for no recorder that is awake.
const FEW: usize = 16;

/// Notes that may wait ahead of the channel: those of a thousand calls a second for several seconds.
const MOST: usize = 1 << 16;

/// Whether the recorder takes what it is handed.
///
/// While it does not, a chunk is filled before the next is begun, however little there is to
/// record: what a stalled disk can be waited for is then a matter of bytes, not of time.
pub fn is_awake(recorder: &Sender<Delivery>) -> bool {
    let chunks = recorder.capacity().unwrap_or(usize::MAX).saturating_sub(PLACES);
    recorder.len() < (chunks / FEW).max(1)
}

/// Tells the recorder, if there is room for a note.
///
/// # Errors
/// The note, to be told later.
#[expect(clippy::result_large_err, reason = "a note that finds no room is kept as it is")]
pub fn tell(recorder: &Sender<Delivery>, note: Note) -> Result<(), Note> {
    if recorder.len() >= PLACES - LEFT {
        return Err(note);
    }
    match recorder.try_send(Delivery::Note(note)).map_err(|refused| refused.into_inner()) {
        Err(Delivery::Note(note)) => Err(note),
        _ => Ok(()),
    }
}

/// Notes in their order, those first for which there was no room yet.
#[derive(Debug, Default)]
pub struct Waiting {
    notes: VecDeque<Note>,
    /// How many there was no memory for.
    untold: u64,
}

impl Waiting {
    /// Puts a note behind the others.
    pub fn push(&mut self, note: Note) {
        if self.notes.len() < MOST {
            self.notes.push_back(note);
        } else {
            self.untold += 1;
        }
    }

    /// Whether the recorder has all of them.
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    /// Tells as many as there is room for.
    pub fn tell(&mut self, recorder: &Sender<Delivery>) {
        while let Some(note) = self.notes.pop_front() {
            if let Err(note) = tell(recorder, note) {
                self.notes.push_front(note);
                return;
            }
        }
        let untold = std::mem::take(&mut self.untold);
        if untold > 0 {
            self.notes.push_back(Note::Untold(untold));
        }
    }

    /// Tells all of them, and waits for the recorder where it must.
    pub fn tell_all(&mut self, recorder: &Sender<Delivery>) {
        while !self.notes.is_empty() || self.untold > 0 {
            for note in self.notes.drain(..) {
                let _ = recorder.send(Delivery::Note(note));
            }
            self.tell(recorder);
        }
    }
}

#[cfg(test)]
mod tests {
    use calltap_evidence::chunk::Chunk;
    use crossbeam::channel::{Receiver, bounded};

    use super::*;
    use crate::pool::Pool;

    fn notes(from: &Receiver<Delivery>) -> Vec<u64> {
        let count = |delivery| match delivery {
            Delivery::Note(Note::Unopened(count, _)) => Some(count),
            Delivery::Note(Note::Untold(count)) => Some(1_000_000 + count),
            _ => None,
        };
        from.try_iter().filter_map(count).collect()
    }

    fn note(count: u64) -> Note {
        Note::Unopened(count, String::new())
    }

    #[test]
    fn notes_wait_in_order_and_leave_every_chunk_its_place() {
        let chunks = Pool::new(8, Chunk::default);
        let (recorder, from) = bounded(8 + PLACES);
        let mut waiting = Waiting::default();
        let mut told = 0..3_000;
        told.clone().for_each(|count| waiting.push(note(count)));
        waiting.tell(&recorder);
        assert!(!waiting.is_empty(), "there is not room for all");
        for _ in 0..8 {
            let chunk = chunks.lend().unwrap();
            assert!(recorder.try_send(Delivery::Chunk(chunk)).is_ok(), "a chunk finds its place");
        }
        while !waiting.is_empty() {
            notes(&from).into_iter().for_each(|count| assert_eq!(told.next(), Some(count)));
            waiting.tell(&recorder);
        }
        notes(&from).into_iter().for_each(|count| assert_eq!(told.next(), Some(count)));
        assert_eq!(told.next(), None);
    }

    #[test]
    fn notes_without_room_are_bounded_and_what_that_costs_is_told_last() {
        let (recorder, from) = bounded(MOST + 2);
        let mut waiting = Waiting::default();
        let most = u64::try_from(MOST).unwrap();
        (0..most + 7).for_each(|count| waiting.push(note(count)));
        waiting.tell_all(&recorder);
        let told = notes(&from);
        assert_eq!((told.len(), told.last()), (MOST + 1, Some(&1_000_007)));
    }
}
