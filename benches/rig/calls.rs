//! The calls of the target, set up by their signalling: an INVITE and its 200, with descriptions.
//!
//! The target is a switchboard, so that one identity has a hundred thousand calls at once: the
//! capture has to follow each, and to open both its endpoints, before a packet of it is kept.
//! Then each of their streams begins.

use std::net::{SocketAddr, SocketAddrV4};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use calltap_bench::call::TARGET;
use calltap_bench::frame;
use calltap_xdp::generator::{Sender, Traffic};

use crate::link::Link;
use crate::tally::Pass;

/// Calls of one burst, and frames of media.
const BURST: u32 = 4;
const FRAMES: u64 = 64;

/// Sets up the target's first `calls` calls, `a_second` of them each second.
pub(crate) fn set_up(link: &Link, calls: u32, a_second: u32) -> Result<()> {
    signal(link, calls, a_second, messages)
}

/// Messages of each call, in bursts of calls.
fn signal(link: &Link, calls: u32, a_second: u32, messages: fn(u32) -> [Vec<u8>; 2]) -> Result<()> {
    let sender = Sender::open(&link.near)?;
    let begun = Instant::now();
    for first in (0..calls).step_by(BURST as usize) {
        let due = Duration::from_secs_f64(f64::from(first) / f64::from(a_second));
        thread::sleep(due.saturating_sub(begun.elapsed()));
        let burst = first..calls.min(first + BURST);
        let frames: Vec<_> = burst.flat_map(messages).collect();
        sender.send(&frames)?;
    }
    Ok(())
}

/// Ends the target's first `calls` calls, `a_second` of them each second.
pub(crate) fn tear_down(link: &Link, calls: u32, a_second: u32) -> Result<()> {
    signal(link, calls, a_second, goodbyes)
}

/// Sends a pass at a pace, `a_second` frames of it each second; gives how long that took.
///
/// Each burst has its time, whatever became of those before it: who takes them cannot slow down what
/// comes.
pub(crate) fn speak(link: &Link, pass: Pass, a_second: u32) -> Result<Duration> {
    let sender = Sender::open(&link.near)?;
    let begun = Instant::now();
    for sent in (0..pass.frames).step_by(usize::try_from(FRAMES)?) {
        let due = Duration::from_secs_f64(sent as f64 / f64::from(a_second));
        while begun.elapsed() < due {
            std::hint::spin_loop();
        }
        let burst = sent..pass.frames.min(sent + FRAMES);
        let frames: Vec<_> = burst.map(|it| pass.traffic.frame(pass.first + it)).collect();
        sender.send(&frames)?;
    }
    Ok(begun.elapsed())
}

fn messages(call: u32) -> [Vec<u8>; 2] {
    let [caller, callee] = Traffic::endpoints_of_target(call);
    let invite = message(call, "INVITE sip:bob@example.org SIP/2.0", "", caller);
    let ok = message(call, "SIP/2.0 200 OK", ";tag=b", callee);
    [
        frame::udp(signalling(caller), signalling(callee), invite.as_bytes()),
        frame::udp(signalling(callee), signalling(caller), ok.as_bytes()),
    ]
}

/// A BYE and its 200.
fn goodbyes(call: u32) -> [Vec<u8>; 2] {
    let [caller, callee] = Traffic::endpoints_of_target(call);
    let text = |start_line: &str| {
        format!(
            "{start_line}\r\n\
             Via: SIP/2.0/UDP switchboard.example.net;branch=z9hG4bKb{call}\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{TARGET}@example.net>;tag=a{call}\r\n\
             To: <sip:bob@example.org>;tag=b\r\n\
             Call-ID: {call}@switchboard.example.net\r\n\
             CSeq: 2 BYE\r\n\
             Content-Length: 0\r\n\r\n"
        )
    };
    let (bye, ok) = (text("BYE sip:bob@example.org SIP/2.0"), text("SIP/2.0 200 OK"));
    [
        frame::udp(signalling(caller), signalling(callee), bye.as_bytes()),
        frame::udp(signalling(callee), signalling(caller), ok.as_bytes()),
    ]
}

fn signalling(media: SocketAddrV4) -> SocketAddr {
    SocketAddr::from((*media.ip(), 5060))
}

fn message(call: u32, start_line: &str, to_tag: &str, media: SocketAddrV4) -> String {
    let (host, port) = (media.ip(), media.port());
    let body = format!(
        "v=0\r\no=- {call} 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0\r\na=rtcp-mux\r\n"
    );
    format!(
        "{start_line}\r\n\
         Via: SIP/2.0/UDP switchboard.example.net;branch=z9hG4bK{call}\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:{TARGET}@example.net>;tag=a{call}\r\n\
         To: <sip:bob@example.org>{to_tag}\r\n\
         Call-ID: {call}@switchboard.example.net\r\n\
         CSeq: 1 INVITE\r\n\
         Contact: <sip:{host}>\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
