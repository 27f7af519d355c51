//! The packets of an RTCP datagram (RFC 3550 §6.1, §6.4), if all of it can be read.

/// A datagram that is RTCP from its first byte to its last.
///
/// The packets must fill it to the byte (RFC 3550 A.2).
/// That also tells it from SRTCP, which appends four bytes at least (RFC 3711 §3.4) and whose
/// figures must not be taken for figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compound<'a> {
    rest: &'a [u8],
}

/// One RTCP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Sender report (RFC 3550 §6.4.1).
    Sender {
        /// Who sends it.
        ssrc: u32,
        /// What it says of its own stream.
        sender: SenderInfo,
        /// Report blocks, 24 bytes each.
        blocks: &'a [[u8; BLOCK]],
    },
    /// Receiver report (RFC 3550 §6.4.2).
    Receiver {
        /// Who sends it.
        ssrc: u32,
        /// Report blocks, 24 bytes each.
        blocks: &'a [[u8; BLOCK]],
    },
    /// Extended report (RFC 3611 §2), to be read with [`extended`](super::extended).
    Extended {
        /// Who sends it.
        ssrc: u32,
        /// Its report blocks.
        blocks: &'a [u8],
    },
    /// Another packet type, or one too short for what it must hold.
    Other(u8),
}

/// What a sender says of its own stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// Wall clock time at which it was sent (NTP, 32.32 bits).
    pub ntp: u64,
    /// The same time in the units of the stream's clock.
    pub rtp_timestamp: u32,
    /// Packets sent since the stream began.
    pub packets: u32,
    /// Bytes of payload sent since the stream began.
    pub octets: u32,
}

/// What a receiver says of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream's synchronisation source.
    pub ssrc: u32,
    /// Lost since the report before, in 256ths.
    pub fraction_lost: u8,
    /// Lost since the stream began, 24 bits signed: duplicates can make it negative.
    pub cumulative_lost: i32,
    /// Highest sequence number received, and how often it wrapped.
    pub highest_sequence: u32,
    /// Interarrival jitter, in units of the stream's clock.
    pub jitter: u32,
    /// Middle bits of the time in the last sender report received; 0 where there was none.
    pub last_sr: u32,
    /// Since that report was received, in 65,536ths of a second.
    pub delay_since_last_sr: u32,
}

/// Bytes of a report block.
pub(super) const BLOCK: usize = 24;

/// RFC 3550 §12.1, RFC 3611 §5.
const SENDER: u8 = 200;
const RECEIVER: u8 = 201;
const EXTENDED: u8 = 207;

/// The packets of a datagram; none where it is no RTCP, or where it cannot be read to its end.
#[must_use]
pub fn compound(datagram: &[u8]) -> Option<Compound<'_>> {
    if !crate::rtp::is_rtcp(datagram) {
        return None;
    }
    let mut rest = datagram;
    while !rest.is_empty() {
        rest = split(rest)?.2;
    }
    Some(Compound { rest: datagram })
}

/// Packet type and count, body without padding, and what follows.
fn split(bytes: &[u8]) -> Option<([u8; 2], &[u8], &[u8])> {
    let (&[first, packet_type, l0, l1], rest) = bytes.split_first_chunk()?;
    let words = usize::from(u16::from_be_bytes([l0, l1]));
    let (body, after) = rest.split_at_checked(words * 4)?;
    let is_padded = first & 0x20 != 0;
    let known = first >> 6 == 2 && (192..=223).contains(&packet_type);
    // Only the last packet is padded, by as many bytes as the last one says (§6.4.1).
    if !known || is_padded && !after.is_empty() {
        return None;
    }
    let padding = if is_padded { usize::from(*body.last()?) } else { 0 };
    let body = body.get(..body.len().checked_sub(padding)?)?;
    Some(([packet_type, first & 0x1f], body, after))
}

impl<'a> Iterator for Compound<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let ([packet_type, count], body, after) = split(self.rest)?;
        self.rest = after;
        Some(read(packet_type, count, body).unwrap_or(Packet::Other(packet_type)))
    }
}

fn read(packet_type: u8, count: u8, body: &[u8]) -> Option<Packet<'_>> {
    let (ssrc, body) = body.split_first_chunk()?;
    let ssrc = u32::from_be_bytes(*ssrc);
    Some(match packet_type {
        SENDER => {
            let (sender, body) = body.split_first_chunk()?;
            Packet::Sender { ssrc, sender: SenderInfo::read(sender), blocks: blocks(count, body)? }
        }
        RECEIVER => Packet::Receiver { ssrc, blocks: blocks(count, body)? },
        EXTENDED => Packet::Extended { ssrc, blocks: body },
        _ => return None,
    })
}

/// As many blocks as the header counts; behind them there may be a profile's extension.
fn blocks(count: u8, body: &[u8]) -> Option<&[[u8; BLOCK]]> {
    body.as_chunks().0.get(..usize::from(count))
}

impl SenderInfo {
    fn read(bytes: &[u8; 20]) -> Self {
        let [n0, n1, n2, n3, n4, n5, n6, n7, t0, t1, t2, t3, p0, p1, p2, p3, o0, o1, o2, o3] =
            *bytes;
        Self {
            ntp: u64::from_be_bytes([n0, n1, n2, n3, n4, n5, n6, n7]),
            rtp_timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            packets: u32::from_be_bytes([p0, p1, p2, p3]),
            octets: u32::from_be_bytes([o0, o1, o2, o3]),
        }
    }
}

impl ReportBlock {
    /// Reads one.
    #[must_use]
    pub fn read(bytes: &[u8; BLOCK]) -> Self {
        let [
            s0,
            s1,
            s2,
            s3,
            fraction_lost,
            c0,
            c1,
            c2,
            h0,
            h1,
            h2,
            h3,
            j0,
            j1,
            j2,
            j3,
            l0,
            l1,
            l2,
            l3,
            d0,
            d1,
            d2,
            d3,
        ] = *bytes;
        Self {
            ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
            fraction_lost,
            // The sign is the uppermost of 24 bits.
            cumulative_lost: i32::from_be_bytes([c0, c1, c2, 0]) >> 8,
            highest_sequence: u32::from_be_bytes([h0, h1, h2, h3]),
            jitter: u32::from_be_bytes([j0, j1, j2, j3]),
            last_sr: u32::from_be_bytes([l0, l1, l2, l3]),
            delay_since_last_sr: u32::from_be_bytes([d0, d1, d2, d3]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// A receiver report of 0xb about 0xa.
    fn receiver_report() -> Vec<u8> {
        let mut packet = Vec::from([0x81, 201, 0, 7, 0, 0, 0, 0xb, 0, 0, 0, 0xa]);
        packet.extend([64, 0xff, 0xff, 0xfd, 0, 1, 0, 9, 0, 0, 0, 80]);
        packet.extend([1, 2, 3, 4, 0, 0, 0x80, 0]);
        packet
    }

    /// One source with an empty CNAME.
    const DESCRIPTION: [u8; 12] = [0x81, 202, 0, 2, 0, 0, 0, 0xb, 1, 0, 0, 0];

    #[test]
    fn a_block_is_read_and_its_loss_may_be_negative() {
        let report = receiver_report();
        let Some(Packet::Receiver { ssrc: 0xb, blocks: [block] }) =
            compound(&report).and_then(|mut it| it.next())
        else {
            panic!("a receiver report")
        };
        let expected = ReportBlock {
            ssrc: 0xa,
            fraction_lost: 64,
            cumulative_lost: -3,
            highest_sequence: 0x1_0009,
            jitter: 80,
            last_sr: 0x0102_0304,
            delay_since_last_sr: 0x8000,
        };
        assert_eq!(ReportBlock::read(block), expected);
    }

    #[test]
    fn all_packets_of_a_compound_are_read_and_the_last_may_be_padded() {
        let mut report = receiver_report();
        let mut last = DESCRIPTION;
        last[0] |= 0x20;
        last[11] = 4;
        report.extend(last);
        let found: Vec<_> = compound(&report).expect("RTCP").collect();
        assert!(matches!(found[..], [Packet::Receiver { .. }, Packet::Other(202)]), "{found:?}");
        // Padding in the middle is no RTCP (A.2).
        let mut padded_first = Vec::from(last);
        padded_first.extend(receiver_report());
        assert_eq!(compound(&padded_first), None);
    }

    #[test]
    fn what_does_not_end_where_its_packets_end_is_not_read() {
        let report = receiver_report();
        for cut in 0..report.len() {
            assert_eq!(compound(&report[..cut]), None);
        }
        // SRTCP: index with its E bit, and an authentication tag (RFC 3711 §3.4).
        let mut secured = report.clone();
        secured.extend([0x80, 0, 0, 1]);
        secured.extend([0xaa; 10]);
        assert_eq!(compound(&secured), None);
    }

    #[test]
    fn a_report_with_fewer_blocks_than_it_counts_has_none() {
        let mut report = receiver_report();
        report[0] = 0x82;
        let found: Vec<_> = compound(&report).expect("RTCP").collect();
        assert_eq!(found, [Packet::Other(201)]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = compound(&bytes).into_iter().flatten().count();
            if let [first, second, third, ..] = &mut bytes[..] {
                (*first, *second, *third) = (*first | 0x80 & 0xbf, 200 | *second & 7, 0);
            }
            let _ = compound(&bytes).into_iter().flatten().count();
        }
    }
}
