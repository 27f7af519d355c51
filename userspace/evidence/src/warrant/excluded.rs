//! Parties whom a warrant excludes: a lawyer, a doctor, whoever else the law lets speak unheard.

use toml::{Table, Value};

use super::Code;
use super::fields::Fields;

/// A party whose calls with a target are not kept, or not what is said in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excluded {
    /// The identity: `sip:`, `sips:` or `tel:`, as of a target.
    pub identifier: String,
    /// What is kept of a call in which the party takes part.
    pub keep: Keep,
}

/// What is kept of a call in which an excluded party takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// Signalling alone.
    Iri,
}

impl Keep {
    /// `nothing` or `iri`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Iri => "iri",
        }
    }
}

/// As a warrant's text has them: a list of tables, a line each.
pub(super) fn to_value(excluded: &[Excluded]) -> Option<String> {
    if excluded.is_empty() {
        return None;
    }
    let quoted = |text: &str| Value::String(text.to_owned()).to_string();
    let lines = excluded.iter().map(|Excluded { identifier, keep }| {
        let (identifier, keep) = (quoted(identifier), quoted(keep.as_str()));
        format!("    {{ identifier = {identifier}, keep = {keep} }},\n")
    });
    Some(format!("[\n{}]", lines.collect::<String>()))
}

/// Reads that back; an absent list is an empty one.
pub(super) fn from_table(table: &Table) -> Result<Vec<Excluded>, (Code, String)> {
    let bad = |what: &str| (Code::BadField, format!("`excluded`: {what}"));
    let list = match table.get("excluded") {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(bad("it is not a list")),
    };
    let one = |member: &Value| {
        let member = member.as_table().ok_or_else(|| bad("a member is not a table"))?;
        let fields = Fields::of(member, &["identifier", "keep"], &[])?;
        let is_iri = fields.is_second("keep", ["nothing", "iri"])?;
        let keep = if is_iri { Keep::Iri } else { Keep::Nothing };
        Ok(Excluded { identifier: fields.text("identifier")?, keep })
    };
    list.iter().map(one).collect()
}
