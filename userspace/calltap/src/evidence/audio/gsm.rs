//! GSM full rate (ETSI EN 300 961, GSM 06.10 §5.3) in frames of 33 bytes (RFC 3551 §4.5.8): 160
//! samples of each, in the recommendation's arithmetic of 16 bits.
//!
//! By hand, as there is no library but C.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

/// Bytes of a frame.
const FRAME: usize = 33;

/// The four bits with which each frame begins.
const SIGNATURE: u8 = 0xd;

/// A log area ratio's code (tables 5.1 and 5.2).
#[derive(Clone, Copy)]
struct Coded {
    bits: u32,
    least: i16,
    offset: i16,
    /// The slope's inverse.
    inverse: i16,
}

const fn coded(bits: u32, least: i16, offset: i16, inverse: i16) -> Coded {
    Coded { bits, least, offset, inverse }
}

const RATIOS: [Coded; 8] = [
    coded(6, -32, 0, 13_107),
    coded(6, -32, 0, 13_107),
    coded(5, -16, 2048, 13_107),
    coded(5, -16, -2560, 13_107),
    coded(4, -8, 94, 19_223),
    coded(4, -8, -1792, 17_476),
    coded(3, -4, -341, 31_454),
    coded(3, -4, -1144, 29_708),
];

/// Gains of the long term prediction (table 5.3b).
const GAINS: [i16; 4] = [3277, 11_469, 21_299, 32_767];

/// Mantissas of the pulses' scale (table 5.6).
const MANTISSAS: [i16; 8] = [18_431, 20_479, 22_527, 24_575, 26_623, 28_671, 30_719, 32_767];

/// Whether a payload is frames and nothing else.
pub(super) fn is_whole(payload: &[u8]) -> bool {
    let is_frame = |frame: &[u8]| frame.first().is_some_and(|byte| byte >> 4 == SIGNATURE);
    payload.len().is_multiple_of(FRAME) && payload.chunks_exact(FRAME).all(is_frame)
}

/// A decoder of one stream.
#[derive(Debug)]
pub(super) struct Gsm {
    /// The last 120 samples of the long term residual.
    residual: [i16; 120],
    /// How far back the residual comes again: 40 to 120 samples.
    lag: usize,
    ratios: [i16; 8],
    /// The lattice's delays.
    lattice: [i16; 8],
    emphasis: i16,
}

impl Default for Gsm {
    fn default() -> Self {
        Self { residual: [0; 120], lag: 40, ratios: [0; 8], lattice: [0; 8], emphasis: 0 }
    }
}

impl Gsm {
    /// Appends the samples of a payload's frames.
    pub(super) fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>) {
        for frame in payload.chunks_exact(FRAME) {
            let mut bits = Bits { bytes: frame, at: 4 };
            let now = RATIOS.map(|coded| ratio(coded, bits.take(coded.bits)));
            let mut before = std::mem::replace(&mut self.ratios, now).into_iter();
            let ratios = now.map(|now| (before.next().unwrap_or(now), now));
            let mut stages = [0; 8];
            for block in 0..4 {
                for (at, sample) in (40 * block..).zip(self.long_term(&mut bits)) {
                    if matches!(at, 0 | 13 | 27 | 40) {
                        stages = ratios.map(|(before, now)| reflection(between(before, now, at)));
                    }
                    let sample = self.short_term(sample, &stages);
                    // De-emphasis, upscaling and truncation (§5.3.5 to §5.3.7).
                    self.emphasis = add(sample, product(self.emphasis, 28_180));
                    samples.push(add(self.emphasis, self.emphasis) & !7);
                }
            }
        }
    }

    /// The residual of 40 samples: pulses, and what was a lag ago (§5.3.2).
    fn long_term(&mut self, bits: &mut Bits<'_>) -> [i16; 40] {
        let lag = usize::from(bits.take(7).unsigned_abs());
        if (40..=120).contains(&lag) {
            self.lag = lag;
        }
        let gain = of(&GAINS, bits.take(2));
        let mut residual = pulses(bits);
        let past = self.residual.iter().skip(120 - self.lag);
        for (sample, past) in residual.iter_mut().zip(past) {
            *sample = add(*sample, product(gain, *past));
        }
        self.residual.rotate_left(40);
        for (kept, sample) in self.residual.iter_mut().skip(80).zip(residual) {
            *kept = sample;
        }
        residual
    }

    /// One sample through the lattice (§5.3.4).
    fn short_term(&mut self, sample: i16, stages: &[i16; 8]) -> i16 {
        let mut sample = sample;
        let mut later: Option<&mut i16> = None;
        for (delay, stage) in self.lattice.iter_mut().zip(stages).rev() {
            sample = subtract(sample, product(*stage, *delay));
            if let Some(later) = later {
                *later = add(*delay, product(*stage, sample));
            }
            later = Some(delay);
        }
        if let Some(first) = later {
            *first = sample;
        }
        sample
    }
}

/// Thirteen pulses on one of four grids, scaled (§5.3.1).
fn pulses(bits: &mut Bits<'_>) -> [i16; 40] {
    let grid = usize::from(bits.take(2).unsigned_abs());
    let scale = bits.take(6);
    let mut exponent = if scale > 15 { (scale >> 3) - 1 } else { 0 };
    let mut mantissa = scale - (exponent << 3);
    if mantissa == 0 {
        (exponent, mantissa) = (-4, 15);
    }
    while mantissa <= 7 {
        (mantissa, exponent) = ((mantissa << 1) | 1, exponent - 1);
    }
    let factor = of(&MANTISSAS, mantissa - 8);
    let shift = 6 - exponent;
    let rounding = if shift == 0 { 0 } else { 1 << (shift - 1) };
    let mut pulses = [0; 40];
    for pulse in pulses.iter_mut().skip(grid).step_by(3).take(13) {
        let level = ((bits.take(3) << 1) - 7) << 12;
        *pulse = add(product(factor, level), rounding) >> shift;
    }
    pulses
}

/// A log area ratio of its code (§5.2.8).
fn ratio(coded: Coded, code: i16) -> i16 {
    let ratio = subtract(add(code, coded.least) << 10, coded.offset << 1);
    let ratio = product(coded.inverse, ratio);
    add(ratio, ratio)
}

/// A ratio from a frame's sample `at` on: from the frame before to this one in steps (§5.2.9.1).
fn between(before: i16, now: i16, at: usize) -> i16 {
    match at {
        ..13 => add(add(before >> 2, now >> 2), before >> 1),
        13..27 => add(before >> 1, now >> 1),
        27..40 => add(add(before >> 2, now >> 2), now >> 1),
        40.. => now,
    }
}

/// A reflection coefficient of its log area ratio (§5.2.9.2).
fn reflection(ratio: i16) -> i16 {
    let size = ratio.saturating_abs();
    let reflection = match size {
        ..11_059 => size << 1,
        11_059..20_070 => size + 11_059,
        20_070.. => add(size >> 2, 26_112),
    };
    if ratio < 0 { -reflection } else { reflection }
}

/// The recommendation's operations (§5.1): all of them saturate, and a product is rounded.
fn add(one: i16, other: i16) -> i16 {
    one.saturating_add(other)
}

fn subtract(one: i16, other: i16) -> i16 {
    one.saturating_sub(other)
}

fn product(one: i16, other: i16) -> i16 {
    let product = (i32::from(one) * i32::from(other) + 16_384) >> 15;
    i16::try_from(product).unwrap_or(i16::MAX)
}

/// What a table has for a code, which is never beyond it.
fn of<const LENGTH: usize>(table: &[i16; LENGTH], code: i16) -> i16 {
    table.get(usize::from(code.unsigned_abs())).copied().unwrap_or_default()
}

/// Numbers of a frame, the most significant bit of each first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// The next `width` bits, 8 at most.
    fn take(&mut self, width: u32) -> i16 {
        let mut value = 0;
        for _ in 0..width {
            let byte = self.bytes.get(self.at / 8).copied().unwrap_or(0);
            value = (value << 1) | i16::from((byte >> (7 - self.at % 8)) & 1);
            self.at += 1;
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::super::made;
    use super::*;

    fn decoded(payload: &[u8]) -> Vec<i16> {
        let mut samples = Vec::new();
        Gsm::default().decode(payload, &mut samples);
        samples
    }

    /// [`made::bytes`] with the signature of a frame at the beginning of each.
    fn frames() -> Vec<u8> {
        let mut bytes = made::bytes();
        for frame in bytes.chunks_mut(FRAME) {
            frame[0] = (SIGNATURE << 4) | (frame[0] & 0x0f);
        }
        bytes
    }

    /// Of the tone and of [`frames`], as libgsm has them.
    #[test]
    fn every_sample_is_that_of_another_decoder() {
        let tone = decoded(&made::hex(made::GSM));
        assert_eq!(made::sha256(&tone), made::GSM_HEARD);
        assert_eq!(
            made::sha256(&decoded(&frames())),
            "dfecee8ea5a7cf2c9bec4ede886bc58d8fe04cc6b7b793646582eaaed26b10c9"
        );
        made::assert_tone(&tone[160..], 8_000);
    }

    #[test]
    fn a_payload_is_whole_frames_or_none() {
        let frames = frames();
        assert!(is_whole(&[]) && is_whole(&frames) && is_whole(&frames[..2 * FRAME]));
        assert!(!is_whole(&frames[..FRAME - 1]) && !is_whole(&frames[1..=FRAME]));
        assert_eq!(decoded(&frames).len(), frames.len() / FRAME * 160);
    }
}
