//! What joins the legs of a call that a back-to-back user agent takes apart: a key that both
//! carry, out of the header fields that are configured for it.
//!
//! Two calls of different people must never share a key, as that would keep a stranger's: so only
//! keys made to be unique are looked at, a key must be the same in every byte that counts, and
//! `o=` of a session description is none.

use alloc::string::String;
use alloc::vec::Vec;

use super::session_id::SessionId;
use crate::sip::{Field, Message};

/// Where keys that join legs are looked for, the most trusted place first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joins {
    /// Header fields.
    ///
    /// `Session-ID` is compared as RFC 7989 says, of `P-Charging-Vector` the `icid-value`
    /// (RFC 7315 §4.6), of any other the whole value, which may also be the Call-ID of the other
    /// leg (`X-CID`).
    pub headers: Vec<String>,
    /// Ends of Call-IDs that a back-to-back user agent appends for its own leg.
    pub call_id_suffixes: Vec<String>,
}

impl Default for Joins {
    /// Session-ID alone: the one that a standard made for this, and that has 128 random bits.
    fn default() -> Self {
        Self { headers: Vec::from([String::from(SESSION_ID)]), call_id_suffixes: Vec::new() }
    }
}

const SESSION_ID: &str = "Session-ID";
const CHARGING_VECTOR: &str = "P-Charging-Vector";
const CALL_ID: &str = "Call-ID";

/// A key of a message: only keys of one kind are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key<'a> {
    /// The place of its header field in [`Joins::headers`], or behind them all for Call-IDs.
    pub(super) kind: usize,
    value: Value<'a>,
    /// The place that it was read from: a Call-ID may stand in a header field.
    place: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value<'a> {
    Sent(&'a [u8]),
    Session(SessionId),
}

impl Key<'_> {
    pub(super) fn value(&self) -> &[u8] {
        match &self.value {
            Value::Sent(value) => value,
            Value::Session(session) => session.bytes(),
        }
    }
}

/// Keys longer than this name nothing.
const MAX_KEY: usize = 256;

impl Joins {
    /// How many kinds of keys there are.
    pub(super) fn kinds(&self) -> usize {
        self.headers.len() + 1
    }

    /// What evidence calls the place that a key was read from.
    pub(super) fn header(&self, key: &Key<'_>) -> &str {
        self.headers.get(key.place).map_or(CALL_ID, String::as_str)
    }

    /// The keys of a message, the most trusted first.
    pub(super) fn keys<'a>(&self, message: &Message<'a>, give: &mut dyn FnMut(Key<'a>)) {
        let call_ids = self.headers.len();
        for (kind, header) in self.headers.iter().enumerate() {
            // Read with the message already, as it is looked at in each.
            if header.eq_ignore_ascii_case(SESSION_ID) {
                let session = message.session_id.and_then(SessionId::parse);
                if let Some(session) = session {
                    give(Key { kind, value: Value::Session(session), place: kind });
                }
                continue;
            }
            for value in values(message, header) {
                if header.eq_ignore_ascii_case(CHARGING_VECTOR) {
                    if let Some(value) = icid(value).filter(|it| is_key(it)) {
                        give(Key { kind, value: Value::Sent(value), place: kind });
                    }
                } else if is_key(value) {
                    give(Key { kind, value: Value::Sent(value), place: kind });
                    let value = Value::Sent(self.base(value));
                    give(Key { kind: call_ids, value, place: kind });
                }
            }
        }
        if let Some(call_id) = message.call_id.filter(|it| is_key(it) && self.compares_call_ids()) {
            let value = Value::Sent(self.base(call_id));
            give(Key { kind: call_ids, value, place: call_ids });
        }
    }

    /// Without suffixes, and without header fields that hold one, a Call-ID joins nothing.
    fn compares_call_ids(&self) -> bool {
        let standard = |header: &String| {
            header.eq_ignore_ascii_case(SESSION_ID) || header.eq_ignore_ascii_case(CHARGING_VECTOR)
        };
        !self.call_id_suffixes.is_empty() || !self.headers.iter().all(standard)
    }

    /// A Call-ID without the suffix of a leg.
    fn base<'a>(&self, call_id: &'a [u8]) -> &'a [u8] {
        let suffixes = self.call_id_suffixes.iter().map(|suffix| suffix.as_bytes());
        let mut bases = suffixes.filter_map(|suffix| call_id.strip_suffix(suffix));
        bases.find(|base| !base.is_empty()).unwrap_or(call_id)
    }
}

/// The values of a header field.
fn values<'a>(message: &Message<'a>, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let named = move |field: &Field<'_>| {
        field.name.len() == name.len() && field.name.eq_ignore_ascii_case(name.as_bytes())
    };
    message.fields().filter(named).map(|field| field.value)
}

fn is_key(value: &[u8]) -> bool {
    !value.is_empty() && value.len() <= MAX_KEY
}

/// `icid-value="AyretyU0dm+6O2IrT5tAFrbHLso=023551024";orig-ioi=home1.net`
fn icid(value: &[u8]) -> Option<&[u8]> {
    value.split(|&byte| byte == b';').find_map(|part| {
        let (name, value) = part.split_at_checked(memchr::memchr(b'=', part)?)?;
        if !name.trim_ascii().eq_ignore_ascii_case(b"icid-value") {
            return None;
        }
        let value = value.get(1..)?.trim_ascii();
        Some(value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value))
    })
}
