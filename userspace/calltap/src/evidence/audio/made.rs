//! Bytes that are decoded in tests, and what their samples are judged by.

use sha2::{Digest as _, Sha256};

/// 40 ms of a tone of 1 kHz at half of full scale, by `ffmpeg -f lavfi -i
/// "aevalsrc='0.5*sin(2*PI*1000*t)':s=16000:d=0.04" -f g722 tone.g722`.
pub(super) const G722: &str = "\
    b78c21882290a0a020af48c6c9dae8e4e678ccc8cbdde8e5e8fa4dca8ddfeae6eafdcfcb8ffeeca8ebffcecc8ffd\
    eca8ec7fcf8dd1beeeeaeefed1ce93fbefeb6fff93d093fbafec6efd93d0d3bbf1ebf17cd5d094feefadf07ad491\
    d6fbf1adf07bd4d197faf3ef72fbd69496fbf2ee71fad79697fcf2f070fcd7d397bef7f171ff965397fef9ef75fb\
    d5d298dbf2f3f3ffd9d398dbf2b273bcdad493fcf6f172fddbd396dcb8ee76fad7d592def7b4f0fdd7d2d39cfef4\
    f3dbd9ce94d5bcf4f9dcd1d08fdaddbc7998d0cd92d5db7adeda92cfd490def9dfddd1d292d7fdfdf9ddd4d193dc\
    dcf7779f9cce99d7b874f6fcd9d294d7f577f7fb99d4d19ff6f773fb9bd6d49af3f771f797db945cb772f0f8dbd5\
    d69ff5f2f2fcdfd398d8f5ef79b4d9d39bdcf9eff8f3d2db97ffbceef6fdd9d39cd5f2b4719dd8d493779c6f";
/// What `ffmpeg -f g722 -i tone.g722 -f s16le - | sha256sum` prints.
pub(super) const G722_HEARD: &str =
    "d08f897a8bb0b0e06fd14caa81b264eeba88c6bbc00e60a5dd075398d1f5ae4e";

/// 80 ms of a tone of 1 kHz at half of full scale, by `ffmpeg -f lavfi -i
/// "aevalsrc='0.5*sin(2*PI*1000*t)':s=8000:d=0.08" -c:a libgsm -f gsm tone.gsm`.
pub(super) const GSM: &str = "\
    d47ce3e9a25037f0f8b468ea6c0d81237628ddbc668d09f06679ec46f8333d08df\
    d47dcb255a70a4a3c4c3358d6122078da7a7c5b122078ea7a7c551419986679947\
    d47dcb215aa14199866b9946f141998e6b9946d1c0aed64e46ea5180d6e2914594\
    d47ecb255a51a0baac5956e3a1611c96369c96f1611c96369c96f1c05672585673";
/// What `ffmpeg -c:a libgsm -f gsm -i tone.gsm -f s16le - | sha256sum` prints.
pub(super) const GSM_HEARD: &str =
    "b464bd3b6b0ce8ecbd841c8d25980c7263326d2c0c06b0dc7c0d25e1eb6936e6";

/// 100 ms of a tone of 1 kHz at half of full scale, by `ffmpeg -f lavfi -i
/// "aevalsrc='0.5*sin(2*PI*1000*t)':s=48000:d=0.1" -ac 1 -c:a libopus -b:a 12k -application voip
/// voice.opus`: SILK (RFC 6716 §4.2), in packets of 20 ms.
#[cfg(feature = "opus")]
pub(super) const OPUS: [&str; 6] = [
    "\
     48847a6f1ce02d2305e51de6089c003ec19b5aa3ab722bb869db7c1fb3f41675f9579d1b93457a36fd2b\
     9468",
    "\
     48af976987c6260250f256aac5c4d30cb50772960a546a1f806372b1abf2cf5fd74a678ee72ae67c0e7c\
     38ce81d22d80",
    "\
     48a66468cd9af41f62678ef06acb37bd3d5324a7e640e6ea82323f0c344721b2c1eeaf2788f95ae33302\
     2700a65c5c80",
    "\
     48a66468cd9af41f626792d4ec66cf245ac8c62fb531cd1fa89bc8cefae9132b0593e8545a7521d74594\
     b8879fd7b253dd2c36beec80",
    "\
     48a66468cd9af41f626792d4f200a8854480994cd9ecb11a22d85cbfef475adfb5dbf62b18290d7d96eb\
     b54b3432e945e020",
    "\
     48b6578fca6124053be681cb0c44200799365c83398fb418b4ce90886bd927debea0",
];
/// What `ffmpeg -c:a libopus -i voice.opus -f s16le - | sha256sum` prints; libopus has the first 312
/// samples left out, as the file says.
#[cfg(feature = "opus")]
pub(super) const OPUS_HEARD: &str =
    "dc78bc6f9a2411f41c1212aeceb28814232a5c750c162e6782d8f75175f492b7";

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
