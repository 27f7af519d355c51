//! All targets of all warrants, looked up by what a message holds rather than one after another.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::number::{self, MAX_DIGITS};
use super::{Identity, Numbering};
use crate::sip::{Scheme, Uri};

/// A target of a warrant, by its places in the caller's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) warrant: usize,
    pub(crate) target: usize,
}

/// The host that must agree, none for any; and whose it is.
type AtHost = (Option<Vec<u8>>, Entry);

/// The targets by user, by host, by number and by network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// By user part with escapes decoded.
    users: BTreeMap<Vec<u8>, Vec<AtHost>>,
    /// Hosts of addresses without a user.
    hosts: BTreeMap<Vec<u8>, Vec<Entry>>,
    /// Numbers with their country code, by their digits.
    numbers: BTreeMap<Vec<u8>, Vec<Entry>>,
    /// Numbers as they are written without one: of targets that were given so, and the national
    /// forms of the others.
    local_numbers: BTreeMap<Vec<u8>, Vec<Entry>>,
    numbering: Numbering,
    networks: Vec<(IpAddr, u8, Entry)>,
}

impl Index {
    /// For targets whose numbers have these forms too.
    pub(crate) fn new(numbering: Numbering) -> Self {
        Self { numbering, ..Self::default() }
    }

    pub(crate) fn insert(&mut self, identity: &Identity, entry: Entry) {
        match identity {
            Identity::Sip { user: Some(user), host } => {
                let host = host.as_ref().map(|host| host.clone().into_bytes());
                self.users.entry(user.clone().into_bytes()).or_default().push((host, entry));
            }
            Identity::Sip { user: None, host } => {
                let host = host.clone().unwrap_or_default().into_bytes();
                self.hosts.entry(host).or_default().push(entry);
            }
            Identity::Number { digits, global: true } => {
                self.numbers.entry(digits.clone().into_bytes()).or_default().push(entry);
                for form in self.numbering.forms(digits) {
                    self.local_numbers.entry(form.into_bytes()).or_default().push(entry);
                }
            }
            Identity::Number { digits, global: false } => {
                self.local_numbers.entry(digits.clone().into_bytes()).or_default().push(entry);
            }
            Identity::Network { address, length } => {
                self.networks.push((*address, *length, entry));
            }
        }
    }

    /// Whether an address-of-record is compared by RFC 3261 §19.1.4, a number by its digits.
    pub(crate) fn uri(&self, uri: &Uri<'_>, found: &mut dyn FnMut(Entry)) {
        match (uri.scheme, uri.user) {
            (Scheme::Sip, None) => {
                if !self.hosts.is_empty() {
                    let entries = self.hosts.get(&canonical_host(uri.host)[..]);
                    entries.into_iter().flatten().for_each(|&entry| found(entry));
                }
            }
            (Scheme::Sip, Some(user)) => {
                self.user(user, uri.host, found);
                // Parameters of a number in a user part do not belong to the number; in any other
                // user part a semicolon is a character like all others (RFC 3261 §19.1.1).
                let number = until(user, b';');
                let is_number = |byte: &u8| byte.is_ascii_digit() || b"+-.()".contains(byte);
                if number.len() < user.len() && number.iter().all(is_number) {
                    self.user(number, uri.host, found);
                }
                if uri.user_is_phone || is_global(number) {
                    self.number(number, uri.context, found);
                }
            }
            (Scheme::Tel, Some(number)) => self.number(number, uri.context, found),
            (Scheme::Tel, None) => {}
        }
    }

    /// A user at a host, as in a SIP URI or in credentials.
    pub(crate) fn user(&self, user: &[u8], host: &[u8], found: &mut dyn FnMut(Entry)) {
        let entries = self.users.get(&unescaped(user)[..]);
        for (wanted, entry) in entries.into_iter().flatten() {
            if wanted.as_ref().is_none_or(|wanted| same_host(wanted, host)) {
                found(*entry);
            }
        }
    }

    /// A telephone number with any separators; one without a country code is of the country that
    /// its context names, if it names one.
    pub(crate) fn number(
        &self,
        number: &[u8],
        context: Option<&[u8]>,
        found: &mut dyn FnMut(Entry),
    ) {
        if self.numbers.is_empty() && self.local_numbers.is_empty() {
            return;
        }
        let mut buffer = [0; MAX_DIGITS];
        let Some((digits, global)) = number::digits(&unescaped(number), &mut buffer) else {
            return;
        };
        let mut all = |entries: Option<&Vec<Entry>>| {
            entries.into_iter().flatten().for_each(|&entry| found(entry));
        };
        let mut buffer = [0; MAX_DIGITS];
        let country = context.and_then(|context| number::digits(context, &mut buffer));
        match country {
            Some((country, true)) if !global => {
                all(self.numbers.get(&self.numbering.within(country, digits)));
            }
            _ => all(self.numbers.get(digits)),
        }
        if !global && country.is_none_or(|(country, _)| self.numbering.is_of(country)) {
            all(self.local_numbers.get(digits));
        }
    }

    /// An address a packet comes from or goes to.
    pub(crate) fn address(&self, address: IpAddr, found: &mut dyn FnMut(Entry)) {
        for &(network, length, entry) in &self.networks {
            if within(address, network, length) {
                found(entry);
            }
        }
    }
}

fn until(text: &[u8], end: u8) -> &[u8] {
    let end = memchr::memchr(end, text).unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}

/// Whether a user part begins as a number with its country code; some escape the plus.
pub(crate) fn is_global(user: &[u8]) -> bool {
    matches!(user, [b'+', ..] | [b'%', b'2', b'B' | b'b', ..])
}

/// `wanted` is canonical; the other is as sent.
fn same_host(wanted: &[u8], host: &[u8]) -> bool {
    let host = host.strip_suffix(b".").unwrap_or(host);
    host.eq_ignore_ascii_case(wanted)
        || (wanted.contains(&b':') && *wanted == *canonical_host(host))
}

/// Host as [`super::parse`] writes it: lower case, addresses in their one form.
pub(crate) fn canonical_host(host: &[u8]) -> Cow<'_, [u8]> {
    let host = host.strip_suffix(b".").unwrap_or(host);
    let address = core::str::from_utf8(host).ok().and_then(|text| {
        // An unbracketed IPv6 address may have a port behind its last colon.
        let without_port = || text.rsplit_once(':')?.0.parse().ok();
        text.parse::<IpAddr>().ok().or_else(without_port)
    });
    match address {
        Some(address) => Cow::Owned(address.to_string().into_bytes()),
        None if host.iter().any(u8::is_ascii_uppercase) => Cow::Owned(host.to_ascii_lowercase()),
        None => Cow::Borrowed(host),
    }
}

/// Escapes decoded (RFC 3261 §19.1.4); what is no escape stands for itself.
pub(crate) fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let escape = match after {
            [high, low, ..] if byte == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escape {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    Cow::Owned(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

pub(crate) fn within(address: IpAddr, network: IpAddr, length: u8) -> bool {
    let length = u32::from(length);
    match (address.to_canonical(), network.to_canonical()) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let differing = address.to_bits() ^ network.to_bits();
            differing.leading_zeros() >= length
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let differing = address.to_bits() ^ network.to_bits();
            differing.leading_zeros() >= length
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::parse;
    use proptest::prelude::*;

    fn matches(target: &str, uri: &str) -> bool {
        let mut index = Index::default();
        index.insert(&parse(target).expect(target), Entry { warrant: 0, target: 0 });
        let mut hit = false;
        if let Some(uri) = Uri::parse(uri.as_bytes()) {
            index.uri(&uri, &mut |_| hit = true);
        }
        hit
    }

    #[test]
    fn an_address_of_record_matches_by_user_and_host() {
        let alice = "sip:alice@example.net";
        let cases = [
            (alice, "sip:alice@example.net", true),
            (alice, "sips:alice@EXAMPLE.net.:5061;transport=tls?x=y", true),
            (alice, "sip:%61lice@example.net", true),
            (alice, "sip:alice:secret@example.net", true),
            (alice, "sip:alice;day=tuesday@example.net", false),
            (alice, "sip:Alice@example.net", false),
            (alice, "sip:alice@example.org", false),
            (alice, "sip:alice@sub.example.net", false),
            (alice, "sip:malice@example.net", false),
            (alice, "sip:example.net", false),
            (alice, "tel:alice", false),
            ("sip:alice@*", "sip:alice@198.51.100.7", true),
            ("sip:alice@*", "sip:bob@198.51.100.7", false),
            ("sip:192.0.2.1:5070", "sip:192.0.2.1", true),
            ("sip:192.0.2.1:5070", "sip:alice@192.0.2.1", false),
            ("sip:example.net", "sip:EXAMPLE.net:5060", true),
            ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]:5060", true),
            ("sip:a@[2001:db8::1]", "sip:a@2001:db8::1", true),
            ("sip:a@[2001:db8::1:2]", "sip:a@2001:db8::1:2", true),
            ("sip:a@[2001:db8:1:2:3:4:5:6]", "sip:a@2001:db8:1:2:3:4:5:6:5060", true),
            ("sip:0298;phone-context=x@y", "sip:0298;phone-context=x@y;user=phone", true),
        ];
        for (target, uri, expected) in cases {
            assert_eq!(matches(target, uri), expected, "{target} {uri}");
        }
    }

    #[test]
    fn a_number_matches_wherever_a_number_is_meant() {
        let number = "tel:+3225550100";
        let cases = [
            (number, "tel:+3225550100", true),
            (number, "tel:+32-2-555.01.00;ext=7", true),
            (number, "tel:3225550100", true),
            (number, "sip:+3225550100@example.net", true),
            (number, "sip:+32(2)5550100;ext=7@gateway.example;user=phone", true),
            (number, "sip:3225550100@example.net;user=phone", true),
            (number, "sip:%2B3225550100@example.net;user=phone", true),
            (number, "sip:3225550100@example.net", false),
            (number, "sip:+32255501000@example.net", false),
            (number, "tel:+3225550101", false),
            ("tel:0255501", "tel:0255501;phone-context=example.net", true),
            ("sip:+3225550100@example.net", "tel:+3225550100", false),
        ];
        for (target, uri, expected) in cases {
            assert_eq!(matches(target, uri), expected, "{target} {uri}");
        }
    }

    #[test]
    fn national_forms_match_where_they_are_configured_and_meant() {
        let numbering = Numbering {
            country: "32".into(),
            international: ["00".into()].into(),
            trunk: "0".into(),
        };
        let matches = |numbering: Numbering, uri: &str| {
            let mut index = Index::new(numbering);
            index.insert(&parse("tel:+3225550100").unwrap(), Entry { warrant: 0, target: 0 });
            let mut hits = 0;
            index.uri(&Uri::parse(uri.as_bytes()).unwrap(), &mut |_| hits += 1);
            hits > 0
        };
        for (uri, anyway, configured) in [
            ("tel:025550100;phone-context=+32", false, true),
            ("tel:25550100;phone-context=+32", true, true),
            ("tel:02-555.01.00;isub=1;phone-context=+32", false, true),
            ("sip:025550100;phone-context=+32@gw.example;user=phone", false, true),
            ("sip:025550100@gw.example;user=phone", false, true),
            ("sip:003225550100@gw.example;user=phone", false, true),
            ("tel:+32255501000", false, false),
            ("tel:025550100;phone-context=+49", false, false),
            ("tel:25550100;phone-context=+49", false, false),
            ("tel:3225550100;phone-context=+49", false, false),
            // An extension of somebody's own, and no telephone number.
            ("sip:025550100@pbx.example", false, false),
        ] {
            assert_eq!(matches(Numbering::default(), uri), anyway, "{uri}, nothing configured");
            assert_eq!(matches(numbering.clone(), uri), configured, "{uri}, configured");
        }
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let cases = [
            ("ip:192.0.2.0/28", "192.0.2.15", true),
            ("ip:192.0.2.0/28", "::ffff:192.0.2.15", true),
            ("ip:192.0.2.0/28", "192.0.2.16", false),
            ("ip:192.0.2.1", "192.0.2.1", true),
            ("ip:2001:db8::/32", "2001:db8:ffff::1", true),
            ("ip:2001:db8::/32", "2001:db9::1", false),
            ("ip:2001:db8::/32", "192.0.2.1", false),
        ];
        for (target, address, expected) in cases {
            let mut index = Index::default();
            index.insert(&parse(target).unwrap(), Entry { warrant: 0, target: 0 });
            let mut hit = false;
            index.address(address.parse().unwrap(), &mut |_| hit = true);
            assert_eq!(hit, expected, "{target} {address}");
        }
    }

    proptest! {
        #[test]
        fn a_target_matches_the_uri_it_is_written_as(user in "[a-zA-Z0-9+;%. -]{1,12}", host in "[a-z]{1,8}") {
            let identity = Identity::Sip { user: Some(user), host: Some(host) };
            prop_assert!(matches(&identity.to_string(), &identity.to_string()));
        }

        #[test]
        fn no_uri_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut index = Index::default();
            index.insert(&parse("tel:+3225550100").unwrap(), Entry { warrant: 0, target: 0 });
            index.insert(&parse("sip:a@*").unwrap(), Entry { warrant: 0, target: 0 });
            index.insert(&parse("sip:example.net").unwrap(), Entry { warrant: 0, target: 0 });
            if let Some(uri) = Uri::parse(&[b"sip:", bytes.as_slice()].concat()) {
                index.uri(&uri, &mut |_| {});
            }
        }
    }
}
