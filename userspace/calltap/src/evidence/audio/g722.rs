//! G.722 at 64 kbit/s (ITU-T G.722 §4): two bands of ADPCM, put together at 16,000 samples a second.
//!
//! By hand, as the libraries that there are begin with quantizers of step 0, which the recommendation
//! does not, and need a quarter of a second to agree with it.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

/// Levels of the lower band by codes of six bits, which are heard, and of the four bits that are
/// certain to arrive, by which both ends adapt (§6.2: INVQBL, INVQAL).
const LOWER: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232,
    -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776,
    -2400, -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280,
    11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776,
    2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];
const LOWER_CUT: [i32; 16] = [
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584,
    1200, 0,
];

/// Those of the higher band, by its two bits (INVQAH).
const HIGHER: [i32; 4] = [-7408, -1616, 7408, 1616];

/// How the logarithmic steps grow with each code (LOGSCL, LOGSCH).
const LOWER_GROWTH: [i32; 16] =
    [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];
const HIGHER_GROWTH: [i32; 4] = [798, -214, 798, -214];

/// Steps within an octave, in 32 parts (SCALEL, SCALEH).
const STEPS: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

/// One half of the receiving mirror filter, which is symmetrical (§4.4).
const FILTER: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// A decoder of one stream.
#[derive(Debug)]
pub(super) struct G722 {
    lower: Band,
    higher: Band,
    /// The last sums and differences of both bands, the oldest first.
    past: [i32; 24],
}

impl Default for G722 {
    fn default() -> Self {
        Self { lower: Band::new(32), higher: Band::new(8), past: [0; 24] }
    }
}

impl G722 {
    /// Appends the samples of a payload, two of each byte.
    pub(super) fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>) {
        for byte in payload {
            let (low, cut, high) = (byte & 0x3f, byte >> 2 & 0x0f, byte >> 6);
            let lower = self.lower.sample(of(&LOWER, low));
            self.lower.adapt(of(&LOWER_CUT, cut), of(&LOWER_GROWTH, cut), 18_432, 8);
            let higher = self.higher.sample(of(&HIGHER, high));
            self.higher.adapt(of(&HIGHER, high), of(&HIGHER_GROWTH, high), 22_528, 10);
            self.past.rotate_left(2);
            self.past[22] = lower + higher;
            self.past[23] = lower - higher;
            let (sums, differences) =
                (self.past.iter().step_by(2), self.past.iter().skip(1).step_by(2));
            samples.push(filtered(differences.zip(FILTER.iter().rev())));
            samples.push(filtered(sums.zip(&FILTER)));
        }
    }
}

fn filtered<'a>(past: impl Iterator<Item = (&'a i32, &'a i32)>) -> i16 {
    let sum: i32 = past.map(|(sample, coefficient)| sample * coefficient).sum();
    i16::try_from(saturated(sum >> 11)).unwrap_or_default()
}

/// One band: its predictor and its quantizer.
#[derive(Debug, Default)]
struct Band {
    /// What is predicted: of both filters, and of the one with zeros alone.
    estimate: i32,
    of_zeros: i32,
    /// The quantizer's step, and its logarithm.
    step: i32,
    log_step: i32,
    /// Two coefficients of the poles, and the last reconstructed samples.
    poles: [i32; 2],
    samples: [i32; 2],
    /// Six coefficients of the zeros, and the last differences.
    zeros: [i32; 6],
    differences: [i32; 6],
    /// The last partially reconstructed samples.
    partial: [i32; 2],
}

impl Band {
    fn new(step: i32) -> Self {
        Self { step, ..Self::default() }
    }

    /// A sample of 15 bits, by its level (RECONL, LIMIT).
    fn sample(&self, level: i32) -> i32 {
        (self.estimate + scaled(self.step, level)).clamp(-16_384, 16_383)
    }

    /// Takes a code's level and growth, of which there may be so much; predicts the next sample.
    fn adapt(&mut self, level: i32, growth: i32, most: i32, shift: i32) {
        let difference = scaled(self.step, level);
        self.log_step = (((self.log_step * 127) >> 7) + growth).clamp(0, most);
        let part = of(&STEPS, u8::try_from(self.log_step >> 6 & 31).unwrap_or_default());
        let shift = shift - (self.log_step >> 11);
        self.step = if shift < 0 { part << -shift } else { part >> shift } << 2;
        self.predict(difference);
    }

    /// Blocks 4L and 4H: PARREC, RECONS, UPPOL2, UPPOL1, UPZERO, FILTEP, FILTEZ and PREDIC.
    fn predict(&mut self, difference: i32) {
        let sample = saturated(self.estimate + difference);
        let partial = saturated(self.of_zeros + difference);
        let is_negative = partial < 0;
        let [before, earlier] = self.partial.map(|it| (it < 0) == is_negative);
        let [first, second] = self.poles;
        let slope = saturated(first << 2);
        let slope = if before { (-slope).min(32_767) } else { slope };
        let second = (slope >> 7) + if earlier { 128 } else { -128 } + ((second * 32_512) >> 15);
        let second = second.clamp(-12_288, 12_288);
        let most = saturated(15_360 - second);
        let first = saturated(((first * 32_640) >> 15) + if before { 192 } else { -192 });
        self.poles = [first.clamp(-most, most), second];
        let change = if difference == 0 { 0 } else { 128 };
        for (zero, earlier) in self.zeros.iter_mut().zip(self.differences) {
            let change = if (earlier < 0) == (difference < 0) { change } else { -change };
            *zero = saturated(change + ((*zero * 32_640) >> 15));
        }
        self.differences.rotate_right(1);
        self.differences[0] = difference;
        self.samples = [sample, self.samples[0]];
        self.partial = [partial, self.partial[0]];
        let filtered = |of: &[i32], by: &[i32]| -> i32 {
            of.iter().zip(by).map(|(it, by)| (by * saturated(it << 1)) >> 15).sum()
        };
        let of_poles = saturated(filtered(&self.samples, &self.poles));
        self.of_zeros = saturated(filtered(&self.differences, &self.zeros));
        self.estimate = saturated(of_poles + self.of_zeros);
    }
}

fn scaled(step: i32, level: i32) -> i32 {
    (step * level) >> 15
}

fn saturated(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

/// What a table has for a code, which is never beyond it.
fn of<const LENGTH: usize>(table: &[i32; LENGTH], code: u8) -> i32 {
    table.get(usize::from(code)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::made;
    use super::*;

    fn decoded(payload: &[u8]) -> Vec<i16> {
        let mut samples = Vec::new();
        G722::default().decode(payload, &mut samples);
        samples
    }

    /// Of the tone and of [`made::bytes`], as ffmpeg has them.
    #[test]
    fn every_sample_is_that_of_another_decoder() {
        let tone = decoded(&made::hex(made::G722));
        assert_eq!(made::sha256(&tone), made::G722_HEARD);
        assert_eq!(
            made::sha256(&decoded(&made::bytes())),
            "730fc9f84ac2e3fd11202c8a7abb87e449f4c204b28704b062ba95bba8ae4d2c"
        );
        // The mirror filters hold it back by 22 samples.
        made::assert_tone(&tone[64..], 16_000);
    }

    #[test]
    fn what_comes_in_parts_is_decoded_as_the_whole() {
        let (mut decoder, mut samples) = (G722::default(), Vec::new());
        let bytes = made::bytes();
        for payload in bytes.chunks(160) {
            decoder.decode(payload, &mut samples);
        }
        assert_eq!(samples, decoded(&bytes));
    }
}
