//! Strict base64 (RFC 4648 §4): one spelling for each value, so that no changed byte goes unseen.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The padded base64 of `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3).saturating_mul(4));
    for group in bytes.chunks(3) {
        let value = group.iter().fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
        let missing = 3_usize.saturating_sub(group.len());
        let value = value << (8 * missing);
        for place in 0..4_usize {
            let digit = usize::try_from(value >> (18 - 6 * place) & 63).unwrap_or_default();
            let digit = ALPHABET.get(digit).copied().unwrap_or_default();
            text.push(if place + missing >= 4 { '=' } else { char::from(digit) });
        }
    }
    text
}

/// Decodes padded base64; `None` for any other spelling, spare bits that are not zero included.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let padding = text.bytes().rev().take_while(|&byte| byte == b'=').count();
    let digits = text.as_bytes().get(..text.len().checked_sub(padding)?)?;
    if padding > 2 || !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len());
    let (mut value, mut bits) = (0_u32, 0_u32);
    for digit in digits {
        let digit = ALPHABET.iter().position(|known| known == digit)?;
        value = (value << 6) | u32::try_from(digit).ok()?;
        bits = bits.checked_add(6)?;
        if let Some(spare) = bits.checked_sub(8) {
            bytes.push(u8::try_from(value >> spare).ok()?);
            value &= (1 << spare) - 1;
            bits = spare;
        }
    }
    (value == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn the_vectors_of_rfc_4648_decode_and_encode() {
        let vectors = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        for (length, text) in vectors.into_iter().enumerate() {
            assert_eq!(decode(text).unwrap(), &b"foobar"[..length]);
            assert_eq!(encode(&b"foobar"[..length]), text);
        }
    }

    #[test]
    fn a_second_spelling_of_a_value_is_refused() {
        for text in ["Zh==", "Zm9=", "Zg=", "Zg", "Z===", "====", "Zm 9", "Zm9v\n", "Zg==Zg=="] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
