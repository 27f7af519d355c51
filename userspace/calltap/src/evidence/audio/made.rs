//! Bytes that are decoded in tests, and what their samples are judged by.

use sha2::{Digest as _, Sha256};

/// Ten thousand frames of 33 bytes without any meaning; another decoder is given what
/// `python3 -c "import sys; x = 1; sys.stdout.buffer.write(bytes((x := (x * 1103515245 + 12345) % 2**31)
/// >> 16 & 255 for _ in range(330000)))"` writes.
pub(super) fn bytes() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345) % (1 << 31);
        state.to_be_bytes()[1]
    };
    (0..330_000).map(|_| next()).collect()
}

/// Bytes of their digits.
pub(super) fn hex(digits: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.as_bytes().chunks(2).map(byte).collect()
}

/// The hash of samples as they stand in a file, the low byte first.
pub(super) fn sha256(samples: &[i16]) -> String {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Fails unless nearly all that is heard is a tone of 1 kHz at half of full scale.
pub(super) fn assert_tone(samples: &[i16], rate: u32) {
    let turn = std::f64::consts::TAU * 1000.0 / f64::from(rate);
    let count = samples.len() as f64;
    let (mut sine, mut cosine, mut all) = (0.0, 0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        let (sample, angle) = (f64::from(*sample), turn * at as f64);
        (sine, cosine) = (sine + sample * angle.sin(), cosine + sample * angle.cos());
        all += sample * sample;
    }
    let power = 2.0 * (sine * sine + cosine * cosine) / count;
    let amplitude = (2.0 * all / count).sqrt();
    assert!(power / all > 0.97, "{} of the power", power / all);
    assert!((amplitude - 16_384.0).abs() < 1500.0, "{amplitude}");
}
