//! Telephone calls: what passes a mirror port while two people talk.

use std::net::{Ipv4Addr, SocketAddr};

use calltap_proto::{Limits, Tracker, Warrant, target};

use crate::frame;

/// Whom the benches' warrant names.
pub const TARGET: &str = "alice";

/// Where the target's media comes from; strangers have other addresses.
pub const TARGET_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// Between two packets of a stream.
const PACKET_NS: u64 = 20_000_000;

/// A call over UDP, by way of no proxy.
#[derive(Clone, Debug)]
pub struct Call {
    number: u32,
    caller: String,
    /// Where the caller receives media.
    pub caller_media: SocketAddr,
    /// Where the callee receives media.
    pub callee_media: SocketAddr,
}

impl Call {
    /// A stranger's call; those of different numbers, up to 5,000,000, have nothing in common.
    pub fn of_stranger(number: u32) -> Self {
        let SocketAddr::V4(media) = frame::endpoint(number) else { unreachable!("IPv4") };
        let [_, _, _, host] = media.ip().octets();
        Self {
            number,
            caller: format!("user{number}"),
            caller_media: SocketAddr::from(([198, 51, 100, host], media.port())),
            callee_media: SocketAddr::from(([203, 0, 113, host], media.port())),
        }
    }

    /// A call that the target makes.
    pub fn of_target(number: u32) -> Self {
        let stranger = Self::of_stranger(number);
        let port = 40_000 + u16::try_from(number % 10_000).expect("a small number") * 2;
        let caller_media = SocketAddr::from((TARGET_ADDRESS, port));
        Self { caller: TARGET.to_owned(), caller_media, ..stranger }
    }

    /// Its six messages, as payloads: INVITE, 180, 200, ACK, BYE, 200; the first and the third
    /// carry a session description.
    pub fn messages(&self) -> [String; 6] {
        let invite = format!("INVITE sip:bob@{} SIP/2.0", self.callee_media.ip());
        let ack = format!("ACK sip:bob@{} SIP/2.0", self.callee_media.ip());
        let bye = format!("BYE sip:bob@{} SIP/2.0", self.callee_media.ip());
        [
            self.message(&invite, "1 INVITE", false, Some(self.caller_media)),
            self.message("SIP/2.0 180 Ringing", "1 INVITE", true, None),
            self.message("SIP/2.0 200 OK", "1 INVITE", true, Some(self.callee_media)),
            self.message(&ack, "1 ACK", true, None),
            self.message(&bye, "2 BYE", true, None),
            self.message("SIP/2.0 200 OK", "2 BYE", true, None),
        ]
    }

    /// Its messages, each in a frame.
    pub fn signalling(&self) -> [Vec<u8>; 6] {
        let caller = SocketAddr::new(self.caller_media.ip(), 5060);
        let callee = SocketAddr::new(self.callee_media.ip(), 5060);
        let [invite, ringing, ok, ack, bye, done] = self.messages();
        [
            frame::udp(caller, callee, invite.as_bytes()),
            frame::udp(callee, caller, ringing.as_bytes()),
            frame::udp(callee, caller, ok.as_bytes()),
            frame::udp(caller, callee, ack.as_bytes()),
            frame::udp(caller, callee, bye.as_bytes()),
            frame::udp(callee, caller, done.as_bytes()),
        ]
    }

    /// All its frames with their times after `start_ns`, nanoseconds; each side says `packets`.
    pub fn frames(&self, start_ns: u64, packets: u16) -> Vec<(u64, Vec<u8>)> {
        let [invite, ringing, ok, ack, bye, done] = self.signalling();
        let mut frames = Vec::with_capacity(6 + 2 * usize::from(packets));
        let mut at_ns = start_ns;
        let mut next = |frame| {
            frames.push((at_ns, frame));
            at_ns += PACKET_NS / 2;
        };
        [invite, ringing, ok, ack].into_iter().for_each(&mut next);
        let (caller, callee) = (self.caller_media, self.callee_media);
        for sequence in 0..packets {
            next(frame::udp(caller, callee, &frame::rtp(self.number, sequence)));
            next(frame::udp(callee, caller, &frame::rtp(!self.number, sequence)));
        }
        [bye, done].into_iter().for_each(next);
        frames
    }

    fn message(
        &self,
        start_line: &str,
        cseq: &str,
        answered: bool,
        media: Option<SocketAddr>,
    ) -> String {
        let Self { number, caller, caller_media, callee_media } = self;
        let host = caller_media.ip();
        let to_tag = if answered { format!(";tag=b{number}") } else { String::new() };
        let body = media.map(description).unwrap_or_default();
        let content_type = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{start_line}\r\n\
             Via: SIP/2.0/UDP {host}:5060;rport;branch=z9hG4bK-{number}-{cseq_number}\r\n\
             Max-Forwards: 70\r\n\
             From: \"{caller}\" <sip:{caller}@example.net;user=phone>;tag=a{number}\r\n\
             To: <sip:bob@{callee}>{to_tag}\r\n\
             Call-ID: {number}-8d5f1c0e@{host}\r\n\
             CSeq: {cseq}\r\n\
             Contact: <sip:{caller}@{host}:5060;transport=udp>\r\n\
             Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, REFER, NOTIFY\r\n\
             Supported: 100rel, timer, replaces\r\n\
             User-Agent: Telephone 1.0\r\n\
             {content_type}\
             Content-Length: {length}\r\n\r\n\
             {body}",
            callee = callee_media.ip(),
            cseq_number = &cseq[..1],
            length = body.len(),
        )
    }
}

/// A session description (RFC 8866) of one audio stream.
fn description(media: SocketAddr) -> String {
    let (host, port) = (media.ip(), media.port());
    format!(
        "v=0\r\no=- 3456 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

/// What follows calls under a warrant for the target's.
pub fn tracker() -> Tracker {
    let mut tracker = Tracker::new(Limits::default());
    tracker.set_warrants(vec![Warrant::on(
        0,
        vec![target::parse(&format!("sip:{TARGET}@example.net")).expect("a target")],
    )]);
    tracker
}
