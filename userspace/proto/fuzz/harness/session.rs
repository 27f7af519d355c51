//! An MSRP connection (RFC 4975) in any cuts and order gives the messages that were sent.

use calltap_proto::Timestamp;
use calltap_proto::msrp::Sessions;
use calltap_proto::packet::Segment;

use super::input::Input;
use super::whole::cuts;

/// Texts of which two look like the ends of chunks; then, behind the last, whatever the input says.
const TEXTS: [&str; 4] = ["hello", "a\r\n-------tr9$\r\nb", "-------tr3$", "\u{1f44b}\u{1f3fd}"];

/// Each text in up to three chunks, the stream cut anywhere, segments twice and in any order.
pub(crate) fn msrp(data: &[u8]) {
    let mut input = Input(data);
    let mut stream = Vec::new();
    for (nth, text) in TEXTS.iter().enumerate() {
        let places = cuts(&mut input, text.len(), 1);
        for pair in places.windows(2).filter(|pair| pair[0] < pair[1]) {
            let flag = if pair[1] == text.len() { '$' } else { '+' };
            let (range, total) = (pair[0] + 1, text.len());
            let head = format!(
                "MSRP tr{nth}x{range} SEND\r\nTo-Path: msrp://b/x;tcp\r\n\
                 From-Path: msrp://a/y;tcp\r\nMessage-ID: {nth}\r\n\
                 Byte-Range: {range}-*/{total}\r\nContent-Type: text/plain\r\n\r\n"
            );
            stream.extend(head.as_bytes());
            stream.extend(&text.as_bytes()[pair[0]..pair[1]]);
            stream.extend(format!("\r\n-------tr{nth}x{range}{flag}\r\n").as_bytes());
        }
    }
    let whole = stream.len();
    let places = cuts(&mut input, whole, 1);
    let mut pieces: Vec<_> = places.windows(2).map(|pair| (pair[0], pair[1])).collect();
    for place in (1..pieces.len()).rev() {
        pieces.swap(place, input.below(place + 1));
    }
    for _ in 0..input.below(4) {
        pieces.push(pieces[input.below(pieces.len())]);
    }
    stream.extend(input.string());
    pieces.push((whole, stream.len()));

    let (mut sessions, mut said) = (Sessions::default(), Vec::new());
    let first = u32::try_from(input.number()).unwrap().wrapping_sub(0x8000);
    let ends = ("192.0.2.1:2855".parse().unwrap(), "198.51.100.2:2855".parse().unwrap());
    let mut feed = |sequence: u32, syn: bool, payload: &[u8]| {
        let (source, destination) = ends;
        let segment = Segment { source, destination, sequence, syn, last: false, payload };
        sessions.feed(Timestamp(0), &segment, &mut |sent| {
            said.extend(sent.bytes.map(<[u8]>::to_vec));
        });
    };
    feed(first.wrapping_sub(1), true, b"");
    for (from, to) in pieces {
        let sequence = first.wrapping_add(u32::try_from(from).unwrap());
        feed(sequence, false, &stream[from..to]);
    }
    let expected = TEXTS.map(|text| text.as_bytes().to_vec());
    assert_eq!(said.get(..TEXTS.len()), Some(&expected[..]));
    assert!(said.iter().all(|text| text.len() <= stream.len()));
}
