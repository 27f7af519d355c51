//! Targets as a warrant writes them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::net::IpAddr;

use super::number::{self, MAX_DIGITS};
use super::{BadTarget, Identity};

/// Reads a target: `sip:user@host`, `sip:user@*`, `sip:host`, `tel:+digits`, `ip:address/length`.
///
/// # Errors
///
/// [`BadTarget`] says what a target should look like.
pub fn parse(text: &str) -> Result<Identity, BadTarget> {
    let text = text.trim();
    let (scheme, rest) = text.split_once(':').ok_or(BadTarget::Scheme)?;
    match scheme.to_ascii_lowercase().as_str() {
        "sip" | "sips" => sip(rest),
        "tel" => tel(rest),
        "ip" => network(rest),
        _ => Err(BadTarget::Scheme),
    }
}

fn sip(text: &str) -> Result<Identity, BadTarget> {
    let (user, rest) = match text.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, text),
    };
    let user = match user {
        None => None,
        Some(user) => {
            let (user, _password) = user.split_once(':').unwrap_or((user, ""));
            Some(unescape(user)?).filter(|user| !user.is_empty()).ok_or(BadTarget::Nobody)?.into()
        }
    };
    let rest = rest.split([';', '?']).next().unwrap_or_default();
    if rest == "*" {
        // Anybody anywhere is no target.
        return match user {
            Some(user) if user != "*" => Ok(Identity::Sip { user: Some(user), host: None }),
            _ => Err(BadTarget::Nobody),
        };
    }
    if rest.is_empty() && user.is_none() {
        return Err(BadTarget::Nobody);
    }
    let host = host(rest).ok_or(BadTarget::Host)?;
    Ok(Identity::Sip { user, host: Some(host) })
}

/// Host of `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address, as it is compared.
fn host(text: &str) -> Option<String> {
    let host = if let Some(rest) = text.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        let port_follows = after.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
        (after.is_empty() || port_follows).then_some(address)?
    } else if text.parse::<IpAddr>().is_ok() {
        text
    } else {
        match text.split_once(':') {
            Some((host, port)) => port.parse::<u16>().is_ok().then_some(host)?,
            None => text,
        }
    };
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    (!host.is_empty() && host.chars().all(fits)).then_some(host)
}

fn unescape(text: &str) -> Result<String, BadTarget> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || rest.next().and_then(|&digit| char::from(digit).to_digit(16));
            let (Some(high), Some(low)) = (digit(), digit()) else {
                return Err(BadTarget::Escape);
            };
            bytes.push(u8::try_from(high * 16 + low).map_err(|_| BadTarget::Escape)?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| BadTarget::Escape)
}

/// Writes a user part so that [`parse`] reads it back: what RFC 3261 §25.1 does not list as
/// unreserved or user-unreserved is escaped.
pub(super) fn write_escaped(f: &mut fmt::Formatter<'_>, user: &str) -> fmt::Result {
    for byte in user.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/#".contains(&byte) {
            f.write_char(char::from(byte))?;
        } else {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}

fn tel(text: &str) -> Result<Identity, BadTarget> {
    let text = text.split(';').next().unwrap_or_default();
    let mut buffer = [0; MAX_DIGITS];
    let (digits, global) = number::digits(text.as_bytes(), &mut buffer).ok_or(BadTarget::Number)?;
    if global && !(digits.len() <= 15 && digits.iter().all(u8::is_ascii_digit)) {
        return Err(BadTarget::Number);
    }
    let digits = core::str::from_utf8(digits).map_err(|_| BadTarget::Number)?;
    Ok(Identity::Number { digits: digits.into(), global })
}

fn network(text: &str) -> Result<Identity, BadTarget> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let address: IpAddr = address.parse().map_err(|_| BadTarget::Network)?;
    let width: u8 = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        Some(length) => length.parse::<u8>().map_err(|_| BadTarget::Network)?,
        None => width,
    };
    // A prefix of no bits would be everybody.
    if length == 0 || length > width {
        return Err(BadTarget::Network);
    }
    let free = width - length;
    let behind = match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    if free > 0 && behind & ((1 << free) - 1) != 0 {
        return Err(BadTarget::HostBits);
    }
    Ok(Identity::Network { address, length })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    #[test]
    fn a_target_is_written_in_one_way() {
        let cases = [
            ("sip:alice@example.net", "sip:alice@example.net"),
            ("sips:alice@Example.NET:5061;transport=tls", "sip:alice@example.net"),
            ("sip:alice:secret@example.net", "sip:alice@example.net"),
            ("SIP:%61lice@example.net.", "sip:alice@example.net"),
            ("sip:a%20b@example.net", "sip:a%20b@example.net"),
            ("sip:alice@*", "sip:alice@*"),
            ("sip:example.net:5060", "sip:example.net"),
            ("sip:192.0.2.1:5060", "sip:192.0.2.1"),
            ("sip:alice@[2001:DB8::1]:5060", "sip:alice@[2001:db8::1]"),
            ("sip:alice@2001:db8:0::1", "sip:alice@[2001:db8::1]"),
            ("tel:+32-2-555-01-00", "tel:+3225550100"),
            ("tel:0255501;phone-context=example.net", "tel:0255501"),
            ("ip:192.0.2.0/28", "ip:192.0.2.0/28"),
            ("ip:192.0.2.1", "ip:192.0.2.1/32"),
            ("ip:2001:db8::/32", "ip:2001:db8::/32"),
        ];
        for (text, canonical) in cases {
            let identity = parse(text).expect(text);
            assert_eq!(identity.to_string(), canonical, "{text}");
            assert_eq!(parse(canonical).expect(canonical), identity, "{text}");
        }
    }

    #[test]
    fn what_names_nobody_or_everybody_is_refused() {
        let cases = [
            ("", BadTarget::Scheme),
            ("alice", BadTarget::Scheme),
            ("mailto:alice@example.net", BadTarget::Scheme),
            ("sip:", BadTarget::Nobody),
            ("sip:*", BadTarget::Nobody),
            ("sip:*@*", BadTarget::Nobody),
            ("sip:@example.net", BadTarget::Nobody),
            ("sip:alice@", BadTarget::Host),
            ("sip:alice@exa mple", BadTarget::Host),
            ("sip:alice@example.net:port", BadTarget::Host),
            ("sip:a%2@example.net", BadTarget::Escape),
            ("sip:a%zz@example.net", BadTarget::Escape),
            ("tel:", BadTarget::Number),
            ("tel:+alice", BadTarget::Number),
            ("tel:+1234567890123456", BadTarget::Number),
            ("ip:192.0.2.1/33", BadTarget::Network),
            ("ip:0.0.0.0/0", BadTarget::Network),
            ("ip:example.net", BadTarget::Network),
            ("ip:192.0.2.1/28", BadTarget::HostBits),
            ("ip:2001:db8::1/64", BadTarget::HostBits),
        ];
        for (text, why) in cases {
            assert_eq!(parse(text), Err(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = parse(&text);
        }

        #[test]
        fn reading_what_was_written_gives_the_same(user in "[^:@]{1,12}", host in "[a-z][a-z0-9.-]{0,9}[a-z]") {
            let identity = Identity::Sip { user: Some(user), host: Some(host) };
            prop_assert_eq!(parse(&identity.to_string()), Ok(identity));
        }
    }
}
