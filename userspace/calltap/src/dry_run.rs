//! `calltap warrant dry-run`: what a warrant would match in a capture, rule by rule.
//!
//! It counts and keeps nothing: there is no record, as there is no authority, and what is printed
//! names no party and quotes no message. The warrant must be signed, so that nobody searches
//! captures for whom he likes; it need not be activated yet, as this is what one looks at before.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;

use calltap_evidence::warrant::{self, Code, Deliver, Draft};
use calltap_proto::media::MediaTable;
use calltap_proto::packet::{self, LinkType};
use calltap_proto::target::{self, Identity};
use calltap_proto::{CallKey, Event, Kept, Timestamp, Tracker};
use serde::Serialize;

use crate::capture::{CaptureFile, CapturedFrame};
use crate::config::Config;
use crate::content::{Content, Network};
use crate::replay::filter::{Filter, Found};
use crate::{Outcome, cli, paper, recording};

/// What a rule matched.
#[derive(Debug, Serialize)]
struct Matched {
    /// The target's place in the warrant, from 1.
    target: usize,
    /// Where it was named: a header field, `IP`, or what joins the call to one that names it.
    by: String,
    /// Calls, transactions among them.
    calls: u64,
    /// Signalling messages of these.
    messages: u64,
    /// Packets at the endpoints that these announced: what is kept of them is no more.
    media: u64,
}

/// What a dry run found.
#[derive(Debug, Serialize)]
struct Report {
    liid: String,
    frames: u64,
    /// Calls in which a party takes part whom the warrant excludes.
    excluded: u64,
    rules: Vec<Matched>,
}

/// Reads the captures and prints what the warrant would match; exit code 1 where it is refused.
///
/// # Errors
/// The trust directory, the settings or a capture cannot be read.
pub fn dry_run(arguments: &cli::DryRun) -> anyhow::Result<Outcome> {
    let cli::DryRun { file, inputs, trust, config, json } = arguments;
    let config = Config::load(config.as_deref())?;
    let trust = paper::trusted(trust, &config)?;
    let loaded = warrant::load(file, &trust, &paper::identify);
    let draft = match &loaded {
        Ok(warrant) => warrant.draft(),
        Err(refusal) => match (refusal.code(), refusal.draft()) {
            (Code::NotActivated | Code::Suspended, Some(draft)) => draft,
            _ => {
                eprintln!("refused: {refusal}");
                return Ok(Outcome::NotFine);
            }
        },
    };
    let mut search = Search::of(draft, &config);
    for input in inputs {
        let mut input = CaptureFile::open(input)?;
        while let Some(frame) = input.next_frame()? {
            search.take(&frame);
        }
    }
    search.print(&draft.liid, *json)?;
    Ok(Outcome::Fine)
}

/// A search under way.
struct Search {
    tracker: Tracker,
    filter: Filter,
    targets: Vec<Identity>,
    window: (Timestamp, Timestamp),
    counted: Counted,
    frames: u64,
}

/// What was counted, and of which call each endpoint is.
#[derive(Default)]
struct Counted {
    rules: BTreeMap<(usize, String), Matched>,
    calls: BTreeMap<CallKey, (usize, String)>,
    endpoints: MediaTable<CallKey>,
}

impl Search {
    fn of(draft: &Draft, config: &Config) -> Self {
        let rules = recording::rules(config);
        let mut tracker = Tracker::new(rules.limits);
        tracker.set_numbering(rules.numbering);
        tracker.set_joins(rules.joins);
        let targets: Vec<_> =
            draft.targets.iter().filter_map(|text| target::parse(text).ok()).collect();
        let time = |text: &str| {
            let at = text.parse::<jiff::Timestamp>().ok();
            Timestamp(at.and_then(|at| at.as_nanosecond().try_into().ok()).unwrap_or(0))
        };
        let window = (time(&draft.not_before), time(&draft.not_after));
        tracker.set_warrants(vec![calltap_proto::Warrant {
            id: 0,
            targets: targets.clone(),
            excluded: recording::excluded(draft),
            not_before: window.0,
            not_after: window.1,
            content: draft.deliver == Deliver::IriAndContent,
            sided: false,
            next_cin: 1,
        }]);
        let filter = Filter::new(&config.signalling_ports);
        Self { tracker, filter, targets, window, counted: Counted::default(), frames: 0 }
    }

    fn take(&mut self, frame: &CapturedFrame<'_>) {
        self.frames += 1;
        let at = Timestamp(frame.at_ns);
        let number = u16::try_from(frame.link_type).ok();
        let Some(link) = number.and_then(LinkType::from_number) else { return };
        let parsed = packet::parse(link, frame.bytes).ok();
        let until = (self.window.0 <= at && at <= self.window.1).then_some(self.window.1);
        let walked = packet::walk(link, frame.bytes);
        let body = parsed.as_ref().map(|packet| &packet.body);
        // No endpoint is open for the filter: what is left of media is counted here.
        let found = self.filter.judge(at, until, &walked, body, &Content::default());
        let Self { tracker, targets, counted, .. } = self;
        if found == Found::Signalling {
            let (original_len, bytes) = (frame.original_len, frame.bytes);
            let kept = Kept { at, interface: 0, link, original_len, bytes };
            tracker.feed(kept, &mut |event| counted.note(&event, targets));
        } else if let (Some(packet), Some(_)) = (&parsed, until) {
            let (source, destination) = packet.endpoints();
            counted.media(source, destination, targets);
        }
    }

    fn print(self, liid: &str, json: bool) -> anyhow::Result<()> {
        let rules: Vec<_> = self.counted.rules.into_values().collect();
        let excluded = self.tracker.counters().excluded;
        let mut out = std::io::stdout().lock();
        if json {
            let report = Report { liid: liid.to_owned(), frames: self.frames, excluded, rules };
            serde_json::to_writer(&mut out, &report)?;
            writeln!(out)?;
            return Ok(());
        }
        writeln!(out, "{liid}: {} frames looked at, none kept", self.frames)?;
        for Matched { target, by, calls, messages, media } in &rules {
            writeln!(
                out,
                "  target {target} by {by}: {calls} calls, {messages} messages, \
                 at most {media} media packets"
            )?;
        }
        if excluded > 0 {
            writeln!(out, "  excluded parties take part in {excluded} calls")?;
        }
        if rules.is_empty() {
            writeln!(out, "  no target is named in it")?;
        }
        Ok(())
    }
}

impl Counted {
    fn note(&mut self, event: &Event<'_>, targets: &[Identity]) {
        match event {
            Event::CallOpened { call, matched, joined, .. } => {
                let by = match (joined, matched.is_contact) {
                    (Some(joined), _) => format!("{} of a call joined to", joined.header),
                    (None, true) => format!("{} as registered", matched.header),
                    (None, false) => matched.header.to_owned(),
                };
                let place = targets.iter().position(|it| it == matched.target);
                let rule = (place.map_or(0, |place| place + 1), by);
                self.rule(&rule).calls += 1;
                self.calls.insert(*call, rule);
            }
            Event::Message { call, .. } => {
                if let Some(rule) = self.calls.get(call).cloned() {
                    self.rule(&rule).messages += 1;
                }
            }
            Event::MediaOpened { call, endpoint, .. } => self.endpoints.open(*endpoint, *call),
            Event::MediaClosed { call, endpoint, .. } => {
                self.endpoints.close(*endpoint, |it| it == call);
            }
            _ => {}
        }
    }

    fn media(&mut self, source: SocketAddr, destination: SocketAddr, targets: &[Identity]) {
        let call = self.endpoints.lookup(source, destination).next().copied();
        let of_call = call.and_then(|call| self.calls.get(&call)).cloned();
        let rule = of_call.or_else(|| {
            let place = targets.iter().position(|target| match *target {
                Identity::Network { address, length } => {
                    let network = Network { address, length };
                    network.contains(source.ip()) || network.contains(destination.ip())
                }
                _ => false,
            });
            place.map(|place| (place + 1, "IP".to_owned()))
        });
        if let Some(rule) = rule {
            self.rule(&rule).media += 1;
        }
    }

    fn rule(&mut self, rule: &(usize, String)) -> &mut Matched {
        let (target, by) = (rule.0, rule.1.clone());
        let none = || Matched { target, by, calls: 0, messages: 0, media: 0 };
        self.rules.entry(rule.clone()).or_insert_with(none)
    }
}
