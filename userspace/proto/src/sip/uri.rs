//! SIP and tel URIs, as far as they say who is meant (RFC 3261 §19.1, RFC 3966).

/// A URI split into parts; everything as sent, escapes not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    /// sip, sips or tel.
    pub scheme: Scheme,
    /// User part without a password; in a tel URI the number.
    pub user: Option<&'a [u8]>,
    /// Host without port and brackets; empty in a tel URI.
    pub host: &'a [u8],
    /// Whether the user part is a telephone number by `user=phone` (RFC 3261 §19.1.1).
    pub user_is_phone: bool,
    /// Where a number without a country code is one: `phone-context` (RFC 3966 §5.1.5).
    pub context: Option<&'a [u8]>,
}

/// The schemes that a target can be named with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `sip:` and `sips:`: the same person.
    Sip,
    /// `tel:`
    Tel,
}

impl<'a> Uri<'a> {
    /// Splits a URI; none where the scheme is another one.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let text = text.trim_ascii();
        let colon = memchr::memchr(b':', text.get(..5).unwrap_or(text))?;
        let (scheme, rest) = text.split_at_checked(colon)?;
        let rest = rest.get(1..)?;
        if scheme.eq_ignore_ascii_case(b"tel") {
            let (number, parameters) = split(rest, |byte| matches!(byte, b';' | b'?'));
            return Some(Self {
                scheme: Scheme::Tel,
                user: Some(number),
                host: b"",
                user_is_phone: true,
                context: context(parameters),
            });
        }
        if !scheme.eq_ignore_ascii_case(b"sip") && !scheme.eq_ignore_ascii_case(b"sips") {
            return None;
        }
        // A user part may hold all that ends a host, so the @ is looked for first.
        let (user, rest) = match end_of_user(rest) {
            Some(at) => {
                let (userinfo, rest) = rest.split_at_checked(at)?;
                let (user, _password) = split(userinfo, |byte| byte == b':');
                (Some(user), rest.get(1..)?)
            }
            None => (None, rest),
        };
        let (host_and_port, tail) =
            split(rest, |byte| matches!(byte, b';' | b'?' | b'@' | b'>' | b'/' | b' '));
        let (parameters, _headers) = split(tail, |byte| byte == b'?');
        let user_is_phone = parameters
            .split(|&byte| byte == b';')
            .any(|parameter| parameter.trim_ascii().eq_ignore_ascii_case(b"user=phone"));
        let context = user.and_then(context);
        Some(Self { scheme: Scheme::Sip, user, host: host(host_and_port), user_is_phone, context })
    }
}

/// The @ behind the user part: the first, or where another one follows it in what would be the
/// host, that one, as a host holds none and a user part may be anything that somebody made up.
fn end_of_user(text: &[u8]) -> Option<usize> {
    let first = memchr::memchr(b'@', text)?;
    let (host, _) = split(text.get(first + 1..)?, |byte| b";?>, ".contains(&byte));
    Some(memchr::memrchr(b'@', host).map_or(first, |at| first + 1 + at))
}

/// The value of `phone-context` among the parameters behind a number.
fn context(text: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"phone-context=";
    text.split(|&byte| byte == b';').find_map(|parameter| {
        let (name, value) = parameter.split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME).then_some(value)
    })
}

/// Without brackets and port.
///
/// An IPv6 address without brackets, which is wrong and occurs, is taken whole: what follows its
/// last colon may be a port or belong to the address.
pub(super) fn host(text: &[u8]) -> &[u8] {
    if let Some(inside) = text.strip_prefix(b"[") {
        return split(inside, |byte| byte == b']').0;
    }
    let (host, port) = split(text, |byte| byte == b':');
    let port_has_colons = port.get(1..).is_some_and(|port| port.contains(&b':'));
    if port_has_colons { text } else { host }
}

pub(super) fn split(text: &[u8], at: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|&byte| at(byte)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, b""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_uri_says_user_and_host_without_port_password_and_parameters() {
        type Parts = Option<(&'static str, &'static str, bool)>;
        let cases: [(&str, Parts); 15] = [
            ("sip:alice@example.net", Some(("alice", "example.net", false))),
            ("SIPS:alice:pw@example.net:5061;lr", Some(("alice", "example.net", false))),
            ("sip:a;b?c/d@example.net?x=y", Some(("a;b?c/d", "example.net", false))),
            ("sip:+32-2@example.net;User=Phone", Some(("+32-2", "example.net", true))),
            ("sip:+32-2@example.net?user=phone", Some(("+32-2", "example.net", false))),
            ("sip:alice@[2001:db8::1]:5060", Some(("alice", "2001:db8::1", false))),
            ("sip:alice@2001:db8::1", Some(("alice", "2001:db8::1", false))),
            ("sip:example.net:5060", Some(("-", "example.net", false))),
            ("sip:@example.net", Some(("", "example.net", false))),
            ("sip:alice@example.net@evil", Some(("alice@example.net", "evil", false))),
            ("sip:alice@example.net;x=a@evil", Some(("alice", "example.net", false))),
            ("tel:+32-2-555;phone-context=x", Some(("+32-2-555", "", true))),
            ("mailto:alice@example.net", None),
            ("urn:service:sos", None),
            ("*", None),
        ];
        for (text, expected) in cases {
            let found = Uri::parse(text.as_bytes());
            let parts = found.map(|uri| (uri.user.unwrap_or(b"-"), uri.host, uri.user_is_phone));
            assert_eq!(
                parts,
                expected.map(|(user, host, phone)| (user.as_bytes(), host.as_bytes(), phone)),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Uri::parse(&bytes);
            let _ = Uri::parse(&[b"sip:", bytes.as_slice()].concat());
        }
    }
}
