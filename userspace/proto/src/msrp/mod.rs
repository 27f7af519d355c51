//! What was said in MSRP sessions (RFC 4975): the messages of a call's announced connections,
//! put together from their chunks.

mod chunk;
mod framing;
mod messages;

use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::packet::Segment;
use crate::reassembly::{Next, Order};
use crate::time::Timestamp;
use framing::Framing;
use messages::Messages;

/// The MSRP of one call.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    flows: Vec<Flow>,
    messages: Messages,
}

/// A message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent<'a> {
    /// The same for every copy of the message: relays hand it on under its Message-ID
    /// (RFC 4976 §6).
    pub copy: u64,
    /// Who sent it: the last URI of From-Path.
    pub from: &'a [u8],
    /// To whom: the last URI of To-Path.
    pub to: &'a [u8],
    /// Content-Type, with its parameters.
    pub content_type: &'a [u8],
    /// Its bytes; none where it is no text, is longer than is put together, or bytes are missing.
    pub bytes: Option<&'a [u8]>,
}

/// One direction of a connection.
#[derive(Clone, Debug)]
struct Flow {
    source: SocketAddr,
    destination: SocketAddr,
    order: Order,
    framing: Framing,
}

/// Directions of connections followed for one call: a session has two, or four by a relay.
const MAX_FLOWS: usize = 16;

impl Sessions {
    /// Takes a segment of an announced connection; gives the messages that it completes.
    pub fn feed(&mut self, at: Timestamp, segment: &Segment<'_>, sink: &mut dyn FnMut(Sent<'_>)) {
        let (source, destination) = (segment.source, segment.destination);
        let known = |flow: &Flow| (flow.source, flow.destination) == (source, destination);
        let place = self.flows.iter().position(known).unwrap_or_else(|| {
            if self.flows.len() >= MAX_FLOWS {
                self.flows.remove(0);
            }
            let (order, framing) = (Order::default(), Framing::default());
            self.flows.push(Flow { source, destination, order, framing });
            self.flows.len() - 1
        });
        let Self { flows, messages } = self;
        let Some(Flow { order, framing, .. }) = flows.get_mut(place) else { return };
        order.feed(at, segment, &mut |next| match next {
            Next::Bytes(bytes) => framing.feed(bytes, &mut |chunk| messages.chunk(&chunk, sink)),
            Next::Gap => framing.gap(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::{String, ToString};

    #[test]
    fn both_directions_of_a_connection_are_told_apart_and_a_copy_has_the_same_number() {
        let mut sessions = Sessions::default();
        let mut said = Vec::new();
        let ends = ["192.0.2.1:49152".parse().unwrap(), "192.0.2.2:2855".parse().unwrap()];
        let mut sequences = [1_u32, 1_u32];
        let mut send = |from: usize, id: &str, text: &str| {
            let text = format!(
                "MSRP tr{id} SEND\r\nTo-Path: msrp://relay/r;tcp msrp://b/x;tcp\r\n\
                 From-Path: msrp://a/y;tcp\r\nMessage-ID: {id}\r\nByte-Range: 1-*/*\r\n\
                 Content-Type: text/plain;charset=utf-8\r\n\r\n{text}\r\n-------tr{id}$\r\n"
            );
            // Every segment twice, as a mirror of both sides of a switch has it.
            for part in text.as_bytes().chunks(50) {
                for _ in 0..2 {
                    let segment = Segment {
                        source: ends[from],
                        destination: ends[1 - from],
                        sequence: sequences[from],
                        syn: false,
                        last: false,
                        payload: part,
                    };
                    sessions.feed(Timestamp(0), &segment, &mut |sent| {
                        let text = String::from_utf8_lossy(sent.bytes.unwrap()).to_string();
                        assert_eq!(sent.from, b"msrp://a/y;tcp");
                        assert_eq!(sent.to, b"msrp://b/x;tcp");
                        said.push((sent.copy, text));
                    });
                }
                sequences[from] += u32::try_from(part.len()).unwrap();
            }
        };
        send(0, "m1", "Gr\u{fc}\u{df}e \u{1f44b}");
        send(1, "m2", "hello");
        send(1, "m1", "Gr\u{fc}\u{df}e \u{1f44b}");
        let texts: Vec<_> = said.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["Gr\u{fc}\u{df}e \u{1f44b}", "hello", "Gr\u{fc}\u{df}e \u{1f44b}"]);
        assert!(said[0].0 == said[2].0 && said[0].0 != said[1].0);
    }
}
