//! A phone of the target's, on a link to the capture interface, which sends what it is told.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use calltap::lab::{self, Namespaces};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const ALICE: (&str, u16) = ("192.0.2.10", 16384);
const BOB: (&str, u16) = ("192.0.2.20", 20000);

/// Bytes of a packet of media, RTP header first: as large as the link takes, to fill chunks soon.
pub(crate) const PACKET: usize = 1400;

/// Streams of the call, so that none misses more than a receiver takes for one (RFC 3550 A.1).
const STREAMS: u64 = 20;

/// A phone on a link whose far end is the capture interface, or plain words that there is none, as
/// one of these programs is missing too, each with its package.
pub(crate) fn lay(tools: &[(&str, &str)]) -> Option<Namespaces> {
    let missing = lab::missing_for(&[&[("ip", "iproute2")], tools].concat());
    if !missing.is_empty() {
        println!("SKIPPED: {}", missing.join("; "));
        return None;
    }
    let network =
        Namespaces::make(&format!("{}-9", std::process::id()), &["phone", "tap"]).unwrap();
    network.link(("phone", "sip0"), ("tap", "cap0"), 2).unwrap();
    network.ip("tap", "link set cap0 arp off up").unwrap();
    network.address("phone", "sip0", &format!("{}/24", ALICE.0)).unwrap();
    let bob = format!("neigh add {} lladdr 02:00:00:00:00:02 dev sip0", BOB.0);
    network.ip("phone", &bob).unwrap();
    Some(network)
}

/// What the phone sends: one call of the target's.
pub(crate) struct Phone {
    sip: UdpSocket,
    rtp: UdpSocket,
    /// SIP messages sent so far.
    pub(crate) messages: u64,
    /// Packets of media sent so far.
    pub(crate) packets: u64,
}

impl Phone {
    /// The phone of this network; the thread that asks is in its namespace from then on.
    pub(crate) fn of(network: &Namespaces) -> Self {
        let namespace = PathBuf::from("/run/netns").join(network.namespace("phone"));
        let namespace = File::open(namespace).unwrap();
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        let socket = |port| UdpSocket::bind((ALICE.0, port)).unwrap();
        Self { sip: socket(5060), rtp: socket(ALICE.1), messages: 0, packets: 0 }
    }

    pub(crate) fn place_call(&mut self) {
        self.say("INVITE sip:bob@example.net SIP/2.0", "1 INVITE", Some(ALICE));
        self.say("SIP/2.0 200 OK", "1 INVITE", Some(BOB));
        sleep(Duration::from_millis(100));
    }

    pub(crate) fn say(&mut self, start: &str, cseq: &str, media: Option<(&str, u16)>) {
        let sdp = media.map_or_else(String::new, |(address, port)| {
            format!(
                "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n\
                 m=audio {port} RTP/AVP 0\r\n"
            )
        });
        let message = format!(
            "{start}\r\nVia: SIP/2.0/UDP {}:5060;branch=z9hG4bK{}\r\n\
             From: <sip:alice@example.net>;tag=a\r\nTo: <sip:bob@example.net>;tag=b\r\n\
             Call-ID: stall@example.net\r\nCSeq: {cseq}\r\nContact: <sip:alice@{}>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            ALICE.0,
            cseq.replace(' ', ""),
            ALICE.0,
            sdp.len(),
        );
        self.sip.send_to(message.as_bytes(), (BOB.0, 5060)).unwrap();
        self.messages += 1;
    }

    /// Sends media at ten thousand packets a second, and with every hundredth a message.
    pub(crate) fn talk(&mut self, packets: u64) {
        let begun = Instant::now();
        for number in 1..=packets {
            self.speak();
            if number % 100 == 0 {
                self.inform();
            }
            sleep((Duration::from_micros(100 * number)).saturating_sub(begun.elapsed()));
        }
    }

    /// Sends a packet of media.
    pub(crate) fn speak(&mut self) {
        let mut packet = [0x55; PACKET];
        packet[..2].copy_from_slice(&[0x80, 0]);
        let (sequence, source) = (self.packets / STREAMS, self.packets % STREAMS);
        let sequence = u32::try_from(sequence).unwrap();
        packet[2..4].copy_from_slice(&sequence.to_be_bytes()[2..]);
        packet[4..8].copy_from_slice(&(sequence * 160).to_be_bytes());
        packet[11] = u8::try_from(source).unwrap();
        self.rtp.send_to(&packet, BOB).unwrap();
        self.packets += 1;
    }

    /// Sends a message within the call.
    pub(crate) fn inform(&mut self) {
        let cseq = format!("{} INFO", self.messages);
        self.say("INFO sip:bob@192.0.2.20 SIP/2.0", &cseq, None);
    }
}
