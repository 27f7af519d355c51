//! The fields of a warrant and their TOML text.

use std::fmt::Write as _;
use std::str::FromStr;

use toml::{Table, Value};

use crate::age::Recipient;
use crate::record::Direction;

use super::Code;
use super::excluded::{self, Excluded};
use super::fields::Fields;

/// What is delivered of a target's calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deliver {
    /// Signalling alone: who called whom, and when.
    #[default]
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

impl Direction {
    /// `from-target` or `to-target`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FromTarget => "from-target",
            Self::ToTarget => "to-target",
        }
    }
}

impl FromStr for Direction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "from-target" => Ok(Self::FromTarget),
            "to-target" => Ok(Self::ToTarget),
            other => Err(format!("`{other}` is neither `from-target` nor `to-target`")),
        }
    }
}

/// A warrant's fields, as an authority fills them in before it signs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// The provision of law that it stands on.
    pub legal_basis: Option<String>,
    /// The class of offence, as reports count it.
    pub offence_class: Option<String>,
    /// To whom the evidence is sealed, so that nobody else can read it.
    pub recipient: Option<Recipient>,
    /// Whether it was given in an urgent procedure.
    pub urgent: bool,
    /// Whether the authority means targets that stand for many: `sip:user@*`, `sip:host`, networks.
    pub wide_targets: bool,
    /// Parties whose calls with a target are not kept, or not what is said in them.
    pub excluded: Vec<Excluded>,
    /// The one direction of content that is kept, where not both are.
    pub direction: Option<Direction>,
    /// Whether the keys of media are overwritten in session descriptions, or kept.
    pub redact_sdes_keys: bool,
    /// Whether the keys that are pressed in a call are overwritten, or kept.
    pub mask_dtmf: bool,
    /// Counts the versions under one LIID; the first need not say that it is 1.
    pub version: Option<u32>,
    /// The SHA-256 of the version before: 64 lowercase hexadecimal digits.
    pub supersedes: Option<String>,
}

/// What every warrant has.
const REQUIRED: [&str; 8] = [
    "liid",
    "authority",
    "reference",
    "jurisdiction",
    "deliver",
    "targets",
    "not_before",
    "not_after",
];

/// What a warrant may have.
const OPTIONAL: [&str; 11] = [
    "legal_basis",
    "offence_class",
    "recipient",
    "urgent",
    "wide_targets",
    "excluded",
    "direction",
    "sdes_keys",
    "dtmf",
    "version",
    "supersedes",
];

impl Draft {
    /// The TOML text, with a comment for each field; optional fields only where they say something.
    pub fn to_toml(&self) -> String {
        let quoted = |text: &str| Value::String(text.to_owned()).to_string();
        let mut targets = String::new();
        for target in &self.targets {
            // Writing to a String cannot fail.
            let _ = writeln!(targets, "    {},", quoted(target));
        }
        let text = format!(
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
        );
        self.optional_lines().into_iter().fold(text, |text, (comment, name, value)| {
            format!("{text}# {comment}\n{name} = {value}\n")
        })
    }

    /// The optional fields that say something: what each means, its name, and its value.
    fn optional_lines(&self) -> Vec<(&'static str, &'static str, String)> {
        let value = |value: Value| value.to_string();
        let text = |text: &Option<String>| text.clone().map(|text| value(text.into()));
        let flag = |set: bool| set.then(|| value(true.into()));
        let direction = self.direction.map(|direction| value(direction.as_str().into()));
        let redact = self.redact_sdes_keys.then(|| value("redact".into()));
        let dtmf = self.mask_dtmf.then(|| value("mask".into()));
        let version = self.version.map(|number| value(i64::from(number).into()));
        let recipient = self.recipient.as_ref().map(|it| value(it.to_string().into()));
        let lines = [
            ("The provision of law that it stands on.", "legal_basis", text(&self.legal_basis)),
            ("The class of offence.", "offence_class", text(&self.offence_class)),
            ("To whom its evidence is sealed (age, X25519).", "recipient", recipient),
            ("It was given in an urgent procedure.", "urgent", flag(self.urgent)),
            ("A target that stands for many is meant.", "wide_targets", flag(self.wide_targets)),
            (
                "Whose calls with a target are kept as signalling alone, or not at all.",
                "excluded",
                excluded::to_value(&self.excluded),
            ),
            ("The one direction of content that is kept.", "direction", direction),
            ("The keys of media are not kept.", "sdes_keys", redact),
            ("The keys that are pressed in a call are not kept.", "dtmf", dtmf),
            ("The version under this LIID.", "version", version),
            ("SHA-256 of the version before.", "supersedes", text(&self.supersedes)),
        ];
        lines.into_iter().filter_map(|(what, name, value)| Some((what, name, value?))).collect()
    }

    /// Reads the TOML text. Times may be TOML's own or strings.
    ///
    /// # Errors
    /// The cause and what is wrong: [`Code::Malformed`], [`Code::UnknownField`],
    /// [`Code::MissingField`] or [`Code::BadField`], in this order.
    pub fn from_toml(text: &str) -> Result<Self, (Code, String)> {
        let table: Table =
            text.parse().map_err(|error: toml::de::Error| (Code::Malformed, one_line(&error)))?;
        let fields = Fields::of(&table, &REQUIRED, &OPTIONAL)?;
        Ok(Self {
            liid: fields.text("liid")?,
            authority: fields.text("authority")?,
            reference: fields.text("reference")?,
            jurisdiction: fields.text("jurisdiction")?,
            deliver: fields.parsed("deliver")?,
            targets: fields.texts("targets")?,
            not_before: fields.time("not_before")?,
            not_after: fields.time("not_after")?,
            legal_basis: fields.optional_text("legal_basis")?,
            offence_class: fields.optional_text("offence_class")?,
            recipient: fields.optional_parsed("recipient")?,
            urgent: fields.flag("urgent")?,
            wide_targets: fields.flag("wide_targets")?,
            excluded: excluded::from_table(&table)?,
            direction: fields.optional_parsed("direction")?,
            redact_sdes_keys: fields.is_second("sdes_keys", ["keep", "redact"])?,
            mask_dtmf: fields.is_second("dtmf", ["keep", "mask"])?,
            version: fields.number("version")?,
            supersedes: fields.optional_text("supersedes")?,
        })
    }
}

/// TOML errors show the text over several lines; a refusal is one.
fn one_line(error: &toml::de::Error) -> String {
    format!("not TOML: {}", error.message().replace('\n', " "))
}
