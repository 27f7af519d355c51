//! The fields of a warrant and their TOML text.

use std::fmt::Write as _;
use std::str::FromStr;

use toml::{Table, Value};

use super::Code;

/// What is delivered of a target's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deliver {
    /// Signalling alone: who called whom, and when.
    IriOnly,
    /// Signalling and media.
    IriAndContent,
}

impl Deliver {
    /// `iri-only` or `iri-and-content`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IriOnly => "iri-only",
            Self::IriAndContent => "iri-and-content",
        }
    }
}

impl FromStr for Deliver {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "iri-only" => Ok(Self::IriOnly),
            "iri-and-content" => Ok(Self::IriAndContent),
            other => Err(format!("`{other}` is neither `iri-only` nor `iri-and-content`")),
        }
    }
}

/// A warrant's fields, as an authority fills them in before it signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The lawful interception identifier: letters, digits, `.`, `_` and `-`, at most 64.
    pub liid: String,
    /// The name of the authority that orders, as its key's file is called.
    pub authority: String,
    /// The authority's own reference, such as a case number.
    pub reference: String,
    /// The country whose law it stands on: ISO 3166, such as `BE`.
    pub jurisdiction: String,
    /// What is delivered.
    pub deliver: Deliver,
    /// The identities to be intercepted: `sip:`, `sips:`, `tel:` or `ip:`.
    pub targets: Vec<String>,
    /// The first moment covered (RFC 3339).
    pub not_before: String,
    /// The last moment covered (RFC 3339).
    pub not_after: String,
}

const FIELDS: [&str; 8] = [
    "liid",
    "authority",
    "reference",
    "jurisdiction",
    "deliver",
    "targets",
    "not_before",
    "not_after",
];

impl Draft {
    /// The TOML text, with a comment for each field.
    pub fn to_toml(&self) -> String {
        let quoted = |text: &str| Value::String(text.to_owned()).to_string();
        let mut targets = String::new();
        for target in &self.targets {
            // Writing to a String cannot fail.
            let _ = writeln!(targets, "    {},", quoted(target));
        }
        format!(
            "# A warrant for calltap. It counts only with the authority's signature beside it\n\
             # (this file's name with .minisig); any change after signing makes it void.\n\
             \n\
             # Lawful interception identifier: names this measure and its evidence.\n\
             liid = {}\n\
             # Who orders: the name of the authority whose key signs this file.\n\
             authority = {}\n\
             # The authority's own reference: court, case, order.\n\
             reference = {}\n\
             # Country whose law it stands on (ISO 3166).\n\
             jurisdiction = {}\n\
             # What is kept: \"iri-only\" (signalling) or \"iri-and-content\" (signalling and media).\n\
             deliver = {}\n\
             # Whom: sip:user@host, sip:user@* (any host), tel:+number, ip:prefix/length.\n\
             targets = [\n{targets}]\n\
             # When: first and last moment (RFC 3339). Nothing outside is kept.\n\
             not_before = {}\n\
             not_after = {}\n",
            quoted(&self.liid),
            quoted(&self.authority),
            quoted(&self.reference),
            quoted(&self.jurisdiction),
            quoted(self.deliver.as_str()),
            quoted(&self.not_before),
            quoted(&self.not_after),
        )
    }

    /// Reads the TOML text. Times may be TOML's own or strings.
    ///
    /// # Errors
    /// The cause and what is wrong: [`Code::Malformed`], [`Code::UnknownField`],
    /// [`Code::MissingField`] or [`Code::BadField`], in this order.
    pub fn from_toml(text: &str) -> Result<Self, (Code, String)> {
        let table: Table =
            text.parse().map_err(|error: toml::de::Error| (Code::Malformed, one_line(&error)))?;
        if let Some(name) = table.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            return Err((Code::UnknownField, format!("it has a field `{name}`")));
        }
        if let Some(name) = FIELDS.iter().find(|name| !table.contains_key(**name)) {
            return Err((Code::MissingField, format!("it lacks the field `{name}`")));
        }
        let string = |name: &str| match table.get(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            _ => Err((Code::BadField, format!("`{name}` is not a string"))),
        };
        let time = |name: &str| match table.get(name) {
            Some(Value::Datetime(time)) => Ok(time.to_string()),
            _ => string(name),
        };
        let targets = match table.get("targets") {
            Some(Value::Array(list)) => {
                list.iter().map(|target| target.as_str().map(str::to_owned))
            }
            _ => return Err((Code::BadField, "`targets` is not a list".to_owned())),
        };
        Ok(Self {
            liid: string("liid")?,
            authority: string("authority")?,
            reference: string("reference")?,
            jurisdiction: string("jurisdiction")?,
            deliver: string("deliver")?
                .parse()
                .map_err(|what| (Code::BadField, format!("`deliver`: {what}")))?,
            targets: targets.collect::<Option<_>>().ok_or_else(|| {
                (Code::BadField, "a member of `targets` is not a string".to_owned())
            })?,
            not_before: time("not_before")?,
            not_after: time("not_after")?,
        })
    }
}

/// TOML errors show the text over several lines; a refusal is one.
fn one_line(error: &toml::de::Error) -> String {
    format!("not TOML: {}", error.message().replace('\n', " "))
}
