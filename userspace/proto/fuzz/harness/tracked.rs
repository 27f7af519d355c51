//! The whole tracker under warrants, and what holds of its events whatever it is fed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use calltap_proto::packet::LinkType;
use calltap_proto::{
    CallKey, Event, Excluded, Keep, Kept, Limits, Timestamp, Tracker, Warrant, target,
};

use super::frame::{DESCRIPTION, message};
use super::{frame, input::Input};

/// A frame and its arrival.
pub(super) struct Fed {
    pub(super) at: Timestamp,
    pub(super) link: LinkType,
    pub(super) bytes: Vec<u8>,
}

/// A message that came out: its start line, whether it is flawed, the numbers of its frames.
pub(super) struct Out {
    pub(super) start_line: Vec<u8>,
    pub(super) flawed: bool,
    pub(super) frames: Vec<usize>,
}

/// The warrants: on Alice, on a stranger whom no input names, and on a network.
fn warrant(id: u32, target: &str, content: bool) -> Warrant {
    Warrant { content, ..Warrant::on(id, vec![target::parse(target).unwrap()]) }
}

/// Nobody whom a fuzzer finds by chance.
const NOBODY: &str = "sip:quxwvzjkfpyhgbtdmcnl0173948265@qzkxjvwpyf.example";

/// Whom two of the warrants exclude.
fn bob(keep: Keep) -> Excluded {
    Excluded { party: target::parse("sip:bob@example.org").unwrap(), keep }
}

/// Small bounds, so that a short input reaches them.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.calls = 8;
    limits.endpoints = 8;
    limits.datagrams = 8;
    limits.datagram_bytes = 8 << 10;
    limits.hold_messages = 8;
    limits.hold_bytes = 8 << 10;
    limits.streams = 8;
    limits.stream_bytes = 16 << 10;
    limits.message_bytes = 4 << 10;
    limits
}

/// Any frames, under all warrants with small bounds.
pub(crate) fn pipeline(data: &[u8]) {
    let mut input = Input(data);
    let mut frames = Vec::new();
    let mut at = 1_000_000_000;
    while !input.is_empty() && frames.len() < 256 {
        at += u64::try_from(input.number()).unwrap() << (input.byte() % 24);
        let (link, bytes) = one(&mut input);
        frames.push(Fed { at: Timestamp(at), link, bytes });
    }
    let warrants = || {
        vec![
            warrant(1, "sip:alice@example.net", true),
            warrant(2, "tel:+3225550100", false),
            warrant(3, NOBODY, true),
            Warrant {
                excluded: vec![bob(Keep::Nothing)],
                ..warrant(4, "sip:alice@example.net", true)
            },
            Warrant { excluded: vec![bob(Keep::Iri)], ..warrant(5, "sip:alice@example.net", true) },
        ]
    };
    run(&frames, warrants(), limits());
    // Nobody's frames by any warrant: nothing may come out but datagrams put together.
    let out = run(&frames, vec![warrant(3, NOBODY, true)], limits());
    assert!(out.is_empty(), "a message of a stranger came out");
}

/// The next frame, of the kind that the next byte chooses.
fn one(input: &mut Input<'_>) -> (LinkType, Vec<u8>) {
    let kind = input.byte();
    let from = (input.below(3), 5060);
    let to = (input.below(3), if kind & 0x80 == 0 { 5060 } else { 4000 });
    let bytes = match kind % 8 {
        0 => frame::udp(from, to, input.string()),
        1 => {
            let sequence = u32::try_from(input.number()).unwrap();
            frame::tcp(from, to, sequence, input.byte(), input.string())
        }
        2 => {
            let place = u16::try_from(input.number()).unwrap();
            frame::ip(from, to, 17, place & 0x20ff, input.string())
        }
        3 => {
            let methods = ["INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "UPDATE", "MESSAGE"];
            let method = methods[input.below(methods.len())];
            let mut text = message(method, input.below(16), DESCRIPTION);
            change(&mut text, input);
            frame::udp(from, to, &text)
        }
        4 => {
            let request = message("INVITE", input.below(16), DESCRIPTION);
            let headers = &request[request.iter().position(|byte| *byte == b'\n').unwrap()..];
            let status = 100 + input.below(600);
            let mut text = [format!("SIP/2.0 {status} Said\r").as_bytes(), headers].concat();
            change(&mut text, input);
            frame::udp(to, from, &text)
        }
        5 => {
            let mut text = message("INVITE", input.below(16), DESCRIPTION);
            change(&mut text, input);
            let sequence = u32::try_from(input.number()).unwrap();
            frame::tcp(from, to, sequence, 0x10, &text)
        }
        6 => {
            let ports = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
            let packet = [&ports[..], &[0; 8], input.string()].concat();
            frame::ip(from, to, 132, 0, &packet)
        }
        _ => {
            let link = LinkType::from_number([0, 1, 101, 108, 113, 228, 229, 276][input.below(8)]);
            return (link.unwrap_or(LinkType::Ethernet), input.string().to_vec());
        }
    };
    (LinkType::Ethernet, bytes)
}

/// Puts some of the input over some of the text.
fn change(text: &mut [u8], input: &mut Input<'_>) {
    let at = input.below(text.len());
    let length = input.below(32);
    for (byte, new) in text.iter_mut().skip(at).zip(input.take(length)) {
        *byte = *new;
    }
}

/// Feeds the frames and holds every event against what must be; gives the messages.
pub(super) fn run(frames: &[Fed], warrants: Vec<Warrant>, limits: Limits) -> Vec<Out> {
    let most = limits.endpoints;
    let mut tracker = Tracker::new(limits);
    let mut ledger = Ledger { frames, ..Ledger::default() };
    let known: BTreeSet<_> = warrants.iter().map(|warrant| warrant.id).collect();
    tracker.set_warrants(warrants);
    for (number, fed) in frames.iter().enumerate() {
        let number = u32::try_from(number).unwrap();
        let kept = Kept::whole(fed.at, number, fed.link, &fed.bytes);
        tracker.feed(kept, &mut |event| ledger.note(&event));
        for endpoints in ledger.open.values() {
            assert!(endpoints.len() <= most, "endpoints of a call beyond the bound");
        }
    }
    let end = frames.last().map_or(Timestamp(0), |fed| fed.at);
    tracker.finish(end, &mut |event| ledger.note(&event));
    assert!(ledger.open.is_empty(), "every call that opened ended: {:?}", ledger.open);
    assert!(ledger.warrants.is_subset(&known));
    ledger.out
}

/// What was opened and not yet closed, and what came out.
#[derive(Default)]
struct Ledger<'a> {
    frames: &'a [Fed],
    open: BTreeMap<CallKey, BTreeSet<SocketAddr>>,
    warrants: BTreeSet<u32>,
    /// Calls in which an excluded party takes part, while they are open.
    excluded: BTreeSet<CallKey>,
    given: BTreeSet<(u32, u32)>,
    out: Vec<Out>,
}

impl Ledger<'_> {
    fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::CallOpened { call, .. } => {
                let new = self.open.insert(*call, BTreeSet::new()).is_none();
                assert!(new, "{call} opened twice");
                self.warrants.insert(call.warrant);
            }
            Event::Excluded { call: Some(call), .. } => drop(self.excluded.insert(*call)),
            Event::Message { call, frames, start_line, flaw, .. } => {
                assert!(self.open.contains_key(call), "a message of no open call");
                for frame in *frames {
                    self.is_fed(frame);
                    let new = self.given.insert((call.warrant, frame.interface));
                    assert!(new, "a frame given twice under one warrant");
                }
                self.out.push(Out {
                    start_line: start_line.to_vec(),
                    flawed: flaw.is_some(),
                    frames: frames.iter().map(|it| it.interface as usize).collect(),
                });
            }
            Event::MediaOpened { call, endpoint, .. } => {
                assert!(!self.excluded.contains(call), "media of a call with an excluded party");
                self.open.get_mut(call).expect("media of an open call").insert(*endpoint);
            }
            Event::MediaClosed { call, endpoint, .. } => {
                let open = self.open.get_mut(call).expect("media of an open call");
                assert!(open.remove(endpoint), "{endpoint} closed, and was not open");
            }
            Event::CallEnded { call, .. } => {
                self.excluded.remove(call);
                let left = self.open.remove(call).expect("an open call ends");
                assert!(left.is_empty(), "{left:?} outlive their call");
            }
            Event::Reassembled { frames, .. } => frames.iter().for_each(|it| self.is_fed(it)),
            Event::Late { frame, calls, .. } => {
                self.is_fed(frame);
                for call in *calls {
                    let new = self.given.insert((call.warrant, frame.interface));
                    assert!(new, "a frame given twice under one warrant");
                }
            }
            _ => {}
        }
    }

    /// What is given out is what was fed, byte for byte.
    fn is_fed(&self, frame: &Kept<'_>) {
        let fed = &self.frames[frame.interface as usize];
        assert!(fed.bytes == frame.bytes && fed.at == frame.at && fed.link == frame.link);
    }
}

/// The messages of Alice's, with bounds as they are by default.
pub(super) fn alices(frames: &[Fed]) -> Vec<Out> {
    run(frames, vec![warrant(1, "sip:alice@example.net", true)], Limits::default())
}
