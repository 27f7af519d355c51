//! Calls that had not ended when the last session did, read back from their own evidence.
//!
//! Each volume begins with the messages that describe the calls then in progress, so the last one of
//! a LIID has all that is needed to follow these again: nothing is kept for it beside the evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use calltap_evidence::lines::CallLine;
use calltap_evidence::read::{self, Origin, VolumeReader};
use calltap_evidence::session::InterfaceFacts;
use calltap_proto::packet::{self, Body, LinkType};
use calltap_proto::sip::Message;
use calltap_proto::{CallKey, Kept, Timestamp};

use crate::follow::Order;

/// Signalling that is read back for one warrant, at most.
const MAX_BYTES: usize = 64 << 20;

/// A frame of signalling that is in the evidence already.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The call that it is recorded for.
    pub call: CallKey,
    /// When it arrived, nanoseconds since the Unix epoch.
    pub at_ns: u64,
    /// This session's number of its interface.
    pub interface: u32,
    /// Its length on the wire.
    pub original_len: u32,
    /// The frame.
    pub bytes: Box<[u8]>,
    /// Whether it describes media, so that later volumes are to repeat it.
    pub describes: bool,
}

/// What the last session left of a warrant's calls.
#[derive(Debug)]
pub struct Unfinished {
    /// The warrant's LIID.
    pub liid: String,
    /// The volume that it was read from.
    pub volume: String,
    /// When the last packet was recorded, nanoseconds since the Unix epoch.
    pub last_ns: u64,
    /// Signalling of calls that had not ended, in order of time.
    pub frames: Vec<Frame>,
    /// The numbers of these calls, and their Call-IDs as far as they are known.
    pub calls: BTreeMap<CallKey, Option<Vec<u8>>>,
    /// Those of them that have a line in the ledger of calls: the session was ended in order.
    pub told: BTreeSet<CallKey>,
}

/// What could not be read back, and why.
pub type Unreadable = (String, io::Error);

/// After a longer pause than this, what the calls had may be others'.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads back what the last sessions of these orders left, if that was recorded a short time before
/// `now_ns`.
pub fn find(
    evidence: &Path,
    orders: &[Order],
    interfaces: &[InterfaceFacts],
    now_ns: u64,
) -> Vec<Result<Unfinished, Unreadable>> {
    let oldest = now_ns.saturating_sub(u64::try_from(PATIENCE.as_nanos()).unwrap_or(u64::MAX));
    let found = orders.iter().map(|order| {
        of_order(evidence, order, interfaces, oldest)
            .map_err(|cause| (order.liid.clone(), cause))
            .transpose()
    });
    found.flatten().collect()
}

fn of_order(
    evidence: &Path,
    order: &Order,
    interfaces: &[InterfaceFacts],
    oldest_ns: u64,
) -> io::Result<Option<Unfinished>> {
    let Some(last) = read::sealed(evidence, &order.liid)?.pop() else { return Ok(None) };
    let (ended, told) = ledger(evidence, order)?;
    let mut reader = VolumeReader::open(&evidence.join(&order.liid).join(&last.file))?;
    let numbers: Vec<_> = reader.interfaces().iter().map(|it| number(interfaces, it)).collect();
    let mut unfinished = Unfinished {
        liid: order.liid.clone(),
        volume: last.file,
        last_ns: 0,
        frames: Vec::new(),
        calls: BTreeMap::new(),
        told: BTreeSet::new(),
    };
    let mut bytes = 0;
    while let Some(packet) = reader.next_packet()? {
        unfinished.last_ns = unfinished.last_ns.max(packet.at_ns);
        let (cin, is_repeated) = match packet.origin {
            Origin::Iri(cin) => (cin, false),
            Origin::Repeated(cin) => (cin, true),
            Origin::Content => continue,
        };
        let call = CallKey { warrant: order.warrant.id, cin };
        bytes += packet.frame.len();
        if ended.contains(&cin) || bytes > MAX_BYTES {
            continue;
        }
        let place = usize::try_from(packet.interface).ok();
        let interface = place.and_then(|place| *numbers.get(place)?).unwrap_or(0);
        let message = packet::parse(LinkType::Ethernet, packet.frame).ok();
        let message = message.as_ref().and_then(|packet| match &packet.body {
            Body::Udp(datagram) => Message::parse(datagram.payload),
            Body::Tcp(segment) => Message::parse(segment.payload),
            _ => None,
        });
        let call_id = message.as_ref().and_then(|message| message.call_id).map(<[u8]>::to_vec);
        let known = unfinished.calls.entry(call).or_default();
        *known = known.take().or(call_id);
        let described = message.is_some_and(|message| message.description().is_some());
        unfinished.frames.push(Frame {
            call,
            at_ns: packet.at_ns,
            interface,
            original_len: packet.original_len,
            bytes: packet.frame.into(),
            describes: is_repeated || described,
        });
    }
    unfinished.frames.sort_by_key(|frame| frame.at_ns);
    unfinished.told =
        unfinished.calls.keys().copied().filter(|it| told.contains(&it.cin)).collect();
    let is_recent = unfinished.last_ns >= oldest_ns;
    Ok((is_recent && !unfinished.calls.is_empty()).then_some(unfinished))
}

/// The calls that ended, and those that their session's end cut off.
fn ledger(evidence: &Path, order: &Order) -> io::Result<(BTreeSet<u32>, BTreeSet<u32>)> {
    let (mut ended, mut cut) = (BTreeSet::new(), BTreeSet::new());
    for line in fs::read_to_string(read::calls(evidence, &order.liid))?.lines() {
        let line: CallLine = serde_json::from_str(line)?;
        if line.cause == "capture-ended" {
            cut.insert(line.cin);
        } else {
            ended.insert(line.cin);
        }
    }
    Ok((ended, cut))
}

/// This session's number of an interface of the last one.
fn number(interfaces: &[InterfaceFacts], facts: &InterfaceFacts) -> Option<u32> {
    let place = interfaces.iter().position(|it| it.name == facts.name)?;
    u32::try_from(place).ok()
}

impl Frame {
    /// The frame as the tracker takes it.
    pub fn kept(&self) -> Kept<'_> {
        Kept {
            at: Timestamp(self.at_ns),
            interface: self.interface,
            link: LinkType::Ethernet,
            original_len: self.original_len,
            bytes: &self.bytes,
        }
    }
}
