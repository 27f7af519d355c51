//! The encodings that are decoded, by their names in session descriptions (RFC 3551 §4.5, §6).

use super::g711::Law;
use super::g722::G722;
use super::gsm::{self, Gsm};
#[cfg(feature = "opus")]
use super::opus::{self, Opus};

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    /// ITU-T G.711 in either law.
    G711(Law),
    /// ITU-T G.722 at 64 kbit/s.
    G722,
    /// GSM full rate.
    Gsm,
    /// Opus.
    #[cfg(feature = "opus")]
    Opus,
}

impl Codec {
    /// By its encoding name in capitals.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "PCMU" => Some(Self::G711(Law::Mu)),
            "PCMA" => Some(Self::G711(Law::A)),
            "G722" => Some(Self::G722),
            "GSM" => Some(Self::Gsm),
            #[cfg(feature = "opus")]
            "OPUS" => Some(Self::Opus),
            _ => None,
        }
    }

    /// Units of the time stamps in a second: for G.722, too, by an error that was kept
    /// (RFC 3551 §4.5.2).
    pub(super) fn clock(self) -> u32 {
        match self {
            Self::G711(_) | Self::G722 | Self::Gsm => 8000,
            #[cfg(feature = "opus")]
            Self::Opus => opus::RATE,
        }
    }

    /// Samples a second.
    pub(super) fn rate(self) -> u32 {
        match self {
            Self::G711(_) | Self::Gsm => 8000,
            Self::G722 => 16_000,
            #[cfg(feature = "opus")]
            Self::Opus => opus::RATE,
        }
    }

    /// Whether a payload is made of what this decodes.
    pub(super) fn fits(self, payload: &[u8]) -> bool {
        match self {
            Self::Gsm => gsm::is_whole(payload),
            // Of Opus its decoder says so.
            _ => true,
        }
    }
}

/// Decodes one stream; all but G.711 remember what came before.
#[derive(Debug)]
pub(super) enum Decoder {
    G711(Law),
    G722(Box<G722>),
    Gsm(Box<Gsm>),
    #[cfg(feature = "opus")]
    Opus(Box<Opus>),
}

impl Decoder {
    /// At the beginning of a stream.
    pub(super) fn new(codec: Codec) -> Self {
        match codec {
            Codec::G711(law) => Self::G711(law),
            Codec::G722 => Self::G722(Box::default()),
            Codec::Gsm => Self::Gsm(Box::default()),
            #[cfg(feature = "opus")]
            Codec::Opus => Self::Opus(Box::default()),
        }
    }

    /// Appends the samples of a payload; `None` where it is none of this encoding's.
    pub(super) fn decode(&mut self, payload: &[u8], samples: &mut Vec<i16>) -> Option<()> {
        match self {
            Self::G711(law) => law.decode(payload, samples),
            Self::G722(g722) => g722.decode(payload, samples),
            Self::Gsm(gsm) => gsm.decode(payload, samples),
            #[cfg(feature = "opus")]
            Self::Opus(opus) => opus.decode(payload, samples)?,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [(&str, usize, usize); 4] =
        [("PCMU", 1, 1), ("PCMA", 1, 1), ("G722", 1, 2), ("GSM", 33, 160)];

    proptest! {
        #[test]
        fn any_bytes_are_decoded_to_as_many_samples_as_they_are_for(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..8)
        ) {
            for (name, bytes, samples) in NAMES {
                let mut decoder = Decoder::new(Codec::named(name).unwrap());
                for payload in &payloads {
                    let mut heard = Vec::new();
                    prop_assert!(decoder.decode(payload, &mut heard).is_some());
                    prop_assert_eq!(heard.len(), payload.len() / bytes * samples, "{}", name);
                }
            }
        }
    }
}
