//! Media of many calls on its way to the recorder, packet by packet.

use calltap::config::{Config, RotationRule};
use calltap::paper;
use calltap::recorder::{CallFacts, Note, Recorder};
use calltap::recording;
use calltap_evidence::chunk::Chunk;
use calltap_evidence::lines::Match;
use calltap_evidence::record::{Authority, Kind, Record};
use calltap_evidence::session::{InterfaceFacts, Session};
use calltap_evidence::trust::Trust;
use calltap_proto::media::MediaTerms;
use calltap_proto::packet::LinkType;
use calltap_proto::{CallKey, MediaKind};

use crate::Random;
use crate::desk::Desk;
use crate::frame::{endpoint, rtp, udp};

/// Within the warrant's window.
pub const NOW_NS: u64 = 1_700_000_000_000_000_000;

/// Bytes of a frame.
const LENGTH: u32 = 214;

/// A recorder that knows `calls` calls, each with two endpoints.
pub fn recorder(desk: &Desk, calls: u32) -> Recorder {
    let trust = Trust::open(&desk.path("trust")).expect("a trust directory");
    let mut papers = paper::files(&[desk.path("warrant.toml")], trust);
    let rotation = RotationRule { duration: 0, filesize: 0 };
    let node_key = Some(desk.path("node.key"));
    let config = Config { node_key, rotation, ..Config::default() };
    let facts = InterfaceFacts {
        name: "bench".to_owned(),
        link_type: LinkType::Ethernet.number(),
        snaplen: 0,
        filter: String::new(),
        mode: String::new(),
    };
    let session =
        Session { interfaces: vec![facts], tool: "bench".to_owned(), ..Session::default() };
    let links = vec![LinkType::Ethernet];
    let node = recording::node_key(&config).expect("a key");
    let (mut recorder, _) =
        recording::open(&desk.path("evidence"), &config, node, &mut papers, session, links)
            .expect("a store");
    for cin in 1..=calls {
        let call = CallKey { warrant: 0, cin };
        recorder.note(Note::Opened(CallFacts {
            call,
            call_id: format!("{cin}@example.net"),
            from: "sip:a@example.net".to_owned(),
            to: "sip:b@example.net".to_owned(),
            matched: Match {
                header: "From".to_owned(),
                target: "sip:a@example.net".to_owned(),
                contact: None,
            },
            joined: None,
            at_ns: NOW_NS,
            unexplained: false,
        }));
        for endpoint in [endpoint(2 * cin), endpoint(2 * cin + 1)] {
            let (kind, terms) = (MediaKind::Rtp, Box::<MediaTerms>::default());
            recorder.note(Note::Media { call, endpoint, kind, terms });
        }
    }
    recorder
}

/// Media of all calls, one packet of each stream in turn.
#[derive(Debug)]
pub struct Talk {
    authority: Authority,
    frames: Vec<(u32, Vec<u8>)>,
    /// The stream whose turn it is, the round of all streams, and the packets so far.
    turn: usize,
    round: u16,
    packets: u64,
}

impl Talk {
    /// Of so many calls.
    pub fn of(authority: Authority, calls: u32) -> Self {
        let both = |cin| {
            let (caller, callee) = (endpoint(2 * cin), endpoint(2 * cin + 1));
            [(cin, udp(caller, callee, &rtp(cin, 0))), (cin, udp(callee, caller, &rtp(!cin, 0)))]
        };
        let mut frames: Vec<_> = (1..=calls).flat_map(both).collect();
        // Calls are set up in one order, and talk in none.
        Random::default().shuffle(&mut frames);
        Self { authority, frames, turn: 0, round: 0, packets: 0 }
    }

    /// Fills a chunk, at most with `most` packets; returns how many.
    pub fn fill(&mut self, chunk: &mut Chunk, most: u64) -> u64 {
        let before = self.packets;
        while self.packets - before < most {
            let (cin, frame) = &mut self.frames[self.turn];
            frame[44..46].copy_from_slice(&self.round.to_be_bytes());
            frame[46..50].copy_from_slice(&(u32::from(self.round) * 160).to_be_bytes());
            let at_ns = NOW_NS + self.packets * 100;
            let made = Record::new(
                &self.authority,
                at_ns,
                *cin,
                Kind::Content,
                0,
                frame,
                LENGTH,
                None,
                None,
            );
            if chunk.try_push(&made.expect("within the window")).is_err() {
                break;
            }
            self.packets += 1;
            self.turn += 1;
            if self.turn == self.frames.len() {
                (self.turn, self.round) = (0, self.round.wrapping_add(1));
            }
        }
        self.packets - before
    }

    /// How many packets there were.
    pub fn packets(&self) -> u64 {
        self.packets
    }
}
