//! Telephone numbers without what people put between the digits (RFC 3966 §5.1.1).

/// The digits of a telephone number, and whether it began with `+`.
///
/// Visual separators are passed over; anything else, or no digit at all, makes it no number.
/// `buffer` takes the digits, so that nothing is allocated for a stranger's number.
pub(crate) fn digits<'b>(
    text: &[u8],
    buffer: &'b mut [u8; MAX_DIGITS],
) -> Option<(&'b [u8], bool)> {
    let (global, rest) = match text {
        [b'+', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut length = 0;
    for &byte in rest {
        match byte {
            b'0'..=b'9' | b'*' | b'#' => {
                *buffer.get_mut(length)? = byte;
                length += 1;
            }
            b'-' | b'.' | b'(' | b')' | b' ' => {}
            _ => return None,
        }
    }
    let digits = buffer.get(..length)?;
    (!digits.is_empty()).then_some((digits, global))
}

/// E.164 allows 15; service codes and national prefixes make some longer.
pub(crate) const MAX_DIGITS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_do_not_count_and_letters_are_no_number() {
        let cases: [(&str, Option<(&str, bool)>); 8] = [
            ("+3225550100", Some(("3225550100", true))),
            ("+32-2-555.01(00)", Some(("3225550100", true))),
            ("+32 2 555 01 00", Some(("3225550100", true))),
            ("*21#", Some(("*21#", false))),
            ("alice", None),
            ("+", None),
            ("", None),
            ("000000000000000000000000000000000", None),
        ];
        for (text, expected) in cases {
            let mut buffer = [0; MAX_DIGITS];
            let found = digits(text.as_bytes(), &mut buffer);
            assert_eq!(found, expected.map(|(d, g)| (d.as_bytes(), g)), "{text}");
        }
    }
}
