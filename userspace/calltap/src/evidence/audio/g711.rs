//! G.711: one byte a sample, in either law (ITU-T G.711 tables 1 and 2).

/// Samples of the µ-law bytes, in the range of 16 bits.
const ULAW: [i16; 256] = table(false);

/// Samples of the A-law bytes, in the range of 16 bits.
const ALAW: [i16; 256] = table(true);

/// Which law.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Law {
    /// µ-law: PCMU.
    Mu,
    /// A-law: PCMA.
    A,
}

impl Law {
    /// Appends the samples of a payload.
    pub(super) fn decode(self, payload: &[u8], samples: &mut Vec<i16>) {
        let table = match self {
            Self::Mu => &ULAW,
            Self::A => &ALAW,
        };
        samples.extend(payload.iter().map(|byte| table[usize::from(*byte)]));
    }
}

const fn table(is_a: bool) -> [i16; 256] {
    let mut table = [0; 256];
    let (mut at, mut byte) = (0, 0);
    while at < table.len() {
        table[at] = if is_a { a_law(byte) } else { mu_law(byte) };
        (at, byte) = (at + 1, byte + 1);
    }
    table
}

/// Even bits are sent inverted; the magnitude is a mantissa of four bits within its segment, taken
/// at its middle.
const fn a_law(byte: i16) -> i16 {
    let byte = byte ^ 0x55;
    let mantissa = (byte & 0x0f) << 4;
    let magnitude = match (byte & 0x70) >> 4 {
        0 => mantissa + 8,
        segment => (mantissa + 0x108) << (segment - 1),
    };
    if byte & 0x80 == 0 { -magnitude } else { magnitude }
}

/// All bits are sent inverted; the segments begin at a bias of 33 in 14 bits, which is 132 in 16.
const fn mu_law(byte: i16) -> i16 {
    let byte = !byte & 0xff;
    let mantissa = ((byte & 0x0f) << 3) + 0x84;
    let magnitude = (mantissa << ((byte & 0x70) >> 4)) - 0x84;
    if byte & 0x80 == 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(law: Law, payload: &[u8]) -> Vec<i16> {
        let mut samples = Vec::new();
        law.decode(payload, &mut samples);
        samples
    }

    #[test]
    fn the_extremes_and_the_least_values_are_those_of_the_tables() {
        let mu = decoded(Law::Mu, &[0x00, 0x80, 0x7f, 0xff, 0x7e, 0xfe]);
        assert_eq!(mu, [-32124, 32124, 0, 0, -8, 8]);
        let a = decoded(Law::A, &[0x2a, 0xaa, 0x55, 0xd5]);
        assert_eq!(a, [-32256, 32256, -8, 8]);
    }

    #[test]
    fn both_laws_grow_with_the_magnitude_and_are_odd() {
        for (law, inverted) in [(Law::Mu, 0xff), (Law::A, 0xd5)] {
            let all: Vec<_> = (0..128_u8).map(|byte| byte ^ inverted).collect();
            let samples = decoded(law, &all);
            assert!(samples.is_sorted() && samples[0] >= 0, "{law:?}: {samples:?}");
            let negative: Vec<_> = all.iter().map(|byte| byte ^ 0x80).collect();
            let negative: Vec<_> = decoded(law, &negative).iter().map(|it| -it).collect();
            assert_eq!(samples, negative, "{law:?}");
        }
    }

    /// ITU-T G.711 tables 5 and 6: a sine of 1 kHz at 0 dBm0, where the full load of a sine is at
    /// 3.17 dBm0 in µ-law and 3.14 dBm0 in A-law.
    #[test]
    fn the_digital_milliwatt_has_the_power_of_a_milliwatt() {
        let milliwatts: [(Law, [u8; 8], f64, f64); 2] = [
            (Law::Mu, [0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e], 32_636.0, 317.0),
            (Law::A, [0x34, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4], 32_768.0, 314.0),
        ];
        for (law, bytes, load, hundredths) in milliwatts {
            let samples = decoded(law, &bytes);
            let power = samples.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>() / 8.0;
            let dbm0 = 10.0 * (power / (load * load / 2.0)).log10() + hundredths / 100.0;
            assert!(dbm0.abs() < 0.05, "{law:?}: {dbm0} dBm0 of {samples:?}");
        }
    }
}
