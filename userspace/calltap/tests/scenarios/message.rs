//! The SIP message of a line (RFC 3261 §7).

use std::fmt::Write as _;

use crate::script::{Line, Script};

/// The message, as it goes into a datagram or a stream.
pub(crate) fn text(script: &Script, line: &Line) -> Vec<u8> {
    let options = &line.options;
    if let Some(raw) = options.get("raw") {
        return raw.replace("\\r", "\r").replace("\\n", "\n").into_bytes();
    }
    let [what, call, cseq] = line.what.as_slice() else { panic!("{line:?}") };
    let (caller, callee) = script.calls.get(call).unwrap_or_else(|| panic!("no call {call}"));
    let status = what.parse::<u16>().ok();
    let method = if status.is_some() { options.get("method").unwrap_or("INVITE") } else { what };
    let opening =
        matches!(method, "INVITE" | "CANCEL" | "REGISTER" | "MESSAGE" | "OPTIONS" | "SUBSCRIBE");
    let answered = status.is_some_and(|status| status > 100);
    let within = options.has("within") || answered || (status.is_none() && !opening);
    let callee_tag = options.get("tag").unwrap_or("callee");
    let caller_uri =
        options.get("from").map_or_else(|| format!("<{}>", uri(caller)), str::to_owned);
    let callee_uri = options.get("to").map_or_else(|| format!("<{}>", uri(callee)), str::to_owned);
    let caller_tag = options.get("fromtag").unwrap_or("caller");
    let ours = format!("{caller_uri};tag={caller_tag}");
    let theirs = if within { format!("{callee_uri};tag={callee_tag}") } else { callee_uri };
    let by_callee = options.has("by-callee");
    let (from, to) = if by_callee { (theirs, ours) } else { (ours, theirs) };
    let target = uri(if by_callee { caller } else { callee });
    let start = match status {
        Some(status) => format!("SIP/2.0 {status} Said"),
        None => format!("{what} {} SIP/2.0", options.get("uri").unwrap_or(&target)),
    };
    let mut head = format!(
        "{start}\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{call}{cseq}{method}\r\nMax-Forwards: 70\r\n\
         From: {from}\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\n",
        line.from
    );
    for header in options.get("h").unwrap_or_default().split('|').filter(|it| !it.is_empty()) {
        write!(head, "{header}\r\n").expect("a string");
    }
    let (kind, body) = match options.get("sdp") {
        Some(sdp) => ("application/sdp", description(script, line, sdp)),
        None => {
            let body = options.get("body").unwrap_or_default();
            (
                options.get("type").unwrap_or("text/plain"),
                body.replace("\\r", "\r").replace("\\n", "\n"),
            )
        }
    };
    if !body.is_empty() {
        write!(head, "Content-Type: {kind}\r\n").expect("a string");
    }
    let length = body.len().to_string();
    let length = options.get("length").unwrap_or(&length);
    format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn uri(who: &str) -> String {
    if who.contains(':') { who.to_owned() } else { format!("sip:{who}@example.net") }
}

/// `4000` at the sender's own address, or `10.0.0.5:4000`; further lines behind `|`, of which a
/// first one that begins with `m=` takes the place of the audio line.
fn description(script: &Script, line: &Line, sdp: &str) -> String {
    let mut parts = sdp.split('|');
    let place = parts.next().unwrap_or_default();
    let host = line.from.split(':').next().unwrap_or_default();
    let own = script.hosts.get(host).map(ToString::to_string).unwrap_or_default();
    let (address, port) = place.rsplit_once(':').unwrap_or((&own, place));
    let address = address.trim_matches(['[', ']']);
    let version = if address.contains(':') { "IP6" } else { "IP4" };
    let mut text = format!(
        "v=0\r\no=- 1 1 IN {version} {address}\r\ns=-\r\nc=IN {version} {address}\r\nt=0 0\r\n"
    );
    let rest: Vec<_> = parts.collect();
    if !rest.first().is_some_and(|first| first.starts_with("m=")) {
        write!(text, "m=audio {port} RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n")
            .expect("a string");
    }
    for attribute in rest {
        write!(text, "{attribute}\r\n").expect("a string");
    }
    text
}
