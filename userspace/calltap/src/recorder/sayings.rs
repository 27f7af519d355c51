//! What was said in the bodies of a call's messages: texts, keys, and the types of all bodies.

use std::collections::{BTreeSet, VecDeque};

use calltap_evidence::lines::{DigitLine, TextLine};

use crate::body::Said;

/// Lines of a call's texts and of its keys; the evidence has what comes after them.
const MAX_LINES: usize = 1_000;

/// Media types of one call.
const MAX_TYPES: usize = 32;

/// Messages of which another copy is known for one: a message is sent again within half a minute
/// (RFC 3261 §17.1.2.2).
const MAX_COPIES: usize = 64;

/// Everything that was said so far, each message once.
#[derive(Debug, Default)]
pub(super) struct Sayings {
    pub(super) messages: Vec<TextLine>,
    pub(super) keys: Vec<DigitLine>,
    pub(super) bodies: BTreeSet<String>,
    copies: VecDeque<u64>,
}

impl Sayings {
    pub(super) fn note(&mut self, copy: u64, media_type: String, said: Option<Said>) {
        if self.bodies.len() < MAX_TYPES {
            self.bodies.insert(media_type);
        }
        if self.copies.contains(&copy) {
            return;
        }
        if self.copies.len() == MAX_COPIES {
            self.copies.pop_front();
        }
        self.copies.push_back(copy);
        match said {
            Some(Said::Text(line)) if self.messages.len() < MAX_LINES => self.messages.push(line),
            Some(Said::Key(line)) if self.keys.len() < MAX_LINES => self.keys.push(line),
            _ => {}
        }
    }
}
