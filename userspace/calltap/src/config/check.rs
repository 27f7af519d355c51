//! Settings read and checked: each problem with its line, its key, and the key that was meant.

use std::fmt;
use std::io::Write as _;
use std::ops::Range;
use std::path::Path;
use std::time::SystemTime;

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::{Config, text_of};
use crate::Outcome;

/// Something in a file of settings that cannot be obeyed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    line: usize,
    /// The setting; empty where the file is no TOML there.
    key: String,
    what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, key, what } = self;
        if key.is_empty() {
            write!(f, "line {line}: {what}")
        } else {
            write!(f, "line {line}: {key}: {what}")
        }
    }
}

/// `calltap config check`: says what is wrong with a file of settings, or that nothing is.
///
/// # Errors
/// The file cannot be read.
pub fn check(path: &Path) -> anyhow::Result<Outcome> {
    match parse(&text_of(path)?) {
        Ok(config) => {
            match config.console.tls() {
                Ok(None) => {}
                Ok(Some(tls)) => {
                    if let Some(why) = tls.objection(SystemTime::now()) {
                        eprintln!("{}: console.certificate: {why}", path.display());
                    }
                }
                Err(why) => {
                    eprintln!("{}: {why:#}", path.display());
                    return Ok(Outcome::NotFine);
                }
            }
            writeln!(std::io::stdout(), "{}: fine", path.display())?;
            Ok(Outcome::Fine)
        }
        Err(problems) => {
            for problem in problems {
                eprintln!("{}: {problem}", path.display());
            }
            Ok(Outcome::NotFine)
        }
    }
}

/// Reads settings; gives every problem there is, or the first where the file is no TOML.
pub(super) fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    let failed = |key: Option<String>, error: &toml::de::Error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        let what = error.message().lines().next().unwrap_or_default().to_owned();
        vec![Problem { line, key: key.unwrap_or_default(), what }]
    };
    let table = DeTable::parse(text).map_err(|error| failed(None, &error))?;
    let known = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut keys = Vec::new();
    walk(table.get_ref(), "", &mut keys);
    keys.sort_by_key(|(_, span)| span.start);
    let unknown: Vec<_> = keys
        .iter()
        .filter(|(key, _)| at(&known, key).is_none())
        .map(|(key, span)| Problem {
            line: line_of(text, span.start),
            key: key.clone(),
            what: match nearest(&known, key) {
                Some(meant) => format!("no such setting; {meant} is the nearest"),
                None => "no such setting".to_owned(),
            },
        })
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let config: Config = toml::from_str(text).map_err(|error| {
        let at = error.span().unwrap_or_default();
        // The innermost key whose value holds the place.
        let holds = |span: &Range<usize>| span.start <= at.start && at.end <= span.end;
        let key = keys.iter().rfind(|(_, span)| holds(span));
        failed(key.map(|(key, _)| key.clone()), &error)
    })?;
    let faults = config.faults();
    let problem = |(key, what): (&'static str, String)| {
        let span = keys.iter().find(|(it, _)| it == key);
        let line = span.map_or(1, |(_, span)| line_of(text, span.start));
        Problem { line, key: key.to_owned(), what }
    };
    if faults.is_empty() { Ok(config) } else { Err(faults.into_iter().map(problem).collect()) }
}

/// Every key of a table with dots, and where it stands with its value.
fn walk(table: &DeTable<'_>, within: &str, keys: &mut Vec<(String, Range<usize>)>) {
    for (key, value) in table {
        let name = if within.is_empty() {
            key.get_ref().to_string()
        } else {
            format!("{within}.{}", key.get_ref())
        };
        keys.push((name.clone(), key.span().start..value.span().end));
        if let DeValue::Table(inner) = value.get_ref() {
            walk(inner, &name, keys);
        }
    }
}

/// The default of a setting, by its key with dots.
fn at<'a>(known: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(known, |value, part| value.get(part))
}

/// The known key that differs least, if it is not another word altogether.
fn nearest(known: &Value, key: &str) -> Option<String> {
    let mut keys = Vec::new();
    flatten(known, "", &mut keys);
    let distance = |it: &String| strsim::damerau_levenshtein(it, key);
    let closest = keys.into_iter().map(|(key, _)| key).min_by_key(distance)?;
    (distance(&closest) <= closest.len().max(key.len()) / 2).then_some(closest)
}

/// Every setting with dots, and its value as JSON.
pub(super) fn flatten(value: &Value, within: &str, keys: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let dot = if within.is_empty() { "" } else { "." };
                flatten(value, &format!("{within}{dot}{name}"), keys);
            }
        }
        value => keys.push((within.to_owned(), value.to_string())),
    }
}

/// Lines count from 1.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        parse(text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_mistyped_setting_is_named_with_its_line_and_the_nearest_there_is() {
        let text = "country = \"BE\"\nsignaling_ports = [5060]\n\n[rotation]\nfile_size = 5\n";
        assert_eq!(
            problems(text),
            [
                "line 2: signaling_ports: no such setting; signalling_ports is the nearest",
                "line 5: rotation.file_size: no such setting; rotation.filesize is the nearest"
            ]
        );
        assert_eq!(problems("zzz = 1"), ["line 1: zzz: no such setting"]);
    }

    #[test]
    fn a_value_of_another_kind_is_named_with_its_line() {
        let found = problems("grace = 5\n[numbers]\ncountry = 32\n");
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("line 3: numbers.country: invalid type"), "{found:?}");
        let found = problems("mode = \"tap\"");
        assert!(found[0].starts_with("line 1: mode: unknown variant"), "{found:?}");
    }

    #[test]
    fn every_value_that_cannot_be_is_named_at_once() {
        let text = "frames_per_queue = 100\nmax_endpoints = 1\njoins.headers = [\"From\"]\n\
                    [numbers]\ntrunk_prefix = \"x\"\n";
        let found = problems(text);
        for (line, key) in [
            (1, "frames_per_queue"),
            (2, "max_endpoints"),
            (3, "joins.headers"),
            (5, "numbers.trunk_prefix"),
        ] {
            let begins = format!("line {line}: {key}: ");
            assert!(found.iter().any(|it| it.starts_with(&begins)), "{begins} in {found:?}");
        }
    }

    #[test]
    fn what_is_no_toml_is_named_by_its_line() {
        assert!(problems("grace = 5\nmode =\n")[0].starts_with("line 2: "));
    }

    #[test]
    fn no_settings_are_the_defaults() {
        assert_eq!(parse(""), Ok(Config::default()));
    }

    /// The table of `docs/operations.md` is the schema, and `scripts/calltap.toml` its example.
    #[test]
    fn every_setting_is_documented_with_its_default() {
        let documented = include_str!("../../../../docs/operations.md");
        let example = include_str!("../../../../scripts/calltap.toml");
        let example: String = example
            .lines()
            .map(|line| line.strip_prefix("#").filter(|it| !it.starts_with(' ')).unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n");
        let known = serde_json::to_value(Config::default()).unwrap();
        let mut keys = Vec::new();
        flatten(&known, "", &mut keys);
        let mut rows = 0;
        for (key, default) in keys {
            // A setting without a default, or with one that the machine gives, is described in words.
            let value = if default == "null" || default == "\"\"" || default == "[]" {
                format!("| `{key}` | ")
            } else {
                let default = default.replace(',', ", ");
                format!("| `{key}` | `{default}` | ")
            };
            let row = documented.lines().find(|line| line.starts_with(&value));
            assert!(row.is_some(), "docs/operations.md has no row `{value}`");
            rows += 1;
            if !default.contains("null") {
                let table: toml::Table = toml::from_str(&example).unwrap();
                let found = serde_json::to_value(table).unwrap();
                let found = at(&found, &key).unwrap_or_else(|| panic!("no {key} in the example"));
                assert_eq!(found.to_string(), default, "{key}");
            }
        }
        let settings = documented.split_once("\n## Settings\n").unwrap().1;
        let settings = settings.split_once("\n## ").unwrap().0;
        let described = settings.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(described, rows, "docs/operations.md describes settings that there are none of");
        assert_eq!(parse(&example), Ok(Config::default()));
    }
}
