//! Records and call facts in, evidence out: RTP statistics are kept here, beside the writing, so
//! that what is counted is what was written.

mod change;
mod digits;
mod endpoints;
mod exclusion;
mod flow_line;
mod live;
mod restart;
mod sayings;
mod stream_line;
mod table;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::Duration;

use calltap_evidence::chunk::Encoded;
use calltap_evidence::lines::{CallLine, VolumeLine};
use calltap_evidence::loss::Loss;
use calltap_evidence::record::Kind;
use calltap_evidence::session::InterfaceFacts;
use calltap_evidence::store::{self, Store};
use calltap_proto::packet::{self, Body, Datagram, LinkType};
use calltap_proto::{CallKey, Cause, Kept, Timestamp};
use crossbeam::channel::Receiver;
use tracing::{error, warn};

use crate::loss::{LostThere, OwnLosses, Place};
use exclusion::Exclusions;
use live::LiveCall;
pub(crate) use live::rfc3339;
use table::Table;
pub use told::{Act, CallFacts, Delivery, Note};

/// Writes what it is given, and counts it.
pub struct Recorder {
    store: Store,
    /// Link type of each interface number.
    links: Vec<LinkType>,
    live: Table,
    /// When frames were lost on the way here.
    own_losses: OwnLosses,
    /// The number of each LIID's warrant.
    warrants: BTreeMap<String, u32>,
    /// Warrants whose evidence cannot be written any more.
    stopped: Vec<u32>,
    /// Whether something went wrong that has stopped no warrant.
    failed: bool,
    /// Warrants that are executed no longer, and since when.
    halted: BTreeMap<u32, u64>,
    /// Calls with a party that their warrant excludes.
    exclusions: Exclusions,
    /// Warrants that do not order the keys that are pressed.
    masking: BTreeSet<u32>,
    /// Calls of which media was recorded, not told yet.
    heard: Vec<(CallKey, Timestamp)>,
    /// How often it is told that a call has media.
    tell_every: Duration,
    acts: Receiver<Act>,
}

/// Records whose calls are brought near at once.
const TOGETHER: usize = 32;

/// How often it is told at the most that a call has media; each time wakes another thread.
const TELL_EVERY: Duration = Duration::from_secs(10);

fn tell_every(media_silence: Duration) -> Duration {
    (media_silence / 4).min(TELL_EVERY)
}

/// What a session left behind.
#[derive(Debug)]
pub struct Recorded {
    /// The calls that were recorded.
    pub calls: Vec<CallLine>,
    /// The sealed volumes.
    pub volumes: Vec<VolumeLine>,
    /// Whether everything that was to be written was written.
    pub whole: bool,
    /// Records that could not be written.
    pub unwritten: u64,
}

impl Recorder {
    /// Writes into `store`, whose interfaces have these link types, for the warrants that it has
    /// admitted under these numbers.
    ///
    /// A call whose media is silent for `media_silence` is over for whoever is told of media.
    pub fn new(
        store: Store,
        links: Vec<LinkType>,
        warrants: BTreeMap<String, u32>,
        media_silence: Duration,
    ) -> Self {
        let (live, stopped, halted) = (Table::default(), Vec::new(), BTreeMap::new());
        Self {
            store,
            links,
            live,
            own_losses: OwnLosses::default(),
            warrants,
            stopped,
            failed: false,
            halted,
            exclusions: Exclusions::default(),
            masking: BTreeSet::new(),
            heard: Vec::new(),
            tell_every: tell_every(media_silence),
            acts: crossbeam::channel::never(),
        }
    }

    /// From now on a call is over after this silence of its media.
    pub fn set_media_silence(&mut self, media_silence: Duration) {
        self.tell_every = tell_every(media_silence);
    }

    /// Writes an event into the audit.
    ///
    /// # Errors
    /// The audit cannot be written.
    pub fn audit(&mut self, event: &str, details: &[(&str, &str)]) -> Result<(), store::Error> {
        self.store.audit(event, details)
    }

    /// Has the acts that come this way written into the audit, too.
    pub fn audit_acts(&mut self, acts: Receiver<Act>) {
        self.acts = acts;
    }

    /// Writes what has come that way, and says that it did.
    pub fn act(&mut self) {
        for Act { event, details, done } in self.acts.try_iter() {
            let details: Vec<_> =
                details.iter().map(|(name, text)| (*name, text.as_str())).collect();
            let written = self.store.audit(event, &details).map_err(|cause| cause.to_string());
            let _ = done.try_send(written);
        }
    }

    /// Adds an interface that came up on the way; gives its number.
    pub fn add_interface(&mut self, facts: InterfaceFacts, link: LinkType) -> u32 {
        self.links.push(link);
        let (number, errors) = self.store.add_interface(facts);
        for cause in &errors {
            self.stop(cause);
        }
        number
    }

    /// Writes records and counts them to their streams; `stopped` is told of each warrant that an
    /// error stops.
    ///
    /// Media is of calls at random, whose memory is far away: it is fetched for many at once, as
    /// each alone would be waited for.
    pub fn record_all<'a>(
        &mut self,
        mut records: impl Iterator<Item = Encoded<'a>>,
        stopped: impl Fn(u32),
    ) {
        loop {
            let mut together = [None; TOGETHER];
            for (place, record) in together.iter_mut().zip(&mut records) {
                *place = Some(record);
            }
            self.bring_near(&together);
            for record in together.iter().flatten() {
                self.record(record).into_iter().for_each(&stopped);
            }
            if together.last().is_none_or(Option::is_none) {
                return;
            }
        }
    }

    /// Short loops, so that a CPU waits for the memory of several calls at once; the last needs what
    /// the first has fetched.
    fn bring_near(&self, records: &[Option<Encoded<'_>>; TOGETHER]) {
        let mut calls = [None; TOGETHER];
        for (call, record) in calls.iter_mut().zip(records.iter().flatten()) {
            let key = CallKey { warrant: record.warrant(), cin: record.cin() };
            *call = self.live.get(key);
        }
        for record in records.iter().flatten() {
            black_box(self.store.bring_near(record));
        }
        for call in calls.iter().flatten() {
            black_box(call.streams_near());
        }
    }

    /// Writes a record and counts it to its stream.
    ///
    /// An error stops its warrant alone, loudly; gives that warrant, once.
    pub fn record(&mut self, record: &Encoded<'_>) -> Option<u32> {
        // It was under way when its warrant was stopped, or came a moment later.
        if self.halted.get(&record.warrant()).is_some_and(|since| record.at_ns() > *since) {
            return None;
        }
        if self.exclusions.forbid(record) {
            return None;
        }
        let mut block = Vec::new();
        let masked = self.without_digit(record, &mut block);
        match self.store.append(masked.as_ref().unwrap_or(record)) {
            Ok(()) => {
                self.count(record);
                None
            }
            Err(error) => self.stop(&error),
        }
    }

    /// Takes note of a call's beginning, media or end.
    pub fn note(&mut self, note: Note) {
        match note {
            Note::Opened(facts) => {
                let live = LiveCall::new(facts, self.own_losses.count());
                self.live.insert(live.key(), live);
            }
            Note::Media { call, endpoint, kind, terms } => {
                if let Some(live) = self.live.get_mut(call) {
                    live.announced(endpoint, kind, terms);
                }
            }
            Note::Learned { call, endpoint, peer } => {
                if let Some(live) = self.live.get_mut(call) {
                    live.learned(endpoint, peer);
                }
            }
            Note::Resumed { call, from_ns, until_ns, told } => {
                if let Some(live) = self.live.get_mut(call) {
                    live.resumed(from_ns, until_ns, told);
                }
            }
            Note::Restarted { liid, resumed, lost, from_ns, until_ns } => {
                self.restarted(&liid, (&resumed, &lost), from_ns, until_ns);
            }
            Note::Excluded { warrant, call, keep, at_ns } => {
                self.exclude(warrant, call, keep, at_ns);
            }
            Note::Body { call, copy, media_type, said } => {
                if let Some(live) = self.live.get_mut(call) {
                    live.body(copy, media_type, said);
                }
            }
            Note::Ended { call, at_ns, cause } => {
                self.exclusions.forget(call);
                if let Some(live) = self.live.remove(call) {
                    self.close(live, at_ns, &cause_text(cause));
                }
            }
            Note::Altered(code, what) => {
                let details = [("code", code), ("what", what.as_str())];
                if let Err(cause) = self.store.audit("data-plane-altered", &details) {
                    error!("{cause}");
                }
            }
            Note::Unopened(endpoints, cause) => {
                self.failed = true;
                let details = [("endpoints", endpoints.to_string()), ("cause", cause)];
                let details = details.each_ref().map(|(name, text)| (*name, text.as_str()));
                if let Err(cause) = self.store.audit("media-not-opened", &details) {
                    error!("{cause}");
                }
            }
            Note::Untold(notes) => {
                self.failed = true;
                error!("{notes} notes on calls found no room: the ledger of calls lacks them");
                let details = [("notes", notes.to_string())];
                let details = details.each_ref().map(|(name, text)| (*name, text.as_str()));
                if let Err(cause) = self.store.audit("notes-lost", &details) {
                    error!("{cause}");
                }
            }
            Note::Lost(lost) => self.lost(&lost),
        }
    }

    fn lost(&mut self, lost: &LostThere) {
        let LostThere { whose, place, frames, from_ns, to_ns } = *lost;
        self.own_losses.add(from_ns, to_ns);
        let Place { interface, queue } = whose;
        self.store.note_loss(&Loss { place, frames, from_ns, to_ns, interface, queue });
    }

    /// Tells `heard` of each call of which media was recorded since the last time, a few times in
    /// each span of `media_silence`.
    pub fn media_seen(&mut self, mut heard: impl FnMut(CallKey, Timestamp)) {
        self.heard.drain(..).for_each(|(call, at)| heard(call, at));
    }

    /// Takes note that somebody has set the system's clock: it is ahead of the evidence's by so much.
    pub fn clock_set(&mut self, ahead_ns: i64) {
        warn!("the system's clock was set: it is {ahead_ns} ns ahead of that of the evidence");
        let details = [("ahead_ns", ahead_ns.to_string())];
        let details = details.each_ref().map(|(name, text)| (*name, text.as_str()));
        if let Err(cause) = self.store.audit("clock-set", &details) {
            error!("{cause}");
        }
    }

    /// Lets time pass: flushes, and rotates what is due. Gives the warrants stopped by it.
    pub fn tick(&mut self, now_ns: u64) -> Vec<u32> {
        self.tell_exclusions(now_ns);
        let errors = self.store.tick(now_ns);
        for cause in errors.iter().filter(|it| !matches!(it, store::Error::Write { .. })) {
            error!("{cause}");
        }
        errors.iter().filter_map(|error| self.stop(error)).collect()
    }

    /// What is kept under each LIID.
    pub fn held(&self) -> Vec<store::Holding> {
        self.store.holdings().collect()
    }

    /// Ends what is still live, seals every volume, and says what was recorded.
    pub fn finish(mut self, now_ns: u64) -> Recorded {
        for live in self.live.take_all() {
            self.close(live, now_ns, "capture-ended");
        }
        self.tell_exclusions(u64::MAX);
        let summary = self.store.close();
        for cause in &summary.errors {
            error!("{cause}");
        }
        Recorded {
            calls: summary.calls,
            volumes: summary.volumes,
            whole: self.stopped.is_empty() && !self.failed && summary.errors.is_empty(),
            unwritten: summary.unwritten,
        }
    }

    /// Counts a packet to its call.
    fn count(&mut self, record: &Encoded<'_>) {
        let link = self.link(record);
        let call = CallKey { warrant: record.warrant(), cin: record.cin() };
        let Some(live) = self.live.get_mut(call) else { return };
        live.recorded();
        if record.kind() == Kind::Iri {
            return;
        }
        let at = Timestamp(record.at_ns());
        if live.is_heard_anew(at, self.tell_every) {
            self.heard.push((call, at));
        }
        let Some(link) = link else { return };
        let frame = record.frame();
        let Ok(packet) = packet::parse(link, frame) else { return };
        live.packet(at, &packet, frame.len());
        match packet.body {
            Body::Udp(Datagram { source, destination, payload }) => {
                live.content(at, source, destination, payload);
            }
            Body::Tcp(segment) => live.segment(at, &segment),
            Body::Fragment(fragment) => {
                let frame = Kept::whole(at, record.interface(), link, frame);
                live.fragment(frame, &packet, &fragment);
            }
            _ => {}
        }
    }

    /// The link type of the interface on which a record came.
    fn link(&self, record: &Encoded<'_>) -> Option<LinkType> {
        let place = usize::try_from(record.interface()).ok()?;
        self.links.get(place).copied()
    }

    fn close(&mut self, live: LiveCall, at_ns: u64, cause: &str) {
        let CallKey { warrant, .. } = live.key();
        let Some(mut line) = live.line(at_ns, cause, &self.own_losses) else { return };
        if self.masking.contains(&warrant) {
            line.digits.iter_mut().for_each(|it| "masked".clone_into(&mut it.digit));
        }
        if let Err(cause) = self.store.call_closed(warrant, line) {
            error!("{cause}");
        }
    }

    fn stop(&mut self, cause: &store::Error) -> Option<u32> {
        // Only the first error of a warrant stops it; what is lost afterwards is counted.
        let store::Error::Write { liid, .. } = cause else {
            if matches!(cause, store::Error::Sync { .. }) {
                error!("{cause}");
                self.failed = true;
            }
            return None;
        };
        error!("{cause}");
        let warrant = *self.warrants.get(liid)?;
        self.stopped.push(warrant);
        Some(warrant)
    }
}

fn cause_text(cause: Cause) -> String {
    match cause {
        Cause::Bye => "bye".to_owned(),
        Cause::Cancelled => "cancelled".to_owned(),
        Cause::Failed(status) => format!("failed-{status}"),
        Cause::Answered => "answered".to_owned(),
        Cause::TimedOut => "timed-out".to_owned(),
        Cause::WarrantEnded => "warrant-ended".to_owned(),
        Cause::Excluded => "party-excluded".to_owned(),
        _ => "capture-ended".to_owned(),
    }
}
