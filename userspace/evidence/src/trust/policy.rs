//! What an authority may order here: its part of `trust.toml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};
use toml::value::Datetime;

use crate::clock;
use crate::warrant::{Deliver, Identifier, Kind, Lengths};

/// The name of the file that holds every policy.
pub(crate) const FILE: &str = "trust.toml";

/// The whole of `trust.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Policies {
    pub(super) authority: BTreeMap<String, Policy>,
}

/// What is known of an authority, and what it may order. The default forbids nothing that can be
/// expressed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Its name as it is shown; its keys' by default.
    pub name: Option<String>,
    /// The country whose law its warrants stand on: ISO 3166. Any, by default.
    pub country: Option<String>,
    /// Countries, beside its own, whose nodes execute its warrants.
    pub executed_in: Vec<String>,
    /// The longest window of a warrant, in days.
    pub max_days: Option<u32>,
    /// The kinds of identifier that it may name.
    pub identifiers: Vec<Kind>,
    /// The most targets of a warrant.
    pub max_targets: usize,
    /// The shortest prefix of an `ip:` target.
    widest_ipv4: u8,
    widest_ipv6: u8,
    /// A shorter prefix than this needs the warrant's `wide_targets`.
    unflagged_ipv4: u8,
    unflagged_ipv6: u8,
    /// What may be delivered.
    #[serde(deserialize_with = "delivers")]
    pub deliver: Vec<Deliver>,
    /// Whether it may order in an urgent procedure.
    pub urgent: bool,
    /// Whether two operators must activate each of its warrants.
    pub two_person: bool,
    /// Its keys, beside the one that bears its name.
    pub(super) keys: Vec<KeyRule>,
}

/// The widest network that any warrant may name, and the most targets: beyond them, it is no order
/// about a person.
const WIDEST: Lengths = Lengths { ipv4: 16, ipv6: 32 };
const MAX_TARGETS: usize = 100;

impl Default for Policy {
    fn default() -> Self {
        Self {
            name: None,
            country: None,
            executed_in: Vec::new(),
            max_days: None,
            identifiers: Kind::ALL.to_vec(),
            max_targets: MAX_TARGETS,
            widest_ipv4: WIDEST.ipv4,
            widest_ipv6: WIDEST.ipv6,
            unflagged_ipv4: 28,
            unflagged_ipv6: 56,
            deliver: vec![Deliver::IriOnly, Deliver::IriAndContent],
            urgent: true,
            two_person: false,
            keys: Vec::new(),
        }
    }
}

impl Policy {
    /// The shortest prefix lengths that it may name.
    pub fn widest(&self) -> Lengths {
        Lengths { ipv4: self.widest_ipv4, ipv6: self.widest_ipv6 }
    }

    /// Whether a target stands for so many that a warrant must say that this is meant.
    pub fn is_wide(&self, identifier: Identifier) -> bool {
        let Self { unflagged_ipv4: ipv4, unflagged_ipv6: ipv6, .. } = *self;
        match identifier {
            Identifier::SipAnyHost | Identifier::SipHost => true,
            Identifier::Ip { address, length } => length < Lengths { ipv4, ipv6 }.of(address),
            Identifier::Sip | Identifier::Tel => false,
        }
    }

    /// What in it cannot be.
    pub(super) fn check(&self) -> Result<(), String> {
        let countries = self.country.iter().chain(&self.executed_in);
        if let Some(bad) = countries.clone().find(|country| !is_country(country)) {
            return Err(format!("`{bad}` is no ISO 3166 code, such as BE"));
        }
        if self.widest_ipv4 < WIDEST.ipv4 || self.widest_ipv6 < WIDEST.ipv6 {
            return Err(format!(
                "widest_ipv4 and widest_ipv6: at least {} and {}; wider is no order about a person",
                WIDEST.ipv4, WIDEST.ipv6
            ));
        }
        if !(1..=MAX_TARGETS).contains(&self.max_targets) {
            return Err(format!("max_targets: from 1 to {MAX_TARGETS}"));
        }
        match self.keys.iter().find(|rule| rule.file.contains('/') || !rule.file.ends_with(".pub"))
        {
            Some(rule) => Err(format!("`{}` is no .pub file of this directory", rule.file)),
            None => Ok(()),
        }
    }
}

/// A key of an authority, and when it may sign.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyRule {
    /// Its file in the trust directory.
    pub(super) file: String,
    #[serde(default, deserialize_with = "time")]
    valid_from: Option<u64>,
    #[serde(default, deserialize_with = "time")]
    valid_until: Option<u64>,
    #[serde(default, deserialize_with = "time")]
    revoked: Option<u64>,
}

impl KeyRule {
    pub(super) fn validity(&self) -> Validity {
        Validity {
            from_ns: self.valid_from.unwrap_or(0),
            until_ns: self.valid_until.unwrap_or(u64::MAX),
            revoked_ns: self.revoked,
        }
    }
}

/// When a key signs warrants: those whose window begins within, while it is not revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First nanosecond.
    pub from_ns: u64,
    /// Last nanosecond.
    pub until_ns: u64,
    /// From this nanosecond on, nothing that it signed is executed.
    pub revoked_ns: Option<u64>,
}

impl Default for Validity {
    /// For ever.
    fn default() -> Self {
        Self { from_ns: 0, until_ns: u64::MAX, revoked_ns: None }
    }
}

/// `BE`: a country, without a part of it.
pub fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn delivers<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Deliver>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts.iter().map(|text| text.parse().map_err(de::Error::custom)).collect()
}

/// A TOML time with an offset, or a string of RFC 3339.
fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Time {
        Own(Datetime),
        Text(String),
    }
    let text = match Time::deserialize(from)? {
        Time::Own(time) => time.to_string(),
        Time::Text(text) => text,
    };
    let error = || de::Error::custom(format!("`{text}` is no RFC 3339 time with an offset"));
    clock::parse_rfc3339(&text).map(Some).ok_or_else(error)
}
