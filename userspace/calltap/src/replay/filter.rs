//! The kernel's verdict, run on the host over ordinary collections.
//!
//! A capture file holds everything already, so the replay also finds signalling on ports that
//! nobody configured, by its start line; the kernel filter knows ports alone.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use calltap_ebpf::abi::{
    Address, Config, Deadline, Endpoint, FragmentKey, PORT_WORDS, Reason, port_bit,
};
use calltap_ebpf::headers::{Packet, Stop};
use calltap_ebpf::verdict::{Maps, Verdict, verdict};
use calltap_proto::Timestamp;
use calltap_proto::packet::Body;
use calltap_proto::sip;

use crate::content::Content;

/// What is remembered of strangers' fragments and of TCP streams, at most; both are forgotten when
/// full, which costs a needless look and loses nothing.
const REMEMBERED: usize = 65_536;

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// It may be signalling, or is a fragment: the tracker has it.
    Signalling,
    /// An open endpoint or network asks for it.
    Content,
    /// Nobody asks for it.
    Stranger,
}

/// The filter's own state: what the kernel keeps in maps beside the endpoints.
#[derive(Debug)]
pub(crate) struct Filter {
    /// A bit for each port, as in the kernel.
    ports: Box<[u64; PORT_WORDS as usize]>,
    strangers: RefCell<HashMap<FragmentKey, u64>>,
    /// TCP streams, in both directions, in which a start line was seen.
    streams: HashSet<(SocketAddr, SocketAddr)>,
}

impl Filter {
    /// A filter that takes these ports for signalling.
    pub(crate) fn new(ports: &[u16]) -> Self {
        let mut bits = Box::new([0; PORT_WORDS as usize]);
        for (word, bit) in ports.iter().map(|port| port_bit(*port)) {
            bits[word as usize] |= bit;
        }
        Self { ports: bits, strangers: RefCell::default(), streams: HashSet::new() }
    }

    /// Judges a frame at its own time; `until` is the latest end of the warrants then in force.
    pub(crate) fn judge(
        &mut self,
        now: Timestamp,
        until: Option<Timestamp>,
        walked: &Result<Packet, Stop>,
        body: Option<&Body<'_>>,
        content: &Content,
    ) -> Found {
        let maps = View { filter: self, content, now, until };
        match verdict(&maps, walked) {
            Verdict::Keep { reason: Reason::Signalling | Reason::Fragment, .. } => {
                Found::Signalling
            }
            // A first fragment goes where the rest of its datagram goes.
            Verdict::Keep { .. } if matches!(body, Some(Body::Fragment(_))) => Found::Signalling,
            Verdict::Keep { .. } => Found::Content,
            Verdict::Filter(_) if until.is_some() && self.speaks_sip(body) => Found::Signalling,
            Verdict::Filter(_) => Found::Stranger,
        }
    }

    fn speaks_sip(&mut self, body: Option<&Body<'_>>) -> bool {
        match body {
            Some(Body::Udp(datagram)) => sip::looks_like_start_line(datagram.payload),
            Some(Body::Tcp(segment)) => {
                let (source, destination) = (segment.source, segment.destination);
                if sip::looks_like_start_line(segment.payload) {
                    if self.streams.len() >= REMEMBERED {
                        self.streams.clear();
                    }
                    self.streams.insert((source, destination));
                    self.streams.insert((destination, source));
                }
                self.streams.contains(&(source, destination))
            }
            _ => false,
        }
    }
}

/// The maps as the verdict looks at them, at one moment.
struct View<'a> {
    filter: &'a Filter,
    content: &'a Content,
    now: Timestamp,
    until: Option<Timestamp>,
}

impl Maps for View<'_> {
    fn config(&self) -> Config {
        let signalling_not_after_ns = self.until.map_or(0, |until| until.0);
        Config { signalling_not_after_ns, prefixes: 1, ..Config::default() }
    }

    fn signalling_port(&self, port: u16) -> bool {
        let (word, bit) = port_bit(port);
        self.filter.ports[word as usize] & bit != 0
    }

    fn prefilter(&self, _: &Endpoint) -> bool {
        // The exact table is as near as any filter ahead of it would be.
        true
    }

    fn endpoint(&self, endpoint: &Endpoint) -> Option<Deadline> {
        let until_ns = self.content.until_ns(SocketAddr::from(*endpoint));
        until_ns.map(|not_after_ns| Deadline { not_after_ns })
    }

    fn prefix(&self, address: &Address) -> Option<Deadline> {
        let until_ns = self.content.network_until_ns((*address).into());
        until_ns.map(|not_after_ns| Deadline { not_after_ns })
    }

    fn stranger(&self, key: &FragmentKey) -> Option<u64> {
        self.filter.strangers.borrow().get(key).copied()
    }

    fn remember_stranger(&self, key: &FragmentKey, now_ns: u64) {
        let mut strangers = self.filter.strangers.borrow_mut();
        if strangers.len() >= REMEMBERED {
            strangers.clear();
        }
        strangers.insert(*key, now_ns);
    }

    fn forget_stranger(&self, key: &FragmentKey) {
        self.filter.strangers.borrow_mut().remove(key);
    }

    fn now(&self) -> u64 {
        self.now.0
    }
}
