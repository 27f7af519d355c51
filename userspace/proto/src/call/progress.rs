//! How far a call has come: INVITE transactions, dialogs, and how it ended (RFC 3261 §12 to §17).
//!
//! | Seen | Then |
//! |---|---|
//! | INVITE | a transaction is open on that hop |
//! | 2xx to INVITE | the transaction is over, the dialog of these tags lives |
//! | 3xx to 6xx to INVITE, CANCEL | the transaction is over |
//! | ACK of another transaction than its INVITE | there was a 2xx, on a way nobody listened to |
//! | BYE or its response | the dialog of these tags is over |
//! | final response to anything else | ended, if there never was an INVITE |
//!
//! The call has ended once no transaction is open and no dialog lives; a new request takes that
//! back, and so does a late 2xx.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use super::limits::Limits;
use super::path::Path;
use crate::event::Cause;
use crate::sip::{self, Message, StartLine};
use crate::time::Timestamp;

/// State of one Call-ID.
#[derive(Debug)]
pub(super) struct Progress {
    invites: Vec<Invite>,
    dialogs: Vec<Dialog>,
    ended: Option<Ended>,
    /// Highest CSeq of a request outside INVITE dialogs.
    highest: Option<u32>,
    /// How long a registration or subscription lasts without a further message.
    lasts: Duration,
    last_at: Timestamp,
    /// When its media was last seen, if it ever was.
    media_at: Option<Timestamp>,
    /// Final responses to INVITEs that were not seen yet, the newest last.
    ahead: Vec<(u32, Path)>,
}

/// When and why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) at: Timestamp,
    pub(super) cause: Cause,
}

#[derive(Debug)]
struct Invite {
    cseq: u32,
    path: Path,
    branch: Box<[u8]>,
    open: bool,
    cancelled: bool,
    challenged: bool,
}

#[derive(Debug)]
struct Dialog {
    tags: [Box<[u8]>; 2],
    alive: bool,
}

/// More transactions and dialogs than this are nobody's call; the oldest that are over make room.
const MAX_INVITES: usize = 64;

/// Responses that were seen ahead of their request: mirror ports take the two ways apart.
const MAX_AHEAD: usize = 8;

/// How long a registration lasts where nobody says (RFC 3261 §10.2), and the most that is believed.
const HOUR: Duration = Duration::from_secs(3600);

impl Progress {
    pub(super) fn new(at: Timestamp) -> Self {
        Self {
            // Of most calls there is one of each; a list that grows by itself has room for four.
            invites: Vec::with_capacity(1),
            dialogs: Vec::with_capacity(1),
            ended: None,
            highest: None,
            lasts: Duration::ZERO,
            last_at: at,
            media_at: None,
            ahead: Vec::new(),
        }
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// When the call is over unless something is heard.
    pub(super) fn deadline(&self, limits: &Limits) -> Timestamp {
        let patience = if self.ended.is_some() {
            limits.linger + self.lasts
        } else if self.is_established() {
            return self.silent_until(limits);
        } else if self.invites.iter().any(|invite| invite.open) {
            limits.setup
        } else {
            limits.linger + self.lasts
        };
        self.last_at.after(patience)
    }

    /// An established call lasts as long as something is heard of it; one that had media is over
    /// sooner once that is silent too.
    fn silent_until(&self, limits: &Limits) -> Timestamp {
        match self.media_at {
            Some(at) => self.last_at.max(at).after(limits.media_silence),
            None => self.last_at.after(limits.silence),
        }
    }

    /// Its media was seen; says whether that was the first time.
    pub(super) fn media_seen(&mut self, at: Timestamp) -> bool {
        self.media_at.replace(self.media_at.map_or(at, |before| before.max(at))).is_none()
    }

    /// Whether an INVITE to this host has no answer yet.
    pub(super) fn awaits(&self, host: IpAddr) -> bool {
        self.invites.iter().any(|invite| invite.open && invite.path.destination.ip() == host)
    }

    /// How it came to its deadline.
    pub(super) fn outcome(&self) -> Ended {
        let at = self.media_at.map_or(self.last_at, |at| at.max(self.last_at));
        self.ended.unwrap_or(Ended { at, cause: Cause::TimedOut })
    }

    /// Something was heard that says nothing about the state.
    pub(super) fn touch(&mut self, at: Timestamp) {
        self.last_at = self.last_at.max(at);
    }

    pub(super) fn feed(&mut self, at: Timestamp, path: Path, message: &Message<'_>) {
        self.touch(at);
        let cseq = message.cseq.map_or(0, |cseq| cseq.number);
        let tag = |value: Option<&[u8]>| value.and_then(sip::tag).unwrap_or_default().into();
        let tags = [tag(message.from), tag(message.to)];
        let branch = message.branch().unwrap_or_default();
        match (message.start, message.method()) {
            (StartLine::Request { .. }, b"INVITE") => self.invite(cseq, path, branch, tags),
            (StartLine::Request { .. }, b"CANCEL") => self.cancel(at, cseq, path),
            (StartLine::Request { .. }, b"BYE") => self.bye(at, &tags),
            (StartLine::Request { .. }, b"ACK") => self.ack(cseq, path, branch, tags),
            (StartLine::Request { .. }, method) => self.request(cseq, method, tags),
            (StartLine::Response { status }, _) if status < 200 => {}
            (StartLine::Response { status: 200..300 }, b"INVITE") => {
                self.answered_ahead(cseq, path);
                self.answer(cseq, path, tags);
            }
            (StartLine::Response { status }, b"INVITE") => {
                self.answered_ahead(cseq, path);
                self.failure(at, cseq, path, status);
            }
            (StartLine::Response { status }, b"BYE") => self.bye_response(at, status, &tags),
            (StartLine::Response { .. }, b"CANCEL" | b"ACK" | b"PRACK") => {}
            (StartLine::Response { status }, method) => {
                self.response(at, status, lasting(method, message.expires));
            }
        }
    }

    fn invite(&mut self, cseq: u32, path: Path, branch: &[u8], tags: [Box<[u8]>; 2]) {
        let known = self.invites.iter_mut().find(|i| i.cseq == cseq && i.path == path);
        if let Some(invite) = known {
            // The same number again should be a retransmission, but some clients answer a
            // challenge with it.
            if core::mem::take(&mut invite.challenged) {
                invite.open = true;
                self.ended = None;
            }
            return;
        }
        // A To tag: the dialog had been established before anybody listened.
        if self.dialogs.is_empty() && tags.iter().all(|tag| !tag.is_empty()) {
            self.dialogs.push(Dialog { tags, alive: true });
        }
        if self.invites.len() >= MAX_INVITES {
            let place = self.invites.iter().position(|invite| !invite.open).unwrap_or(0);
            self.invites.remove(place);
        }
        let is_answer = |&(number, way): &(u32, Path)| number == cseq && way == path.back();
        let answered = self.ahead.iter().position(is_answer);
        self.invites.push(Invite {
            cseq,
            path,
            branch: branch.into(),
            open: answered.is_none(),
            cancelled: false,
            challenged: false,
        });
        match answered {
            Some(place) => drop(self.ahead.remove(place)),
            None => self.ended = None,
        }
    }

    /// A final response to an INVITE that may be seen yet.
    fn answered_ahead(&mut self, cseq: u32, path: Path) {
        if self.invites.iter().all(|invite| invite.cseq != cseq) {
            if self.ahead.len() >= MAX_AHEAD {
                self.ahead.remove(0);
            }
            self.ahead.push((cseq, path));
        }
    }

    fn cancel(&mut self, at: Timestamp, cseq: u32, path: Path) {
        for invite in self.matching(cseq, path) {
            invite.open = false;
            invite.cancelled = true;
        }
        self.end_if_over(at, Cause::Cancelled);
    }

    fn bye(&mut self, at: Timestamp, tags: &[Box<[u8]>; 2]) {
        // Where it is of a dialog that nobody heard of, another may live on.
        if let Some(dialog) = self.dialogs.iter_mut().find(|dialog| dialog.is(tags)) {
            dialog.alive = false;
        }
        if !self.is_established() {
            self.ended.get_or_insert(Ended { at, cause: Cause::Bye });
        }
    }

    /// A BYE that must be sent again with credentials has ended nothing.
    fn bye_response(&mut self, at: Timestamp, status: u16, tags: &[Box<[u8]>; 2]) {
        if !matches!(status, 401 | 407) {
            self.bye(at, tags);
            return;
        }
        if let Some(dialog) = self.dialogs.iter_mut().find(|dialog| dialog.is(tags)) {
            dialog.alive = true;
        }
        if self.ended.is_some_and(|ended| ended.cause == Cause::Bye) {
            self.ended = None;
        }
    }

    /// An ACK of a 2xx is a transaction of its own (RFC 3261 §13.2.2.4), one of a failure is not
    /// (§17.1.1.3): the first tells of an answer also where only requests are seen.
    fn ack(&mut self, cseq: u32, path: Path, branch: &[u8], tags: [Box<[u8]>; 2]) {
        let answered = self
            .invites
            .iter()
            .any(|i| i.cseq == cseq && i.path == path && i.open && *i.branch != *branch);
        if answered {
            self.answer(cseq, path.back(), tags);
        }
    }

    fn request(&mut self, cseq: u32, method: &[u8], tags: [Box<[u8]>; 2]) {
        // Within a dialog only: it lived before anybody listened.
        let shows_dialog = matches!(method, b"INFO" | b"UPDATE") && !tags[1].is_empty();
        if shows_dialog && self.dialogs.is_empty() && self.invites.is_empty() {
            self.dialogs.push(Dialog { tags, alive: true });
        }
        let is_new = self.highest.is_none_or(|highest| cseq > highest);
        self.highest = self.highest.max(Some(cseq));
        if is_new && self.is_without_invite() {
            self.ended = None;
            self.lasts = lasting(method, None);
        }
    }

    fn answer(&mut self, cseq: u32, path: Path, tags: [Box<[u8]>; 2]) {
        for invite in self.matching(cseq, path.back()) {
            invite.open = false;
        }
        if !self.dialogs.iter().any(|dialog| dialog.is(&tags)) {
            if self.dialogs.len() >= MAX_INVITES {
                self.dialogs.remove(0);
            }
            self.dialogs.push(Dialog { tags, alive: true });
        }
        // A CANCEL or a failure elsewhere came too late.
        if self.is_established() {
            self.ended = None;
        }
    }

    fn failure(&mut self, at: Timestamp, cseq: u32, path: Path, status: u16) {
        let mut cancelled = status == 487;
        for invite in self.matching(cseq, path.back()) {
            invite.open = false;
            invite.challenged = matches!(status, 401 | 407);
            cancelled |= invite.cancelled;
        }
        let cause = if cancelled { Cause::Cancelled } else { Cause::Failed(status) };
        self.end_if_over(at, cause);
    }

    /// To a request other than INVITE and what belongs to it.
    fn response(&mut self, at: Timestamp, status: u16, lasts: Duration) {
        if !self.is_without_invite() {
            return;
        }
        self.lasts = lasts;
        let cause = if status < 300 { Cause::Answered } else { Cause::Failed(status) };
        self.ended.get_or_insert(Ended { at, cause });
    }

    fn end_if_over(&mut self, at: Timestamp, cause: Cause) {
        if !self.is_established() && !self.invites.iter().any(|invite| invite.open) {
            self.ended.get_or_insert(Ended { at, cause });
        }
    }

    fn is_established(&self) -> bool {
        self.dialogs.iter().any(|dialog| dialog.alive)
    }

    fn is_without_invite(&self) -> bool {
        self.invites.is_empty() && self.dialogs.is_empty()
    }

    /// The INVITE transactions of this number on this hop; where the hop's ports changed, between
    /// the same hosts; where it came another way, the only one there is.
    fn matching(&mut self, cseq: u32, path: Path) -> impl Iterator<Item = &mut Invite> {
        let same = |invite: &Invite| invite.cseq == cseq;
        let exact = self.invites.iter().any(|i| same(i) && i.path == path);
        let near = self.invites.iter().any(|i| same(i) && i.path.same_hosts(path));
        let only = self.invites.iter().filter(|i| same(i) && i.open).count() == 1;
        self.invites.iter_mut().filter(move |invite| {
            invite.cseq == cseq
                && match (exact, near) {
                    (true, _) => invite.path == path,
                    (false, true) => invite.path.same_hosts(path),
                    (false, false) => only,
                }
        })
    }
}

/// How long the state that a response sets up lasts.
///
/// One user agent's registrations have one Call-ID, refused ones too (RFC 3261 §10.2).
fn lasting(method: &[u8], expires: Option<u64>) -> Duration {
    match (method, expires) {
        (b"REGISTER", _) => HOUR,
        (_, Some(seconds)) => Duration::from_secs(seconds).min(HOUR),
        (_, None) => Duration::ZERO,
    }
}

impl Dialog {
    /// Either party may be the one that sends.
    fn is(&self, tags: &[Box<[u8]>; 2]) -> bool {
        let [a, b] = &self.tags;
        let [c, d] = tags;
        (a == c && b == d) || (a == d && b == c)
    }
}
