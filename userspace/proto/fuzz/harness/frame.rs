//! Frames to feed: Ethernet, IPv4 and what is in it. The tests' own code, not the product's.

/// The hosts that frames are between: one of the target's, one of its friend's, a stranger's.
pub(super) const HOSTS: [[u8; 4]; 3] = [[192, 0, 2, 1], [198, 51, 100, 2], [203, 0, 113, 66]];

/// An end: the number of a host, and a port.
pub(super) type End = (usize, u16);

/// An IPv4 packet in an Ethernet frame; `fragment` is its third word's lower half.
pub(super) fn ip(from: End, to: End, protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    frame.extend(u16::try_from(20 + payload.len()).unwrap().to_be_bytes());
    frame.extend([0x12, 0x34]);
    frame.extend(fragment.to_be_bytes());
    frame.extend([64, protocol, 0, 0]);
    frame.extend(HOSTS[from.0 % 3]);
    frame.extend(HOSTS[to.0 % 3]);
    frame.extend(payload);
    frame
}

/// A UDP datagram without its IP header.
pub(super) fn datagram(from: End, to: End, payload: &[u8]) -> Vec<u8> {
    let mut datagram = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    datagram.extend(u16::try_from(8 + payload.len()).unwrap().to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

/// A UDP datagram in a frame.
pub(super) fn udp(from: End, to: End, payload: &[u8]) -> Vec<u8> {
    ip(from, to, 17, 0, &datagram(from, to, payload))
}

/// A TCP segment in a frame.
pub(super) fn tcp(from: End, to: End, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(payload);
    ip(from, to, 6, 0, &segment)
}

/// An SCTP packet with a chunk that carries a part of a user message: DATA (RFC 9260 §3.3.1), or
/// I-DATA (RFC 8260 §2.1) where `message` has a number; `flags` say beginning 2 and end 1.
pub(super) fn sctp(
    from: End,
    to: End,
    flags: u8,
    message: Option<u32>,
    number: u32,
    text: &[u8],
) -> Vec<u8> {
    let mut packet = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    packet.extend([0, 0, 0, 9, 0, 0, 0, 0]);
    let head = match message {
        None => [&number.to_be_bytes()[..], &[0, 1, 0, 0, 0, 0, 0, 0]].concat(),
        Some(message) => {
            [&[0, 0, 0, 9, 0, 1, 0, 0][..], &message.to_be_bytes(), &number.to_be_bytes()].concat()
        }
    };
    packet.extend([if message.is_some() { 64 } else { 0 }, flags]);
    packet.extend(u16::try_from(4 + head.len() + text.len()).unwrap().to_be_bytes());
    packet.extend(head);
    packet.extend(text);
    packet.resize(packet.len().next_multiple_of(4), 0);
    ip(from, to, 132, 0, &packet)
}

/// A message of the target's.
pub(super) fn message(method: &str, call: usize, description: &str) -> Vec<u8> {
    let kind = if description.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let text = format!(
        "{method} sip:bob@example.org SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{call}\r\n\
         From: <sip:alice@example.net>;tag=a{call}\r\n\
         To: <sip:bob@example.org>\r\n\
         Call-ID: {call}@192.0.2.1\r\n\
         CSeq: 1 {method}\r\n\
         {kind}Content-Length: {}\r\n\r\n{description}",
        description.len()
    );
    text.into_bytes()
}

/// A description of media at the target's port 4000.
pub(super) const DESCRIPTION: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n\
    c=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
