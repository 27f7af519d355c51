//! Contacts: where somebody can be reached, and for how long (RFC 3261 §20.10), compared as URIs
//! are (§19.1.4).

use alloc::borrow::Cow;

use super::address::{Elements, element_parameter, uri};
use super::framing::number;
use super::uri::{host, split};
use crate::target::{canonical_host, unescaped};

/// An element of a Contact header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contact<'a> {
    /// Its URI as sent.
    pub(crate) uri: &'a [u8],
    /// Its `expires` parameter, in seconds.
    pub(crate) expires: Option<u64>,
}

/// The contacts of a Contact value, in order.
pub(crate) fn contacts(value: &[u8]) -> impl Iterator<Item = Contact<'_>> {
    Elements::of(value).filter_map(|element| {
        let expires = element_parameter(element, b"expires").and_then(number);
        Some(Contact { uri: uri(element)?, expires })
    })
}

/// A SIP URI in the form in which it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Comparable<'a> {
    secure: bool,
    /// User part and password, escapes decoded; never empty.
    pub(crate) user: Cow<'a, [u8]>,
    /// In lower case.
    pub(crate) host: Cow<'a, [u8]>,
    port: &'a [u8],
    parameters: &'a [u8],
}

/// Parameters that differ where one URI has them and the other not.
const NEVER_IGNORED: [&[u8]; 4] = [b"user", b"ttl", b"method", b"maddr"];

impl<'a> Comparable<'a> {
    /// A SIP or SIPS URI that names a user; of no other can it be said who is meant.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        let text = text.trim_ascii();
        let (scheme, rest) = text.split_at_checked(memchr::memchr(b':', text)?)?;
        let secure = scheme.eq_ignore_ascii_case(b"sips");
        if !secure && !scheme.eq_ignore_ascii_case(b"sip") {
            return None;
        }
        let rest = rest.get(1..)?;
        let (user, rest) = rest.split_at_checked(memchr::memchr(b'@', rest)?)?;
        let (place, tail) = split(rest.get(1..)?, |byte| matches!(byte, b';' | b'?'));
        let (parameters, headers) = split(tail, |byte| byte == b'?');
        let name = host(place);
        let port = match memchr::memrchr(b':', place) {
            Some(colon) if !name.contains(&b':') || place.contains(&b']') => {
                place.get(colon + 1..).filter(|port| port.iter().all(u8::is_ascii_digit))
            }
            _ => None,
        };
        let user = unescaped(user);
        if user.is_empty() || name.is_empty() || !headers.is_empty() {
            return None;
        }
        let port = port.unwrap_or_default();
        Some(Self { secure, user, host: canonical_host(name), port, parameters })
    }

    /// Whether both name the same, by RFC 3261 §19.1.4.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        self.secure == other.secure
            && self.user == other.user
            && self.host == other.host
            && self.port == other.port
            && self.agrees(other)
            && other.agrees(self)
    }

    /// Whether no parameter here says otherwise than the other URI.
    fn agrees(&self, other: &Self) -> bool {
        self.parameters().all(|(name, value)| {
            let there = other.parameters().find(|(other, _)| other.eq_ignore_ascii_case(name));
            match there {
                Some((_, other)) => unescaped(value).eq_ignore_ascii_case(&unescaped(other)),
                None => !NEVER_IGNORED.iter().any(|it| it.eq_ignore_ascii_case(name)),
            }
        })
    }

    fn parameters(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let parameters = self.parameters.split(|&byte| byte == b';').skip(1);
        parameters.map(|one| {
            let (name, value) = split(one, |byte| byte == b'=');
            (name.trim_ascii(), value.get(1..).unwrap_or_default().trim_ascii())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn equal(one: &str, other: &str) -> bool {
        let [one, other] = [one, other].map(|text| Comparable::parse(text.as_bytes()));
        let (Some(one), Some(other)) = (one, other) else { return false };
        assert_eq!(one.equals(&other), other.equals(&one));
        one.equals(&other)
    }

    #[test]
    fn uris_are_equal_as_the_examples_of_rfc_3261_are() {
        for (one, other) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
            ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
            ("sip:a@192.0.2.1:5070;ob;x=1", "sip:a@192.0.2.1:5070;X=1"),
            ("sip:a@[2001:db8::1]:5070", "sip:a@[2001:DB8:0::1]:5070"),
        ] {
            assert!(equal(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com:6000;transport=tcp", "sip:bob@biloxi.com"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:carol@chicago.com", "sips:carol@chicago.com"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;user=phone"),
            ("sip:carol@chicago.com;maddr=1.2.3.4", "sip:carol@chicago.com"),
            ("sip:a@[2001:db8::1]:5070", "sip:a@[2001:db8::1]:5071"),
            ("sip:a:pw@chicago.com", "sip:a@chicago.com"),
        ] {
            assert!(!equal(one, other), "{one} {other}");
        }
    }

    #[test]
    fn a_uri_that_names_no_user_is_equal_to_none() {
        for text in ["sip:192.0.2.1:5060", "sip:@192.0.2.1", "tel:+3225550100", "*", "sip:a@"] {
            assert_eq!(Comparable::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn each_contact_has_its_own_expiry() {
        let value = b"\"A, B\" <sip:a@192.0.2.1;ob>;q=0.5;expires=60, sip:b@192.0.2.2;expires=x, *";
        let found: Vec<_> = contacts(value).collect();
        let expected: [(&[u8], _); 3] =
            [(b"sip:a@192.0.2.1;ob", Some(60)), (b"sip:b@192.0.2.2", None), (b"*", None)];
        assert_eq!(found, expected.map(|(uri, expires)| Contact { uri, expires }));
    }

    proptest! {
        #[test]
        fn a_uri_is_equal_to_itself(
            user in "[a-z0-9%.+]{1,8}", host in "[a-z0-9.]{1,12}", tail in "(;[a-z]{1,4}(=[a-z0-9]{0,3})?){0,3}"
        ) {
            let text = std::format!("sip:{user}@{host}:5080{tail}");
            let parsed = Comparable::parse(text.as_bytes()).expect("a URI");
            // A parameter given twice with two values agrees with nothing, not even itself.
            let names: Vec<_> = parsed.parameters().map(|(name, _)| name).collect();
            let unique = names.iter().enumerate().all(|(at, it)| !names[..at].contains(it));
            prop_assert!(!unique || parsed.equals(&parsed));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let text = [b"sip:a@", bytes.as_slice()].concat();
            if let Some(uri) = Comparable::parse(&text) {
                let _ = uri.equals(&uri);
            }
            let _ = contacts(&bytes).count();
        }
    }
}
