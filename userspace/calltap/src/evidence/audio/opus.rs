//! Opus (RFC 6716, in RTP by RFC 7587), decoded as one channel at 48,000 samples a second.

use rusty_opus::OpusDecoder;

/// Samples a second, and units of the time stamps (RFC 7587 §4.1).
pub(super) const RATE: u32 = 48_000;

/// Samples of the longest packet, 120 ms.
const LONGEST: usize = 5760;

/// A decoder of one stream.
pub(super) struct Opus {
    decoder: Option<OpusDecoder>,
    samples: Box<[f32]>,
}

impl Default for Opus {
    fn default() -> Self {
        // It is refused for other rates and channels alone.
        let decoder = OpusDecoder::new(RATE.cast_signed(), 1).ok();
        Self { decoder, samples: vec![0.0; LONGEST].into() }
    }
}

impl Opus {
    /// Appends the samples of a payload, in which both channels of a stereo stream are one.
    ///
    /// `None` where it is no packet of Opus.
    pub(super) fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>) -> Option<()> {
        if payload.is_empty() {
            return None;
        }
        let count = self.decoder.as_mut()?.decode(payload, LONGEST, &mut self.samples).ok()?;
        samples.extend(self.samples.get(..count)?.iter().map(|sample| to_16_bits(*sample)));
        Some(())
    }
}

impl std::fmt::Debug for Opus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opus").finish_non_exhaustive()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a cast of floats saturates")]
fn to_16_bits(sample: f32) -> i16 {
    (sample * 32_768.0).round() as i16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::made;
    use super::*;

    fn decoded(packets: &[&str]) -> Vec<i16> {
        let (mut opus, mut samples) = (Opus::default(), Vec::new());
        for packet in packets {
            opus.decode(&made::hex(packet), &mut samples).expect("a packet");
        }
        samples
    }

    /// The tone of [`made::OPUS`] by `-b:a 24k -vbr off -application lowdelay`: CELT (§4.3).
    const MUSIC: [&str; 6] = [
        "\
         f89fe1530080ec84cdcbc9d22aff4e05bd5368bbd730d997d568dde886dbfa2bdb5c26fece275fe0b620\
         58b4f5976233531a69a00173b0d58e431ab1",
        "\
         f89d57d558a4c9dac7ab6e5b5c3bd8a22850a45ddbc46e4a5aa93b59c9a16c61ae5c21c03c44c36add9e\
         feb2e14c8b2e23dd7250924a2d8167606fd1",
        "\
         f89c1cc395f64ce5c4b6c8d74f342ef3f428517b0706dc3a797100b6d77f8c747b5610e0093adbd3bb99\
         503ec4dfa29a6fb1782e4da9ccf5fb7ab4d1",
        "\
         f89c1cc3215df9a00f9c54d14b47661b264ca01d7882833b894e334d0568d6afed58438024eb6f4eee65\
         40fb169bf134df63859434b56c9de77efcd1",
        "\
         f89c1cc3215df9a00f9c54d14b47661b264ca01d7cf7e963894e334d0568d6a9ed58438024eb6f4eee65\
         40fb169bf134df638594361f4d5de77efcd1",
        "\
         f87b5861317929996b6ac23fe395a0a7341371f6598ae7f2c7d6f6a34f4101da0c1feb44a80e630890ab\
         44bb2cd1f9820000080a5a1376be340e41ed",
    ];

    #[test]
    fn every_sample_of_a_voice_is_that_of_libopus() {
        let samples = decoded(&made::OPUS);
        assert_eq!(samples.len(), 6 * 960);
        let heard = &samples[312..][..4800];
        assert_eq!(made::sha256(heard), made::OPUS_HEARD);
    }

    /// Opus need not be equal to the bit (RFC 6716 §6); libopus has these samples from 2,400 on.
    #[test]
    fn music_is_that_of_libopus_within_rounding() {
        let samples = decoded(&MUSIC);
        made::assert_tone(&samples[960..4800], RATE);
        let expected: [i16; 16] = [
            -12, 2118, 4211, 6232, 8147, 9923, 11529, 12940, 14129, 15079, 15771, 16195, 16343,
            16214, 15808, 15133,
        ];
        for (sample, expected) in samples[120 + 2400..].iter().zip(expected) {
            assert!(sample.abs_diff(expected) <= 2, "{sample} for {expected}");
        }
    }

    #[test]
    fn what_is_no_packet_is_told() {
        let (mut opus, mut samples) = (Opus::default(), Vec::new());
        // Nothing; two frames of one length in an odd number of bytes; no frames at all (§3.4).
        for packet in ["", "49010203", "4b00"] {
            assert_eq!(opus.decode(&made::hex(packet), &mut samples), None, "{packet}");
        }
        assert!(samples.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_packet_or_none(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..4)
        ) {
            let (mut opus, mut samples) = (Opus::default(), Vec::new());
            for packet in &packets {
                let before = samples.len();
                let decoded = opus.decode(packet, &mut samples).is_some();
                prop_assert!(samples.len() - before <= LONGEST);
                prop_assert!(decoded || samples.len() == before);
            }
        }
    }
}
