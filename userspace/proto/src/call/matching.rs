//! Which warrants a message belongs to by what it says.

use alloc::borrow::Cow;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::bindings::{Bindings, Registration};
use super::path::Path;
use crate::sip::{self, Clue, Header, Message, StartLine, Uri};
use crate::target::{Entry, Identity, Index, Numbering, is_global};
use crate::time::Timestamp;
use crate::warrant::{Excluded, Warrant};

/// The warrants, and where to look their targets up.
#[derive(Debug, Default)]
pub(super) struct Warrants {
    pub(super) list: Vec<Warrant>,
    pub(super) index: Index,
    /// Parties that are excluded: an entry's target is its place among these.
    pub(super) excluded: Index,
    numbering: Numbering,
    pub(super) bindings: Bindings,
}

/// A target that a message names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit<'a> {
    entry: Entry,
    place: Place,
    /// What `Matched::header` says.
    pub(super) header: &'static str,
    /// What `Matched::value` says.
    pub(super) value: Cow<'a, [u8]>,
    /// What `Matched::is_contact` says.
    pub(super) is_contact: bool,
}

const REQUEST_URI: &str = "Request-URI";
const IP: &str = "IP";
const UNPARSED: &str = "unparsed";

/// Where a target may be named, the most telling place first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    From,
    To,
    PAssertedIdentity,
    PPreferredIdentity,
    RemotePartyId,
    RequestUri,
    Contact,
    Diversion,
    HistoryInfo,
    ReferTo,
    ReferredBy,
    Authorization,
    ProxyAuthorization,
    /// A contact that a target registered.
    Bound,
    Ip,
    Unparsed,
}

impl Place {
    /// The header fields looked into by default; Contact says who registers and nothing else.
    pub(super) fn of(header: Header, method: &[u8]) -> Option<Self> {
        Some(match header {
            Header::From => Self::From,
            Header::To => Self::To,
            Header::PAssertedIdentity => Self::PAssertedIdentity,
            Header::PPreferredIdentity => Self::PPreferredIdentity,
            Header::RemotePartyId => Self::RemotePartyId,
            Header::Contact if method == b"REGISTER" => Self::Contact,
            Header::Diversion => Self::Diversion,
            Header::HistoryInfo => Self::HistoryInfo,
            Header::ReferTo => Self::ReferTo,
            Header::ReferredBy => Self::ReferredBy,
            Header::Authorization => Self::Authorization,
            Header::ProxyAuthorization => Self::ProxyAuthorization,
            _ => return None,
        })
    }
}

impl Warrants {
    /// Says in which other forms their targets' numbers are written.
    pub(super) fn set_numbering(&mut self, numbering: Numbering) {
        self.numbering = numbering;
        self.replace(self.list.clone());
    }

    /// Takes the place of the warrants before; a CIN is never given twice.
    pub(super) fn replace(&mut self, mut warrants: Vec<Warrant>) {
        let mut index = Index::new(self.numbering.clone());
        let mut excluded = Index::new(self.numbering.clone());
        for (place, warrant) in warrants.iter_mut().enumerate() {
            if let Some(before) = self.get(warrant.id) {
                warrant.next_cin = warrant.next_cin.max(before.next_cin);
            }
            for (target, identity) in warrant.targets.iter().enumerate() {
                index.insert(identity, Entry { warrant: place, target });
            }
            for (target, Excluded { party, .. }) in warrant.excluded.iter().enumerate() {
                excluded.insert(party, Entry { warrant: place, target });
            }
        }
        self.list = warrants;
        (self.index, self.excluded) = (index, excluded);
        let Self { bindings, list, .. } = self;
        bindings.retain(|id, target| {
            let warrant = list.iter().find(|warrant| warrant.id == id);
            warrant.is_some_and(|it| it.targets.contains(target) || it.excludes(target).is_some())
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn get(&self, id: u32) -> Option<&Warrant> {
        self.list.iter().find(|warrant| warrant.id == id)
    }

    pub(super) fn of(&self, hit: &Hit<'_>) -> Option<(&Warrant, &Identity)> {
        let warrant = self.list.get(hit.entry.warrant)?;
        Some((warrant, warrant.targets.get(hit.entry.target)?))
    }

    /// The next call's number under this warrant.
    pub(super) fn draw_cin(&mut self, id: u32) -> Option<u32> {
        let warrant = self.list.iter_mut().find(|warrant| warrant.id == id)?;
        let cin = warrant.next_cin;
        warrant.next_cin = cin.saturating_add(1);
        Some(cin)
    }

    /// Takes note of a registration, and of where it binds a target, or a party that is excluded.
    pub(super) fn register(&mut self, at: Timestamp, message: &Message<'_>, path: Path) {
        let Some(registration) = Registration::of(message) else { return };
        let Some(uri) = Uri::parse(registration.address) else { return };
        let Self { list, index, excluded, bindings, .. } = self;
        let in_force = |place: usize| list.get(place).filter(|warrant| warrant.in_force(at));
        let mut targets = Vec::new();
        index.uri(&uri, &mut |Entry { warrant, target }| {
            let warrant = in_force(warrant);
            targets.extend(warrant.and_then(|it| Some((it.id, it.targets.get(target)?))));
        });
        excluded.uri(&uri, &mut |Entry { warrant, target }| {
            let warrant = in_force(warrant);
            targets.extend(warrant.and_then(|it| Some((it.id, &it.excluded.get(target)?.party))));
        });
        if !targets.is_empty() {
            bindings.learn(at, path, &registration, &targets);
        }
    }

    /// The warrants in force that a message belongs to: the most telling hit of each.
    pub(super) fn message<'a>(
        &self,
        at: Timestamp,
        message: &Message<'a>,
        path: Path,
    ) -> Vec<Hit<'a>> {
        let mut hits = Hits { warrants: self, at, list: Vec::new() };
        if let StartLine::Request { uri, .. } = message.start {
            hits.uri(Place::RequestUri, REQUEST_URI, uri);
        }
        let may_be_bound = !self.bindings.is_empty() && message.method() != b"REGISTER";
        if let StartLine::Request { uri, .. } = message.start
            && may_be_bound
        {
            hits.contact(REQUEST_URI, uri);
        }
        for field in message.fields() {
            let Some(header) = Header::named(field.name) else { continue };
            if header == Header::Contact && may_be_bound {
                sip::uris(field.value).for_each(|uri| hits.contact(header.name(), uri));
            }
            let Some(place) = Place::of(header, message.method()) else { continue };
            match place {
                Place::Authorization | Place::ProxyAuthorization => {
                    hits.credentials(place, header.name(), field.value);
                }
                _ => sip::uris(field.value).for_each(|uri| hits.uri(place, header.name(), uri)),
            }
        }
        hits.address(path.source.ip());
        hits.address(path.destination.ip());
        hits.in_order()
    }

    /// The same for bytes that are no message but hold URIs.
    pub(super) fn unparsed<'a>(
        &self,
        at: Timestamp,
        payload: &'a [u8],
        path: Path,
    ) -> Vec<Hit<'a>> {
        let mut hits = Hits { warrants: self, at, list: Vec::new() };
        let mut clues = sip::clues(payload).peekable();
        if clues.peek().is_some() {
            hits.address(path.source.ip());
            hits.address(path.destination.ip());
        }
        for clue in clues {
            if let Clue::Uri(uri) = clue {
                hits.uri(Place::Unparsed, UNPARSED, uri);
            }
        }
        hits.in_order()
    }
}

/// Whose credentials a value has: `Digest username="alice", realm="example.net"`.
pub(super) struct Account<'a> {
    name: &'a [u8],
    pub(super) user: &'a [u8],
    pub(super) host: &'a [u8],
}

impl<'a> Account<'a> {
    /// The name may hold a realm of its own.
    pub(super) fn of(value: &'a [u8]) -> Option<Self> {
        let name = sip::credential(value, b"username")?;
        let (user, host) = match memchr::memchr(b'@', name) {
            Some(at) => (name.get(..at), name.get(at + 1..)),
            None => (Some(name), sip::credential(value, b"realm")),
        };
        Some(Self { name, user: user.unwrap_or_default(), host: host.unwrap_or_default() })
    }
}

struct Hits<'w, 'a> {
    warrants: &'w Warrants,
    at: Timestamp,
    list: Vec<Hit<'a>>,
}

impl<'a> Hits<'_, 'a> {
    /// In the order of the warrants.
    fn in_order(mut self) -> Vec<Hit<'a>> {
        self.list.sort_by_key(|hit| hit.entry.warrant);
        self.list
    }

    fn uri(&mut self, place: Place, header: &'static str, text: &'a [u8]) {
        if let Some(uri) = Uri::parse(text) {
            let index = &self.warrants.index;
            index.uri(&uri, &mut |entry| self.add(entry, place, header, Cow::Borrowed(text)));
        }
    }

    /// A contact of a call's party, which may be where a target has registered.
    fn contact(&mut self, header: &'static str, text: &'a [u8]) {
        let Warrants { list, bindings, .. } = self.warrants;
        bindings.of(self.at, text, &mut |id, identity| {
            let Some(warrant) = list.iter().position(|it| it.id == id) else { return };
            let targets = list.get(warrant).map_or(&[][..], |it| &it.targets);
            let Some(target) = targets.iter().position(|it| it == identity) else { return };
            self.add(Entry { warrant, target }, Place::Bound, header, Cow::Borrowed(text));
        });
    }

    fn credentials(&mut self, place: Place, header: &'static str, value: &'a [u8]) {
        let Some(Account { name, user, host }) = Account::of(value) else { return };
        let index = &self.warrants.index;
        let mut add = |entry| self.add(entry, place, header, Cow::Borrowed(name));
        index.user(user, host, &mut add);
        if is_global(user) {
            index.number(user, None, &mut add);
        }
    }

    fn address(&mut self, address: IpAddr) {
        let index = &self.warrants.index;
        index.address(address, &mut |entry| {
            self.add(entry, Place::Ip, IP, Cow::Owned(address.to_string().into_bytes()));
        });
    }

    fn add(&mut self, entry: Entry, place: Place, header: &'static str, value: Cow<'a, [u8]>) {
        let in_force = self.warrants.list.get(entry.warrant).is_some_and(|w| w.in_force(self.at));
        if !in_force {
            return;
        }
        let hit = Hit { entry, place, header, value, is_contact: place == Place::Bound };
        match self.list.iter_mut().find(|other| other.entry.warrant == entry.warrant) {
            Some(other) if other.place > place => *other = hit,
            Some(_) => {}
            None => self.list.push(hit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target;
    use std::format;
    use std::string::String;

    fn matched(target: &str, lines: &str) -> Option<(&'static str, String)> {
        let mut warrants = Warrants::default();
        warrants.replace(std::vec![Warrant {
            id: 1,
            targets: std::vec![target::parse(target).unwrap()],
            excluded: std::vec![],
            not_before: Timestamp(10),
            not_after: Timestamp(20),
            content: true,
            sided: false,
            next_cin: 1,
        }]);
        let text = format!("{lines}\r\n\r\n");
        let message = Message::parse(text.as_bytes()).expect("a message");
        let path = Path {
            source: "192.0.2.1:5060".parse().unwrap(),
            destination: "198.51.100.2:5060".parse().unwrap(),
        };
        assert!(warrants.message(Timestamp(9), &message, path).is_empty(), "before the window");
        assert!(warrants.message(Timestamp(21), &message, path).is_empty(), "after the window");
        let hits = warrants.message(Timestamp(20), &message, path);
        hits.first().map(|hit| (hit.header, String::from_utf8_lossy(&hit.value).into_owned()))
    }

    #[test]
    fn each_header_field_that_names_a_target_matches() {
        let alice = "sip:alice@example.net";
        let cases = [
            "From: \"A\" <sip:alice@example.net>;tag=1",
            "f: <sip:alice@example.net>",
            "To: sip:alice@example.net",
            "P-Asserted-Identity: <sip:x@y>, <sip:alice@example.net>",
            "P-Preferred-Identity: <sip:alice@example.net>",
            "Remote-Party-ID: <sip:alice@example.net>;party=calling",
            "Diversion: <sip:alice@example.net>;reason=no-answer",
            "History-Info: <sip:x@y>;index=1,<sip:alice@example.net>;index=1.1",
            "r: <sip:alice@example.net?Replaces=1>",
            "b: <sip:alice@example.net>",
            "Authorization: Digest username=\"alice\", realm=\"example.net\"",
            "Proxy-Authorization: Digest realm=\"x\",username=\"alice@example.net\"",
        ];
        for line in cases {
            let text = format!("INVITE sip:bob@example.org SIP/2.0\r\n{line}");
            assert!(matched(alice, &text).is_some(), "{line}");
            assert_eq!(matched("sip:eve@example.net", &text), None, "{line}");
        }
        let request = "INVITE sip:alice@example.net SIP/2.0\r\nFrom: <sip:bob@example.org>";
        assert_eq!(matched(alice, request).unwrap().0, "Request-URI");
    }

    #[test]
    fn a_contact_names_who_registers_and_nobody_else() {
        let contact = "Contact: <sip:alice@192.0.2.1>\r\nCSeq: 1 ";
        for (line, expected) in [
            ("REGISTER sip:example.net SIP/2.0\r\n", true),
            ("INVITE sip:bob@example.org SIP/2.0\r\n", false),
        ] {
            let text = format!("{line}{contact}{}", line.split(' ').next().unwrap());
            assert_eq!(matched("sip:alice@*", &text).is_some(), expected, "{line}");
        }
        let response = format!("SIP/2.0 200 OK\r\n{contact}REGISTER");
        assert!(matched("sip:alice@*", &response).is_some());
    }

    #[test]
    fn the_most_telling_header_field_is_named() {
        let text = "REGISTER sip:alice@example.net SIP/2.0\r\nTo: <sip:alice@example.net>\r\n\
            From: Alice <sip:alice@example.net>";
        let expected = ("From", "sip:alice@example.net".into());
        assert_eq!(matched("sip:alice@example.net", text), Some(expected));
    }

    #[test]
    fn addresses_and_numbers_match_too() {
        let text = "INVITE tel:+3225550100 SIP/2.0\r\nFrom: <sip:x@y>\r\n\
            Authorization: Digest username=\"+3225550177@ims.example\"";
        assert_eq!(matched("ip:198.51.100.0/24", text), Some(("IP", "198.51.100.2".into())));
        assert_eq!(matched("ip:192.0.2.1", text), Some(("IP", "192.0.2.1".into())));
        assert_eq!(matched("ip:203.0.113.0/24", text), None);
        assert_eq!(matched("tel:+3225550100", text).unwrap().0, "Request-URI");
        assert_eq!(matched("tel:+3225550177", text).unwrap().0, "Authorization");
    }
}
