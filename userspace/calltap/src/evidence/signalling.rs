//! What the signalling in a call's volumes tells: its messages, and which media endpoints each call
//! of the case announced when.
//!
//! The tracker that followed the wire follows the recorded frames once more, with every address as
//! its target: all that is in a volume is under a warrant.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use calltap_evidence::lines::CallLine;
use calltap_evidence::read::{Origin, VolumePacket};
use calltap_proto::packet::{self, Body, Fragment, LinkType};
use calltap_proto::sip::Message;
use calltap_proto::{Event, Kept, Limits, Timestamp, Tracker, Warrant, target};

use super::ownership::Ownership;

/// A signalling message of the call.
#[derive(Debug, Clone)]
pub struct Said {
    /// Arrival of its first frame, in nanoseconds since the Unix epoch.
    pub first_ns: u64,
    /// Arrival of its last frame.
    pub at_ns: u64,
    /// Sender.
    pub source: SocketAddr,
    /// Receiver.
    pub destination: SocketAddr,
    /// The message as it was put together.
    pub bytes: Box<[u8]>,
    /// What is odd about it.
    pub flaw: Option<String>,
}

/// What tells one frame from another: when it came, and a hash of its bytes.
pub type FrameKey = (u64, u64);

/// The frame's key.
pub fn key(found: &VolumePacket<'_>) -> FrameKey {
    (found.at_ns, hash(found.frame))
}

fn hash(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hasher as _};
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// Signalling being read, packet by packet.
pub struct Reading {
    tracker: Tracker,
    heard: Heard,
}

/// What was understood.
#[derive(Debug, Default)]
struct Heard {
    cin: u32,
    /// The calls of each Call-ID.
    call_ids: HashMap<Vec<u8>, Vec<u32>>,
    /// The case's call number for each of the tracker's.
    numbers: HashMap<u32, u32>,
    messages: Vec<Said>,
    /// Frames in which messages of the call came.
    frames: HashSet<FrameKey>,
    /// Every frame of signalling that was read.
    read: HashSet<FrameKey>,
    /// The call of the frame that is being read, and the frame.
    feeding: (u32, FrameKey),
    ownership: Ownership,
}

/// All that signalling tells.
#[derive(Debug)]
pub struct Signalling {
    /// The call's messages, in order of arrival.
    pub messages: Vec<Said>,
    /// Frames in which they came, recorded for whichever call.
    pub frames: HashSet<FrameKey>,
    /// Every frame of signalling that was read, repeated ones aside.
    pub read: HashSet<FrameKey>,
    /// Whose a media packet is.
    pub ownership: Ownership,
}

impl Reading {
    /// Reads for the call `cin`, of whose case these calls lived at the same time.
    pub fn new(cin: u32, calls: &[CallLine]) -> Self {
        let mut tracker = Tracker::new(Limits::default());
        let everybody = ["ip:0.0.0.0/1", "ip:128.0.0.0/1", "ip:::/1", "ip:8000::/1"];
        tracker.set_warrants(vec![Warrant::on(
            0,
            everybody.iter().filter_map(|text| target::parse(text).ok()).collect(),
        )]);
        let mut heard = Heard { cin, ownership: Ownership::new(calls), ..Heard::default() };
        for call in calls {
            let call_id = call.call_id.clone().into_bytes();
            heard.call_ids.entry(call_id).or_default().push(call.cin);
        }
        Self { tracker, heard }
    }

    /// Takes a packet of a volume.
    pub fn take(&mut self, link: LinkType, found: &VolumePacket<'_>) {
        let cin = match found.origin {
            Origin::Iri(cin) | Origin::Repeated(cin) => cin,
            Origin::Content => return self.content(link, found),
        };
        // What a volume repeats was read in the one before, unless that is not at hand.
        let key = key(found);
        if !self.heard.read.insert(key) && matches!(found.origin, Origin::Repeated(_)) {
            return;
        }
        self.heard.feeding = (cin, key);
        let frame = Kept {
            at: Timestamp(found.at_ns),
            interface: found.interface,
            link,
            original_len: found.original_len,
            bytes: found.frame,
        };
        let Self { tracker, heard } = self;
        tracker.feed(frame, &mut |event| heard.event(&event));
    }

    /// Notes whose ports a first fragment has; those behind it have none.
    fn content(&mut self, link: LinkType, found: &VolumePacket<'_>) {
        let Ok(packet) = packet::parse(link, found.frame) else { return };
        let Body::Fragment(fragment) = &packet.body else { return };
        if let Some(ends) = first_ends(packet.source, packet.destination, fragment) {
            let whole = (packet.source, packet.destination, fragment.id);
            self.heard.ownership.fragmented(whole, found.at_ns, ends);
        }
    }

    /// Ends the reading.
    pub fn finish(self) -> Signalling {
        let Self { mut tracker, mut heard } = self;
        tracker.finish(Timestamp::MAX, &mut |event| heard.event(&event));
        let Heard { mut messages, frames, read, ownership, .. } = heard;
        messages.sort_by_key(|message| message.at_ns);
        Signalling { messages, frames, read, ownership }
    }
}

impl Heard {
    /// Whose a message of this Call-ID is: of several calls in one frame, that of the Call-ID.
    fn owner(&self, call_id: &[u8]) -> u32 {
        let (feeding, _) = self.feeding;
        match self.call_ids.get(call_id).map(Vec::as_slice) {
            Some([first, ..]) if !self.call_ids[call_id].contains(&feeding) => *first,
            _ => feeding,
        }
    }

    fn event(&mut self, event: &Event<'_>) {
        match *event {
            Event::CallOpened { call, call_id, .. } => {
                let owner = self.owner(call_id);
                self.numbers.insert(call.cin, owner);
            }
            Event::MediaOpened { call, endpoint, at, .. } => {
                if let Some(&cin) = self.numbers.get(&call.cin) {
                    self.ownership.opened(cin, endpoint, at.0);
                }
            }
            Event::MediaClosed { call, endpoint, at } => {
                if let Some(&cin) = self.numbers.get(&call.cin) {
                    self.ownership.closed(cin, endpoint, at.0);
                }
            }
            Event::Message { first, at, source, destination, bytes, frames, flaw, .. } => {
                let call_id = Message::parse(bytes).and_then(|message| message.call_id);
                if self.owner(call_id.unwrap_or_default()) != self.cin {
                    return;
                }
                self.frames.insert(self.feeding.1);
                self.frames.extend(frames.iter().map(|it| (it.at.0, hash(it.bytes))));
                self.messages.push(Said {
                    first_ns: first.0,
                    at_ns: at.0,
                    source,
                    destination,
                    bytes: bytes.into(),
                    flaw: flaw.map(|flaw| flaw.to_string()),
                });
            }
            _ => {}
        }
    }
}

/// The ends of the datagram whose first fragment this is.
fn first_ends(
    source: IpAddr,
    destination: IpAddr,
    fragment: &Fragment<'_>,
) -> Option<(SocketAddr, SocketAddr)> {
    let &[s0, s1, d0, d1, ..] = fragment.payload else { return None };
    let port = |high, low| u16::from_be_bytes([high, low]);
    (fragment.offset == 0).then(|| {
        (SocketAddr::new(source, port(s0, s1)), SocketAddr::new(destination, port(d0, d1)))
    })
}
