//! The control thread's picture of the whole: the other threads' news put together, once a second.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use calltap_evidence::session::InterfaceFacts;
use calltap_evidence::store::Holding;
use calltap_xdp::Statistics;
use calltap_xdp::clock::{self, Offset};

use super::alarms::{Alarms, Beside};
use super::news::{Following, News, Of};
use super::{Free, Interface, Queue, Rates, Snapshot, Waiting, Warrant};
use crate::accounting::Counted;
use crate::cards::Cards;
use crate::docket::{Docket, Standing, State};
use crate::intake::Tally;
use crate::loss::Place;
use crate::recorder::rfc3339;
use crate::recording::TOOL;

/// A thread that has told nothing for so long is an alarm: it tells once a second.
const SILENT_NS: u64 = 5_000_000_000;

/// A count, and how much it grows in a second.
#[derive(Debug, Clone, Copy, Default)]
struct Pace {
    at_ns: u64,
    count: u64,
    per_s: f64,
}

impl Pace {
    fn update(&mut self, at_ns: u64, count: u64) -> f64 {
        let span_ns = at_ns.saturating_sub(self.at_ns);
        let grown = count.saturating_sub(self.count);
        if self.at_ns != 0 && span_ns > 0 {
            self.per_s = grown as f64 * 1e9 / span_ns as f64;
        }
        (self.at_ns, self.count) = (at_ns, count);
        self.per_s
    }
}

/// What a worker told last.
#[derive(Debug, Default)]
struct QueueNews {
    at_ns: u64,
    tally: Tally,
    statistics: Statistics,
    ring: (u32, u32),
    pace: Pace,
}

/// Everything that was told last.
pub struct Gathering {
    facts: Vec<InterfaceFacts>,
    evidence: PathBuf,
    disk: Option<File>,
    clock: Offset,
    began_ns: u64,
    queues: BTreeMap<Place, QueueNews>,
    following: Following,
    followed_at_ns: u64,
    written_at_ns: u64,
    held: BTreeMap<String, (Holding, Pace)>,
    seen: Pace,
    filtered: Pace,
    followed: Pace,
    lost: Pace,
    cards: BTreeMap<u32, (Pace, Pace)>,
    alarms: Alarms,
}

impl Gathering {
    /// Begins, for a capture on these interfaces into this directory.
    pub fn new(facts: Vec<InterfaceFacts>, evidence: &Path, clock: Offset) -> Self {
        let now_ns = clock::boot_ns();
        Self {
            facts,
            evidence: evidence.canonicalize().unwrap_or_else(|_| evidence.to_owned()),
            disk: File::open(evidence).ok(),
            clock,
            began_ns: now_ns,
            queues: BTreeMap::new(),
            following: Following::default(),
            followed_at_ns: now_ns,
            written_at_ns: now_ns,
            held: BTreeMap::new(),
            seen: Pace::default(),
            filtered: Pace::default(),
            followed: Pace::default(),
            lost: Pace::default(),
            cards: BTreeMap::new(),
            alarms: Alarms::default(),
        }
    }

    /// Takes in what a thread told.
    pub fn take(&mut self, News { at_ns, of }: News) {
        match of {
            Of::Queue { whose, tally, statistics, ring } => {
                let news = self.queues.entry(whose).or_default();
                news.pace.update(at_ns, tally.received);
                (news.at_ns, news.tally) = (at_ns, tally);
                (news.statistics, news.ring) = (statistics, ring);
            }
            Of::Following(following) => {
                self.seen.update(at_ns, following.kernel.seen());
                self.filtered.update(at_ns, following.kernel.filtered());
                self.followed.update(at_ns, following.received);
                (self.followed_at_ns, self.following) = (at_ns, *following);
            }
            Of::Writing(held) => {
                self.written_at_ns = at_ns;
                for held in held {
                    let (known, pace) = self.held.entry(held.liid.clone()).or_default();
                    pace.update(at_ns, held.packets);
                    *known = held;
                }
            }
        }
    }

    /// How everything stands.
    pub fn snapshot(
        &mut self,
        cards: &Cards,
        docket: &Docket,
        buffers: [(&str, (usize, usize)); 3],
    ) -> Snapshot {
        let now_ns = clock::boot_ns();
        let frames = self.counted(cards).frames();
        let lost = self.lost.update(now_ns, frames.lost.values().sum());
        let workers: f64 = self.queues.values().map(|queue| queue.pace.per_s).sum();
        let (warrants, refused) = self.warrants(docket);
        let free = |(free, of): (usize, usize)| Free { free: free as u64, of: of as u64 };
        let mut snapshot = Snapshot {
            tool: TOOL.to_owned(),
            process: std::process::id(),
            evidence: self.evidence.display().to_string(),
            began: rfc3339(self.clock.unix_ns(self.began_ns)),
            at: rfc3339(self.clock.unix_ns(now_ns)),
            up_s: now_ns.saturating_sub(self.began_ns) as f64 / 1e9,
            rates: Rates {
                seen: self.seen.per_s,
                filtered: self.filtered.per_s,
                delivered: workers + self.followed.per_s,
                lost,
            },
            frames,
            filter: self.following.kernel.iter().map(|(it, n)| (it.name().to_owned(), n)).collect(),
            signalling: (self.following.counted.iter())
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect(),
            interfaces: self.interfaces(cards, now_ns),
            buffers: buffers.map(|(name, pool)| (name.to_owned(), free(pool))).into(),
            warrants,
            refused,
            trigger: self.following.trigger.clone(),
            disk: self.disk.as_ref().and_then(room).unwrap_or_default(),
            alarms: Vec::new(),
        };
        snapshot.alarms = self.alarms.look(&snapshot, &self.beside(cards, now_ns));
        snapshot
    }

    fn counted(&self, cards: &Cards) -> Counted {
        Counted {
            kernel: self.following.kernel,
            workers: self.queues.values().map(|it| (it.tally, it.statistics)).collect(),
            following: self.following.sockets.iter().map(|(_, it, _)| *it).collect(),
            followed: self.following.received,
            lost_records: self.following.lost_records,
            unwritten: self.held.values().map(|(held, _)| held.unwritten).sum(),
            nic: cards.dropped(),
        }
    }

    fn interfaces(&mut self, cards: &Cards, now_ns: u64) -> Vec<Interface> {
        let mut interfaces = Vec::new();
        for (card, facts) in cards.iter().zip(&self.facts) {
            let since = card.since();
            let (frames, bytes) = self.cards.entry(card.number()).or_default();
            let queues = self.queues.iter();
            let queues = queues.filter(|(place, _)| place.interface == Some(card.number()));
            let queue = |(place, news): (&Place, &QueueNews)| {
                let other = self.following.sockets.iter().find(|(other, ..)| other == place);
                let (heard, signalling) = other
                    .map(|(_, statistics, ring)| (statistics.lost(), *ring))
                    .unwrap_or_default();
                let waiting = |(frames, room)| Waiting { frames, room };
                Queue {
                    queue: place.queue.unwrap_or_default(),
                    frames: news.tally.received,
                    frames_per_s: news.pace.per_s,
                    lost: news.tally.lost() + news.statistics.lost() + heard,
                    media: waiting(news.ring),
                    signalling: waiting(signalling),
                }
            };
            interfaces.push(Interface {
                name: facts.name.clone(),
                mode: facts.mode.clone(),
                frames: since.frames,
                bytes: since.bytes,
                frames_per_s: frames.update(now_ns, since.frames),
                bits_per_s: bytes.update(now_ns, since.bytes) * 8.0,
                nic: since.overruns,
                queues: queues.map(queue).collect(),
            });
        }
        interfaces
    }

    fn warrants(&self, docket: &Docket) -> (Vec<Warrant>, BTreeMap<String, u64>) {
        let mut refused: BTreeMap<String, u64> = BTreeMap::new();
        let mut warrants = Vec::new();
        for standing in docket.standing() {
            let Standing { liid, state, code, version, window } = standing;
            let Some(liid) = liid else {
                *refused.entry(code.unwrap_or("refused").to_owned()).or_default() += 1;
                continue;
            };
            let held = self.held.get(&liid);
            let stopped = held.is_some_and(|(held, _)| held.stopped);
            let state = if stopped { State::Stopped } else { state };
            let code = code.or_else(|| stopped.then_some("evidence-failed"));
            let (held, pace) = held.cloned().unwrap_or_default();
            let time = |at: Option<u64>| at.map(rfc3339).unwrap_or_default();
            warrants.push(Warrant {
                liid,
                state: state.as_str().to_owned(),
                code: code.map(str::to_owned),
                version,
                not_before: time(window.map(|(from, _)| from)),
                not_after: time(window.map(|(_, until)| until)),
                live: held.live,
                calls: held.calls,
                packets: held.packets,
                packets_per_s: pace.per_s,
                bytes: held.bytes,
                volumes: held.volumes,
            });
        }
        (warrants, refused)
    }

    fn beside(&self, cards: &Cards, now_ns: u64) -> Beside {
        let is_silent = |at_ns: u64| now_ns.saturating_sub(at_ns) > SILENT_NS;
        let worker = |(place, news): (&Place, &QueueNews)| {
            is_silent(news.at_ns).then(|| {
                let (interface, queue) = (place.interface?, place.queue?);
                let name = &self.facts.get(usize::try_from(interface).ok()?)?.name;
                Some(format!("the worker of {name}, queue {queue},"))
            })?
        };
        let mut silent: Vec<String> = self.queues.iter().filter_map(worker).collect();
        let following = is_silent(self.followed_at_ns);
        silent.extend(following.then(|| "the thread that follows calls".to_owned()));
        silent.extend(is_silent(self.written_at_ns).then(|| "the recorder".to_owned()));
        let name = |number: u32| {
            usize::try_from(number).ok().and_then(|at| Some(self.facts.get(at)?.name.clone()))
        };
        Beside {
            altered: self.following.altered,
            stopped: self.stopped(),
            gone: cards
                .iter()
                .filter(|it| it.is_gone())
                .filter_map(|it| name(it.number()))
                .collect(),
            silent,
        }
    }

    fn stopped(&self) -> Vec<String> {
        let stopped = self.held.iter().filter(|(_, (held, _))| held.stopped);
        stopped.map(|(liid, _)| liid.clone()).collect()
    }
}

/// What is free of the file system that a directory is on.
fn room(directory: &File) -> Option<Free> {
    let found = rustix::fs::fstatvfs(directory).ok()?;
    Some(Free { free: found.f_bavail * found.f_frsize, of: found.f_blocks * found.f_frsize })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_what_grew_in_the_time_that_passed() {
        let mut pace = Pace::default();
        assert!(pace.update(1_000_000_000, 500) < f64::EPSILON, "nothing came before");
        assert!((pace.update(3_000_000_000, 700) - 100.0).abs() < 1e-9);
        assert!((pace.update(3_000_000_000, 700) - 100.0).abs() < 1e-9, "no time has passed");
        assert!(pace.update(4_000_000_000, 0) < f64::EPSILON, "a counter that is gone");
    }
}
