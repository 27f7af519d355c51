//! A TOML table read field by field: each error names its field and has its code.

use std::fmt::Display;
use std::str::FromStr;

use toml::{Table, Value};

use super::Code;

/// The fields of a table, none of which is unknown, and none missing.
pub(super) struct Fields<'a>(&'a Table);

/// A field's value, or the cause of a refusal and what is wrong.
type Read<T> = Result<T, (Code, String)>;

fn bad(what: String) -> (Code, String) {
    (Code::BadField, what)
}

impl<'a> Fields<'a> {
    /// Takes a table that has every one of `required`, and nothing else but `optional`.
    pub(super) fn of(table: &'a Table, required: &[&str], optional: &[&str]) -> Read<Self> {
        let is_known = |name: &str| required.contains(&name) || optional.contains(&name);
        if let Some(name) = table.keys().find(|name| !is_known(name)) {
            return Err((Code::UnknownField, format!("it has a field `{name}`")));
        }
        if let Some(name) = required.iter().find(|name| !table.contains_key(**name)) {
            return Err((Code::MissingField, format!("it lacks the field `{name}`")));
        }
        Ok(Self(table))
    }

    pub(super) fn text(&self, name: &str) -> Read<String> {
        self.optional_text(name)?.ok_or_else(|| bad(format!("`{name}` is not a string")))
    }

    pub(super) fn optional_text(&self, name: &str) -> Read<Option<String>> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(bad(format!("`{name}` is not a string"))),
        }
    }

    /// A text that is read further.
    pub(super) fn parsed<T: FromStr<Err = String>>(&self, name: &str) -> Read<T> {
        self.text(name)?.parse().map_err(|what| bad(format!("`{name}`: {what}")))
    }

    /// The same, where it is there.
    pub(super) fn optional_parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Read<Option<T>> {
        let parsed = self.optional_text(name)?.map(|text| text.parse()).transpose();
        parsed.map_err(|what| bad(format!("`{name}`: {what}")))
    }

    pub(super) fn texts(&self, name: &str) -> Read<Vec<String>> {
        let Some(Value::Array(list)) = self.0.get(name) else {
            return Err(bad(format!("`{name}` is not a list")));
        };
        let texts = list.iter().map(|member| member.as_str().map(str::to_owned));
        texts
            .collect::<Option<_>>()
            .ok_or_else(|| bad(format!("a member of `{name}` is not a string")))
    }

    /// A time, TOML's own or a string, as text.
    pub(super) fn time(&self, name: &str) -> Read<String> {
        match self.0.get(name) {
            Some(Value::Datetime(time)) => Ok(time.to_string()),
            _ => self.text(name),
        }
    }

    /// A flag that is down where the field is absent.
    pub(super) fn flag(&self, name: &str) -> Read<bool> {
        match self.0.get(name) {
            None => Ok(false),
            Some(Value::Boolean(set)) => Ok(*set),
            Some(_) => Err(bad(format!("`{name}` is neither true nor false"))),
        }
    }

    /// Which of two words it is: whether the second; the first where the field is absent.
    pub(super) fn is_second(&self, name: &str, [first, second]: [&str; 2]) -> Read<bool> {
        match self.optional_text(name)? {
            None => Ok(false),
            Some(word) if word == first => Ok(false),
            Some(word) if word == second => Ok(true),
            Some(_) => Err(bad(format!("`{name}` is neither `{first}` nor `{second}`"))),
        }
    }

    pub(super) fn number(&self, name: &str) -> Read<Option<u32>> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let number = value.as_integer().and_then(|number| number.try_into().ok());
        let what = || bad(format!("`{name}` is no whole number from 0 to 4294967295"));
        number.map(Some).ok_or_else(what)
    }
}
