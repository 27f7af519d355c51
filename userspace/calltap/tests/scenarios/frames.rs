//! The frames of a scenario, made byte by byte and not by the product's own code.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::crafted;
use crate::message;
use crate::script::{Line, Options, Script, bytes};

/// A frame on the wire, and whether it must be kept.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) at_ns: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) kept: bool,
}

/// Between two segments or fragments of one message.
const GAP_NS: u64 = 1_000_000;

/// What goes on from line to line.
#[derive(Default)]
struct Going {
    /// Next sequence number of each TCP stream.
    sequences: HashMap<(SocketAddr, SocketAddr), u32>,
    /// Next IP identification.
    identification: u16,
}

/// All frames, in order of time.
pub(crate) fn frames(script: &Script, start_ns: u64) -> Vec<Frame> {
    let (mut frames, mut going) = (Vec::new(), Going::default());
    for line in &script.lines {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds")]
        let at_ns = start_ns + (line.seconds * 1e9) as u64;
        let mut made = match line.what[0].as_str() {
            "rtp" | "udp" => media(script, line, at_ns, &mut going),
            "msrp" => session(script, line, at_ns, &mut going),
            _ => signalling(script, line, at_ns, &mut going),
        };
        for frame in &mut made {
            frame.kept = line.kept;
        }
        frames.extend(made);
    }
    frames.sort_by_key(|frame| frame.at_ns);
    frames
}

fn media(script: &Script, line: &Line, at_ns: u64, going: &mut Going) -> Vec<Frame> {
    let (from, to) = (script.endpoint(&line.from, 0), script.endpoint(&line.to, 0));
    let options = &line.options;
    let count = line.what.get(1).map_or(1, |count| count.parse().expect("a count"));
    let every_ns = options.number("every", 20_u64) * 1_000_000;
    let (ssrc, first) =
        (options.number("ssrc", u32::from(from.port())), options.number("seq", 1_u16));
    let payload_type = options.number("pt", 0_u8);
    let packet = |nth: u16| {
        if line.what[0] == "udp" {
            return bytes(options.get("hex").expect("hex="));
        }
        let sequence = first.wrapping_add(nth);
        let mut packet = vec![0x80, payload_type];
        packet.extend(sequence.to_be_bytes());
        packet.extend((u32::from(sequence) * 160).to_be_bytes());
        packet.extend(ssrc.to_be_bytes());
        let said = options.get("say").unwrap_or("U").bytes().cycle();
        packet.extend(said.take(160));
        packet
    };
    (0..count)
        .flat_map(|nth: u16| {
            let at_ns = at_ns + u64::from(nth) * every_ns;
            dress(line, at_ns, packets(line, going, (from, to), &packet(nth)))
        })
        .collect()
}

/// A chunk of an MSRP message (RFC 4975 §4), or the answer to one.
fn session(script: &Script, line: &Line, at_ns: u64, going: &mut Going) -> Vec<Frame> {
    let ends = (script.endpoint(&line.from, 0), script.endpoint(&line.to, 0));
    let options = &line.options;
    let id = &line.what[1];
    let paths =
        format!("To-Path: msrp://{}/to;tcp\r\nFrom-Path: msrp://{}/from;tcp\r\n", ends.1, ends.0);
    let text = if options.has("answer") {
        format!("MSRP t{id} 200 OK\r\n{paths}-------t{id}$\r\n")
    } else {
        let get = |name, otherwise| options.get(name).unwrap_or(otherwise);
        format!(
            "MSRP t{id} SEND\r\n{paths}Message-ID: {}\r\nByte-Range: {}\r\nContent-Type: {}\r\n\r\n\
             {}\r\n-------t{id}{}\r\n",
            get("message", id),
            get("range", "1-*/*"),
            get("type", "text/plain;charset=utf-8"),
            get("text", "").replace("\\r", "\r").replace("\\n", "\n"),
            get("flag", "$"),
        )
    };
    segments(line, at_ns, going, ends, text.as_bytes())
}

fn signalling(script: &Script, line: &Line, at_ns: u64, going: &mut Going) -> Vec<Frame> {
    let (from, to) = (script.endpoint(&line.from, 5060), script.endpoint(&line.to, 5060));
    let text = message::text(script, line);
    let options = &line.options;
    let text = if options.has("websocket") { websocket(&text, options) } else { text };
    if options.has("tcp") {
        return segments(line, at_ns, going, (from, to), &text);
    }
    if options.has("sctp") {
        return chunks(line, at_ns, going, (from, to), &text);
    }
    dress(line, at_ns, packets(line, going, (from, to), &text))
}

/// A UDP datagram in one packet, or in the fragments that `fragments=200` says.
fn packets(
    line: &Line,
    going: &mut Going,
    (from, to): (SocketAddr, SocketAddr),
    payload: &[u8],
) -> Vec<Vec<u8>> {
    let datagram = udp(from, to, payload);
    let Some(size) = line.options.get("fragments") else {
        return vec![ip(from, to, 17, &datagram)];
    };
    going.identification += 1;
    let size = size.parse().expect("a size");
    let identification = line.options.number("id", going.identification);
    ordered(line, fragments(from, to, &datagram, size, identification))
}

/// The packets in the order that `order=2,1` says; a number may come twice, or not at all.
fn ordered(line: &Line, packets: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let Some(order) = line.options.get("order") else { return packets };
    let places = order.split(',').map(|place| place.parse::<usize>().expect("a place") - 1);
    places.map(|place| packets[place].clone()).collect()
}

/// Packets in Ethernet and in the tunnel that the line says.
fn dress(line: &Line, at_ns: u64, packets: Vec<Vec<u8>>) -> Vec<Frame> {
    let tunnel = line.options.get("in").map(|name| {
        let known = crafted::TUNNELS.iter().find(|(known, ..)| *known == name);
        known.unwrap_or_else(|| panic!("no tunnel {name}")).2
    });
    let times = if line.options.has("twice") { 2 } else { 1 };
    let mut frames = Vec::new();
    for (nth, packet) in (0_u64..).zip(packets) {
        let bytes = match tunnel {
            Some(wrap) => wrap(&packet),
            None => crafted::ethernet(if packet[0] >> 4 == 4 { 0x0800 } else { 0x86dd }, &packet),
        };
        // IEEE 802.1Q: the tag stands behind the addresses.
        let bytes = match line.options.get("vlan") {
            Some(id) => {
                let tag = [0x8100, id.parse().expect("a VLAN")].map(u16::to_be_bytes).concat();
                [&bytes[..12], &tag, &bytes[12..]].concat()
            }
            None => bytes,
        };
        for again in 0..times {
            let at_ns = at_ns + nth * GAP_NS + again * 1_000;
            frames.push(Frame { at_ns, bytes: bytes.clone(), kept: true });
        }
    }
    frames
}

/// TCP segments cut at the places that `cut=100,300` says.
fn segments(
    line: &Line,
    at_ns: u64,
    going: &mut Going,
    (from, to): (SocketAddr, SocketAddr),
    text: &[u8],
) -> Vec<Frame> {
    let next = going.sequences.entry((from, to)).or_insert(1_000);
    let cuts = line.options.get("cut").unwrap_or_default();
    let mut places: Vec<usize> = cuts
        .split(',')
        .filter(|it| !it.is_empty())
        .map(|it| it.parse().expect("a place"))
        .collect();
    places.push(text.len());
    let (mut packets, mut start) = (Vec::new(), 0);
    for end in places {
        let mut segment = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
        segment.extend(next.to_be_bytes());
        segment.extend([0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        segment.extend(&text[start..end]);
        packets.push(ip(from, to, 6, &segment));
        *next += u32::try_from(end - start).expect("small");
        start = end;
    }
    dress(line, at_ns, ordered(line, packets))
}

/// SCTP packets with a DATA chunk each (RFC 9260 §3.3.1), cut at the places that `cut=100` says.
fn chunks(
    line: &Line,
    at_ns: u64,
    going: &mut Going,
    (from, to): (SocketAddr, SocketAddr),
    text: &[u8],
) -> Vec<Frame> {
    let tsn = going.sequences.entry((from, to)).or_insert(u32::MAX - 1);
    let cuts = line.options.get("cut").unwrap_or_default();
    let mut places: Vec<usize> = vec![0];
    let cuts = cuts.split(',').filter(|it| !it.is_empty());
    places.extend(cuts.map(|it| it.parse::<usize>().expect("a place")));
    places.push(text.len());
    let mut packets = Vec::new();
    for part in places.windows(2) {
        let flags = u8::from(part[0] == 0) << 1 | u8::from(part[1] == text.len());
        let mut packet = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
        packet.extend([0, 0, 0, 9, 0, 0, 0, 0, 0, flags]);
        packet.extend(u16::try_from(16 + part[1] - part[0]).expect("a length").to_be_bytes());
        packet.extend(tsn.to_be_bytes());
        packet.extend([0, 1, 0, 0, 0, 0, 0, 0]);
        packet.extend(&text[part[0]..part[1]]);
        packet.resize(packet.len().next_multiple_of(4), 0);
        packets.push(ip(from, to, 132, &packet));
        *tsn = tsn.wrapping_add(1);
    }
    dress(line, at_ns, ordered(line, packets))
}

/// The text in a WebSocket frame (RFC 6455 §5.2), masked as a client's where `mask=` says with what;
/// behind the handshake, where it is the first.
fn websocket(text: &[u8], options: &Options) -> Vec<u8> {
    let mask = options.get("mask").map(bytes);
    let mut stream = match options.get("websocket") {
        Some("client") => b"GET /sip HTTP/1.1\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Protocol: sip\r\n\r\n"
            .to_vec(),
        _ => Vec::new(),
    };
    stream.extend([0x81, 126 | if mask.is_some() { 0x80 } else { 0 }]);
    stream.extend(u16::try_from(text.len()).expect("a frame").to_be_bytes());
    let mask = mask.inspect(|mask| stream.extend(mask)).unwrap_or_else(|| vec![0]);
    stream.extend(text.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    stream
}

fn udp(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).expect("a datagram");
    let header = [from.port(), to.port(), length, 0].map(u16::to_be_bytes).concat();
    [&header, payload].concat()
}

fn ip(from: SocketAddr, to: SocketAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match (from.ip(), to.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let total = u16::try_from(20 + payload.len()).expect("a packet");
            let mut packet = vec![0x45, 0];
            packet.extend(total.to_be_bytes());
            packet.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
            packet.extend([source.octets(), destination.octets()].concat());
            [&packet, payload].concat()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut packet = vec![0x60, 0, 0, 0];
            packet.extend(u16::try_from(payload.len()).expect("a packet").to_be_bytes());
            packet.extend([protocol, 64]);
            packet.extend([source.octets(), destination.octets()].concat());
            [&packet, payload].concat()
        }
        _ => panic!("{from} and {to} are not of one IP version"),
    }
}

/// RFC 791 §3.2 and RFC 8200 §4.5, `size` bytes in each fragment.
fn fragments(
    from: SocketAddr,
    to: SocketAddr,
    datagram: &[u8],
    size: usize,
    identification: u16,
) -> Vec<Vec<u8>> {
    let parts: Vec<_> = datagram.chunks(size / 8 * 8).collect();
    let part = |(nth, part): (usize, &&[u8])| {
        let offset = u16::try_from(nth * (size / 8)).expect("an offset");
        let more = u16::from(nth + 1 < parts.len());
        if from.is_ipv4() {
            let mut packet = ip(from, to, 17, part);
            packet[4..6].copy_from_slice(&identification.to_be_bytes());
            packet[6..8].copy_from_slice(&(offset | more << 13).to_be_bytes());
            return packet;
        }
        let mut header = vec![17, 0];
        header.extend((offset << 3 | more).to_be_bytes());
        header.extend(u32::from(identification).to_be_bytes());
        ip(from, to, 44, &[&header, *part].concat())
    };
    parts.iter().enumerate().map(part).collect()
}
