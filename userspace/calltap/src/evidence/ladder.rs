//! A call as a ladder: its participants as columns, its messages as arrows between them, and its
//! media where it began.

use std::net::{IpAddr, SocketAddr};

use calltap_evidence::lines::{CallLine, StreamLine};
use calltap_proto::sdp;
use calltap_proto::sip::{Message, StartLine};

use super::inert::inert;
use super::row::nanoseconds;
use super::signalling::Said;

/// A call's participants and what passed between them, in order of time.
#[derive(Debug)]
pub struct Ladder {
    /// The participants, in the order in which they first sent or were sent to.
    pub participants: Vec<String>,
    /// What passed.
    pub steps: Vec<Step>,
}

/// An arrow.
#[derive(Debug)]
pub struct Step {
    /// When, in nanoseconds since the Unix epoch.
    pub at_ns: u64,
    /// The sender's place among the participants.
    pub from: usize,
    /// The receiver's.
    pub to: usize,
    /// What stands on the arrow, inert.
    pub label: String,
    /// What stands below it, inert: what a description announces, what is odd.
    pub below: Vec<String>,
    /// What kind of arrow it is.
    pub kind: Kind,
}

/// Kinds of arrows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A message, by its number from 1; `again` where the same was sent between the same two
    /// before.
    Message {
        /// Its number.
        number: usize,
        /// Whether it is a retransmission.
        again: bool,
        /// 0 for a request, otherwise the status.
        status: u16,
    },
    /// A stream begins.
    Media,
}

impl Ladder {
    /// The ladder of a call's messages and streams.
    pub fn of(messages: &[Said], call: &CallLine) -> Self {
        let ends = Ends::of(messages, &call.streams);
        let mut participants: Vec<String> = Vec::new();
        let mut steps: Vec<Step> = Vec::new();
        let mut place = |endpoint: SocketAddr| {
            let name = ends.name(endpoint);
            participants.iter().position(|it| *it == name).unwrap_or_else(|| {
                participants.push(name);
                participants.len() - 1
            })
        };
        for (at, said) in messages.iter().enumerate() {
            let (from, to) = (place(said.source), place(said.destination));
            let again = messages[..at].iter().any(|earlier| {
                (earlier.source, earlier.destination) == (said.source, said.destination)
                    && earlier.bytes == said.bytes
            });
            let (label, status) = label(&said.bytes);
            let kind = Kind::Message { number: at + 1, again, status };
            let mut below = described(&said.bytes);
            below.extend(said.flaw.as_ref().map(|flaw| format!("flaw: {}", inert(flaw))));
            steps.push(Step { at_ns: said.at_ns, from, to, label, below, kind });
        }
        for stream in &call.streams {
            let Some((from, to)) = stream.src.parse().ok().zip(stream.dst.parse().ok()) else {
                continue;
            };
            let (from, to) = (place(from), place(to));
            let (at_ns, label) = (nanoseconds(&stream.first), media_label(stream));
            steps.push(Step { at_ns, from, to, label, below: Vec::new(), kind: Kind::Media });
        }
        steps.sort_by_key(|step| step.at_ns);
        Self { participants, steps }
    }
}

/// What a stream is called: its codec or payload type, and how many packets.
pub fn media_label(stream: &StreamLine) -> String {
    let what = match (&stream.kind, &stream.codec, stream.payload_type) {
        (Some(kind), ..) => kind.to_uppercase(),
        (None, Some(codec), _) => codec.clone(),
        (None, None, Some(payload_type)) => format!("payload type {payload_type}"),
        (None, None, None) => "RTP".to_owned(),
    };
    let locked = if stream.encryption == "none" { "" } else { ", encrypted" };
    format!("{what}, {} packets{locked}", stream.packets)
}

/// Participants are hosts, and where one host has both ends of something, ports.
struct Ends {
    shared: Vec<IpAddr>,
}

impl Ends {
    fn of(messages: &[Said], streams: &[StreamLine]) -> Self {
        let of_messages = messages.iter().map(|said| (said.source, said.destination));
        let of_streams = streams.iter().filter_map(|stream| {
            Some((stream.src.parse().ok()?, stream.dst.parse::<SocketAddr>().ok()?))
        });
        let ends = of_messages.chain(of_streams);
        let both = ends.filter(|(source, destination)| source.ip() == destination.ip());
        Self { shared: both.map(|(source, _)| source.ip()).collect() }
    }

    fn name(&self, endpoint: SocketAddr) -> String {
        match self.shared.contains(&endpoint.ip()) {
            true => endpoint.to_string(),
            false => endpoint.ip().to_string(),
        }
    }
}

/// What stands on a message's arrow, and its status.
fn label(bytes: &[u8]) -> (String, u16) {
    let text = |bytes: &[u8]| inert(&String::from_utf8_lossy(bytes)).into_owned();
    let Some(message) = Message::parse(bytes) else {
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        return (text(&first[..first.len().min(40)]), 0);
    };
    let mut label = match message.start {
        StartLine::Request { method, .. } => text(method),
        StartLine::Response { status } => {
            let reason = message.start_line.get(12..).unwrap_or_default();
            format!("{status} {} ({})", text(reason.trim_ascii()), text(message.method()))
        }
    };
    if message.description().is_some() {
        label += " +SDP";
    }
    match message.start {
        StartLine::Request { .. } => (label, 0),
        StartLine::Response { status } => (label, status),
    }
}

/// What a message's description announces, a line a medium.
fn described(bytes: &[u8]) -> Vec<String> {
    let message = Message::parse(bytes);
    let Some(description) = message.as_ref().and_then(Message::description) else {
        return Vec::new();
    };
    let media = sdp::scan(description).media;
    let line = |media: &sdp::Media<'_>| {
        let kind = String::from_utf8_lossy(media.kind).into_owned();
        let whither = match media.address {
            _ if media.port == 0 => "refused".to_owned(),
            Some(address) => SocketAddr::new(address, media.port).to_string(),
            None => format!("port {}", media.port),
        };
        let direction = match media.direction {
            sdp::Direction::SendReceive => "",
            sdp::Direction::SendOnly => " sendonly",
            sdp::Direction::ReceiveOnly => " recvonly",
            sdp::Direction::Inactive => " inactive",
        };
        format!("{} {whither}{direction}", inert(&kind))
    };
    media.iter().map(line).collect()
}
