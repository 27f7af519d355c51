//! Where targets have registered: calls to and from a contact of theirs name nobody else
//! (RFC 3261 §10).
//!
//! A registrar's 2xx is what binds, and only as the answer to a REGISTER that was seen: it lists
//! all the contacts of the address-of-record at that registrar (§10.3), each until it expires.
//! A contact without a user part may be everybody's behind one address, and binds nothing.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::path::Path;
use crate::sip::{CSeq, Comparable, Contact, Header, Message, StartLine, contacts};
use crate::target::Identity;
use crate::time::Timestamp;

/// Contacts remembered for one address-of-record at one registrar; phones are few.
const CONTACTS: usize = 32;

/// Contacts remembered in all, and requests that wait for their answer.
const BINDINGS: usize = 4096;
const REQUESTS: usize = 1024;

/// How long a contact is bound where nobody says (RFC 3261 §10.2).
const DEFAULT_EXPIRES: u64 = 3600;

/// The contacts of targets, and the requests that may bind more.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    /// By user part.
    contacts: BTreeMap<Vec<u8>, Vec<Binding>>,
    count: usize,
    requests: VecDeque<Request>,
}

/// A contact that a target registered.
#[derive(Debug)]
struct Binding {
    /// As the registrar wrote it.
    uri: Vec<u8>,
    until: Timestamp,
    record: Record,
    warrant: u32,
    target: Identity,
}

/// An address-of-record, as written, at a registrar.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    address: Vec<u8>,
    registrar: IpAddr,
}

/// A REGISTER of a target that is not answered yet.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    call_id: Vec<u8>,
    number: u32,
    from: SocketAddr,
    to: SocketAddr,
}

/// What a REGISTER or its answer says, if it is one.
pub(super) struct Registration<'a> {
    /// The address-of-record's URI.
    pub(super) address: &'a [u8],
    call_id: &'a [u8],
    number: u32,
    /// The contacts bound; none in a request.
    contacts: Option<Vec<Contact<'a>>>,
    expires: u64,
}

impl<'a> Registration<'a> {
    pub(super) fn of(message: &Message<'a>) -> Option<Self> {
        if message.method() != b"REGISTER" {
            return None;
        }
        let contacts = match message.start {
            StartLine::Request { .. } => None,
            StartLine::Response { status: 200..300, .. } => {
                let fields = message.fields();
                let fields = fields.filter(|it| Header::named(it.name) == Some(Header::Contact));
                Some(fields.flat_map(|field| contacts(field.value)).take(CONTACTS).collect())
            }
            StartLine::Response { .. } => return None,
        };
        let CSeq { number, .. } = message.cseq?;
        Some(Self {
            address: crate::sip::uris(message.to?).next()?,
            call_id: message.call_id?,
            number,
            contacts,
            expires: message.expires.unwrap_or(DEFAULT_EXPIRES),
        })
    }
}

impl Bindings {
    /// Whether nothing is bound.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Forgets all that `keep` does not approve of.
    pub(super) fn retain(&mut self, keep: impl Fn(u32, &Identity) -> bool) {
        self.retain_bindings(|binding| keep(binding.warrant, &binding.target));
    }

    fn retain_bindings(&mut self, keep: impl Fn(&Binding) -> bool) {
        self.contacts.retain(|_, bindings| {
            bindings.retain(&keep);
            !bindings.is_empty()
        });
        self.count = self.contacts.values().map(Vec::len).sum();
    }

    /// Takes note of a registration of these targets.
    pub(super) fn learn(
        &mut self,
        at: Timestamp,
        path: Path,
        registration: &Registration<'_>,
        targets: &[(u32, &Identity)],
    ) {
        let &Registration { call_id, number, .. } = registration;
        let Some(contacts) = &registration.contacts else {
            let Path { source: from, destination: to } = path;
            let request = Request { call_id: call_id.to_vec(), number, from, to };
            if !self.requests.contains(&request) {
                if self.requests.len() >= REQUESTS {
                    self.requests.pop_front();
                }
                self.requests.push_back(request);
            }
            return;
        };
        let Path { source: to, destination: from } = path;
        let request = Request { call_id: call_id.to_vec(), number, from, to };
        if !self.requests.contains(&request) {
            return;
        }
        let record = Record { address: registration.address.to_vec(), registrar: to.ip() };
        self.retain_bindings(|binding| binding.record != record && binding.until >= at);
        for contact in contacts {
            let expires = contact.expires.unwrap_or(registration.expires);
            let Some(uri) = Comparable::parse(contact.uri).filter(|_| expires > 0) else {
                continue;
            };
            let until = at.after(Duration::from_secs(expires));
            for &(warrant, target) in targets {
                if self.count >= BINDINGS {
                    self.forget_soonest();
                }
                let binding = Binding {
                    uri: contact.uri.to_vec(),
                    until,
                    record: record.clone(),
                    warrant,
                    target: target.clone(),
                };
                self.contacts.entry(uri.user.to_vec()).or_default().push(binding);
                self.count += 1;
            }
        }
    }

    fn forget_soonest(&mut self) {
        let all = self.contacts.values().flatten();
        let soonest = all.map(|binding| binding.until).min();
        self.retain_bindings(|binding| Some(binding.until) != soonest);
    }

    /// The targets whose contact this is, at this time.
    pub(super) fn of(&self, at: Timestamp, uri: &[u8], found: &mut dyn FnMut(u32, &Identity)) {
        let Some(uri) = Comparable::parse(uri) else { return };
        for binding in self.contacts.get(&*uri.user).into_iter().flatten() {
            let bound = Comparable::parse(&binding.uri);
            if binding.until >= at && bound.is_some_and(|bound| bound.equals(&uri)) {
                found(binding.warrant, &binding.target);
            }
        }
    }
}
