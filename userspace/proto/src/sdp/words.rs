//! What lines of a session description are made of: words, numbers, addresses (RFC 8866 §9).

use core::net::IpAddr;

/// Words apart by white space.
pub(super) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty())
}

/// A number of digits alone that fits.
pub(super) fn decimal<T: core::str::FromStr>(text: &[u8]) -> Option<T> {
    // A sign is no digit, though `parse` takes it.
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| core::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

/// An address, without the brackets and the zone (RFC 4007 §11) that some write.
///
/// A mapped IPv4 address is the IPv4 address, as that is what its packets have.
pub(super) fn ip_address(text: &[u8]) -> Option<IpAddr> {
    let text = text.strip_prefix(b"[").and_then(|t| t.strip_suffix(b"]")).unwrap_or(text);
    let text = text.split(|&byte| byte == b'%').next()?;
    let address: IpAddr = core::str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

/// The first line, which ends with CRLF, LF or, against the rules, CR alone; and what follows.
pub(super) fn split_line(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr2(b'\r', b'\n', text).and_then(|end| text.split_at_checked(end)) {
        Some((line, rest)) => {
            let end = if rest.starts_with(b"\r\n") { 2 } else { 1 };
            (line, rest.get(end..))
        }
        None => (text, None),
    }
}
