//! What the phones say: G.711 A-law in RTP, as a capture file that sipp plays (RFC 3550 §5.1).
//!
//! sipp takes the RTP packets and their times from the file, and puts each call's own addresses and
//! ports in front of them; those in the file mean nothing.

/// Milliseconds of speech in a packet, as the scenarios' `a=ptime` says.
const PACKET_MS: u32 = 20;
/// Packets a second.
const PACKETS_PER_SECOND: u32 = 1000 / PACKET_MS;
/// Samples of 8 kHz in a packet: the step of the RTP timestamp.
const SAMPLES: u32 = 8 * PACKET_MS;
/// Octets of a UDP datagram with such a packet: a sample is an octet in G.711.
const UDP_LENGTH: u16 = 8 + 12 + 160;
/// Octets of the Ethernet frame around it.
const FRAME_LENGTH: u32 = 14 + 20 + UDP_LENGTH as u32;
/// A-law, version 2, no padding, no extension (RFC 3551 table 4).
const PCMA: u8 = 8;
/// One period of the digital milliwatt, a tone of 1 kHz (ITU-T G.711 table 5).
const DIGITAL_MILLIWATT: [u8; 8] = [0x34, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4];

/// How many RTP packets one side of a call sends in `seconds`.
pub(super) fn packets(seconds: u32) -> u32 {
    seconds.saturating_mul(PACKETS_PER_SECOND)
}

/// A capture file (pcap, Ethernet, microseconds) of `seconds` of the tone from source `ssrc`.
#[must_use]
pub fn tone(ssrc: u32, seconds: u32) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_le_bytes());
    file.extend([2, 0, 4, 0]);
    file.extend([0; 8]);
    file.extend(65_535_u32.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    for number in 0..packets(seconds) {
        file.extend((number / PACKETS_PER_SECOND).to_le_bytes());
        file.extend((number % PACKETS_PER_SECOND * PACKET_MS * 1000).to_le_bytes());
        file.extend(FRAME_LENGTH.to_le_bytes());
        file.extend(FRAME_LENGTH.to_le_bytes());
        file.extend(frame(ssrc, number));
    }
    file
}

/// The Ethernet frame of RTP packet `number`, counted from 0.
fn frame(ssrc: u32, number: u32) -> Vec<u8> {
    let [_, _, sequence @ ..] = number.wrapping_add(1).to_be_bytes();
    let marker = if number == 0 { 0x80 } else { 0 };
    let mut rtp = vec![0x80, marker | PCMA];
    rtp.extend(sequence);
    rtp.extend(number.wrapping_mul(SAMPLES).to_be_bytes());
    rtp.extend(ssrc.to_be_bytes());
    rtp.extend(DIGITAL_MILLIWATT.iter().cycle().take(SAMPLES as usize));

    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00];
    frame.extend([0x45, 0]);
    frame.extend((20 + UDP_LENGTH).to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 10, 192, 0, 2, 20]);
    frame.extend(6000_u16.to_be_bytes());
    frame.extend(6000_u16.to_be_bytes());
    frame.extend(UDP_LENGTH.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(rtp);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_fifty_packets_of_a_fixed_size() {
        assert_eq!(frame(1, 0).len(), FRAME_LENGTH as usize);
        assert_eq!(tone(1, 1).len(), 24 + 50 * (16 + FRAME_LENGTH as usize));
    }

    #[test]
    fn sequence_and_timestamp_step_evenly() {
        let (first, second) = (frame(7, 0), frame(7, 1));
        assert_eq!(first[42..54], [0x80, 0x88, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(second[42..54], [0x80, 0x08, 0, 2, 0, 0, 0, 160, 0, 0, 0, 7]);
    }
}
