//! The report blocks of an extended report (RFC 3611 §4) that tell of delay and quality.

/// A report block that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extended<'a> {
    /// Receiver reference time, NTP, 32.32 bits (§4.4, type 4).
    ReferenceTime(u64),
    /// Delay since the last such block (§4.5, type 5), in sub-blocks of 12 bytes: SSRC, middle bits
    /// of that time, delay in 65,536ths of a second.
    Delays(&'a [[u8; 12]]),
    /// VoIP metrics (§4.7, type 7).
    Voip(VoipMetrics),
    /// Another type, or one too short for what it must hold.
    Other(u8),
}

/// What a receiver found out about a voice stream (RFC 3611 §4.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoipMetrics {
    /// The stream's synchronisation source.
    pub ssrc: u32,
    /// Packets lost since reception began, in 256ths.
    pub loss_rate: u8,
    /// Packets that came too late or too early to be played, in 256ths.
    pub discard_rate: u8,
    /// Round trip between the parties in milliseconds; 0 where unknown.
    pub round_trip_ms: u16,
    /// Delay within the reporter in milliseconds; 0 where unknown.
    pub end_system_delay_ms: u16,
    /// Rating factor R, 0 to 100; none where unavailable.
    pub r_factor: Option<u8>,
    /// Listening quality in tenths, 10 to 50; none where unavailable.
    pub mos_lq: Option<u8>,
    /// Conversational quality in tenths, 10 to 50; none where unavailable.
    pub mos_cq: Option<u8>,
}

/// The report blocks of an extended report; whatever does not fit ends the list.
pub fn extended(mut blocks: &[u8]) -> impl Iterator<Item = Extended<'_>> {
    core::iter::from_fn(move || {
        let (&[block_type, _, l0, l1], rest) = blocks.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([l0, l1])) * 4;
        let (body, after) = rest.split_at_checked(length)?;
        blocks = after;
        Some(read(block_type, body).unwrap_or(Extended::Other(block_type)))
    })
}

fn read(block_type: u8, body: &[u8]) -> Option<Extended<'_>> {
    Some(match block_type {
        4 => Extended::ReferenceTime(u64::from_be_bytes(*body.first_chunk()?)),
        5 => Extended::Delays(body.as_chunks().0),
        7 => Extended::Voip(VoipMetrics::read(body.first_chunk()?)),
        _ => return None,
    })
}

impl VoipMetrics {
    fn read(bytes: &[u8; 32]) -> Self {
        let [
            s0,
            s1,
            s2,
            s3,
            loss_rate,
            discard_rate,
            _,
            _,
            _,
            _,
            _,
            _,
            t0,
            t1,
            d0,
            d1,
            _,
            _,
            _,
            _,
            r,
            _,
            lq,
            cq,
            ..,
        ] = *bytes;
        // §4.7.5: 127 says that the figure is unavailable; beyond the range nothing has a meaning.
        let rating = (r <= 100).then_some(r);
        let score = |score: u8| (10..=50).contains(&score).then_some(score);
        Self {
            ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
            loss_rate,
            discard_rate,
            round_trip_ms: u16::from_be_bytes([t0, t1]),
            end_system_delay_ms: u16::from_be_bytes([d0, d1]),
            r_factor: rating,
            mos_lq: score(lq),
            mos_cq: score(cq),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    #[test]
    fn reference_times_delays_and_metrics_are_read() {
        let mut blocks = Vec::from([4, 0, 0, 2, 0, 0, 0, 1, 0x80, 0, 0, 0]);
        blocks.extend([5, 0, 0, 3, 0, 0, 0, 0xa, 0, 1, 0x80, 0, 0, 0, 0x40, 0]);
        blocks.extend([1, 0, 0, 1, 9, 9, 9, 9]);
        blocks.extend([7, 0, 0, 8, 0, 0, 0, 0xa, 13, 26, 0, 0, 0, 0, 0, 0, 0, 90, 0, 40]);
        blocks.extend([127, 127, 127, 16, 82, 127, 41, 127, 0x30, 0, 0, 40, 0, 60, 0, 120]);
        let found: Vec<_> = extended(&blocks).collect();
        let [Extended::ReferenceTime(ntp), Extended::Delays([delay]), Extended::Other(1), voip] =
            found[..]
        else {
            panic!("{found:?}")
        };
        assert_eq!((ntp, *delay), (0x1_8000_0000, [0, 0, 0, 0xa, 0, 1, 0x80, 0, 0, 0, 0x40, 0]));
        let expected = VoipMetrics {
            ssrc: 0xa,
            loss_rate: 13,
            discard_rate: 26,
            round_trip_ms: 90,
            end_system_delay_ms: 40,
            r_factor: Some(82),
            mos_lq: Some(41),
            mos_cq: None,
        };
        assert_eq!(voip, Extended::Voip(expected));
    }

    #[test]
    fn a_block_beyond_the_end_ends_the_list() {
        assert_eq!(extended(&[4, 0, 0xff, 0xff, 0, 0, 0, 1]).count(), 0);
        assert_eq!(extended(&[7, 0, 0, 1, 0, 0, 0, 1]).next(), Some(Extended::Other(7)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = extended(&bytes).count();
        }
    }
}
