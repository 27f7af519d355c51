//! The authorities that may order, and the nodes whose evidence is believed: a directory with one
//! `.pub` file each, and in `trust.toml`, where there is one, what each authority may order.
//!
//! A node's key is called `node.pub` or `NAME.node.pub`. It signs evidence and never a warrant: who
//! operates the node must not be able to order. An operator's is called `NAME.operator.pub`: it
//! signs what is done to a warrant, and never a warrant either.

mod policy;

pub use policy::{Policy, Validity, is_country};

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::clock;
use crate::keys::{KeyError, PublicKey, Signature};
use policy::Policies;

/// No `trust.toml` is longer.
const MAX_BYTES: u64 = 1 << 20;

/// A key that may sign warrants, or evidence, or acts.
#[derive(Clone, Debug)]
pub struct TrustedKey {
    /// The authority's name, or the file's without `.pub`.
    pub name: String,
    /// The key.
    pub key: PublicKey,
    /// When it signs.
    pub validity: Validity,
}

impl TrustedKey {
    /// Whether it is revoked by now.
    pub fn is_revoked(&self) -> bool {
        self.validity.revoked_ns.is_some_and(|at| at <= clock::now_ns())
    }
}

/// The trust store. An empty one trusts nobody, so that it refuses every warrant.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    keys: Vec<TrustedKey>,
    nodes: Vec<TrustedKey>,
    operators: Vec<TrustedKey>,
    policies: BTreeMap<String, Policy>,
    without: Policy,
    country: Option<String>,
}

impl Trust {
    /// Reads `trust.toml` and every `*.pub` of `dir`, in order of name; other files are not looked
    /// at.
    ///
    /// # Errors
    /// [`TrustError`] if the directory, its policy or one of its keys cannot be read: a store that
    /// is half read could hide a revoked or replaced key.
    pub fn open(dir: &Path) -> Result<Self, TrustError> {
        let unreadable = |source| TrustError::Directory { path: dir.to_owned(), source };
        let mut trust = Self { policies: policies(dir)?, ..Self::default() };
        for entry in fs::read_dir(dir).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_none_or(|extension| extension != "pub") {
                continue;
            }
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let stem = file.strip_suffix(".pub").unwrap_or(&file);
            let key = PublicKey::load(&path)?;
            let plain = |name: &str, key| TrustedKey {
                name: name.to_owned(),
                key,
                validity: Validity::default(),
            };
            if is_node(stem) {
                trust.nodes.push(plain(stem, key));
            } else if let Some(name) = stem.strip_suffix(OPERATOR) {
                trust.operators.push(plain(name, key));
            } else {
                let trusted = match trust.rule(&file) {
                    Some((name, validity)) => TrustedKey { name, key, validity },
                    None => plain(stem, key),
                };
                trust.keys.push(trusted);
            }
        }
        trust.check_policies(dir)?;
        for keys in [&mut trust.keys, &mut trust.nodes, &mut trust.operators] {
            keys.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Ok(trust)
    }

    /// The same store as a node of this country reads it, which executes no other country's
    /// warrants, unless the store says so; `None` for a node that states none.
    #[must_use]
    pub fn in_country(self, country: Option<&str>) -> Self {
        Self { country: country.map(str::to_owned), ..self }
    }

    /// The country that the node has stated.
    pub fn country(&self) -> Option<&str> {
        self.country.as_deref()
    }

    /// The authorities' keys, in order of name.
    pub fn keys(&self) -> &[TrustedKey] {
        &self.keys
    }

    /// The nodes' keys, in order of name.
    pub fn nodes(&self) -> &[TrustedKey] {
        &self.nodes
    }

    /// The operators' keys, in order of name.
    pub fn operators(&self) -> &[TrustedKey] {
        &self.operators
    }

    /// The keys of the authority called `name`.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &TrustedKey> {
        self.keys.iter().filter(move |trusted| trusted.name == name)
    }

    /// What the authority called `name` may order.
    pub fn policy(&self, name: &str) -> &Policy {
        self.policies.get(name).unwrap_or(&self.without)
    }

    /// The keys with the id that `signature` claims (an id is 8 bytes, so two may share it).
    pub fn claimed_by(&self, signature: &Signature) -> impl Iterator<Item = &TrustedKey> {
        let id = signature.key_id();
        self.keys.iter().filter(move |trusted| trusted.key.id() == id)
    }

    /// Whether the keys with these ids are one authority's.
    pub fn is_one_authority(&self, one: &str, other: &str) -> bool {
        let owners = |id: &str| {
            let keys = self.keys.iter().filter(|trusted| trusted.key.id() == id);
            keys.map(|trusted| trusted.name.as_str()).collect::<Vec<_>>()
        };
        let others = owners(other);
        one == other || owners(one).iter().any(|name| others.contains(name))
    }

    /// The authority that a policy gives the key in this file to, and when that key signs.
    fn rule(&self, file: &str) -> Option<(String, Validity)> {
        self.policies.iter().find_map(|(name, policy)| {
            let rule = policy.keys.iter().find(|rule| rule.file == file)?;
            Some((name.clone(), rule.validity()))
        })
    }

    /// A policy that governs no key, or names one that is not there, is a mistake in writing.
    fn check_policies(&self, dir: &Path) -> Result<(), TrustError> {
        let wrong = |what| TrustError::Policy { path: dir.join(policy::FILE), what };
        for (name, policy) in &self.policies {
            policy.check().map_err(|what| wrong(format!("authority.{name}: {what}")))?;
            let missing = policy.keys.iter().find(|rule| !dir.join(&rule.file).exists());
            if let Some(rule) = missing {
                return Err(wrong(format!("authority.{name}: there is no {}", rule.file)));
            }
            if self.named(name).next().is_none() {
                return Err(wrong(format!("authority.{name}: there is no {name}.pub")));
            }
        }
        Ok(())
    }
}

/// What an operator's file ends with, ahead of `.pub`.
const OPERATOR: &str = ".operator";

/// Whether a key of this name is a node's, and so no authority's.
pub fn is_node(name: &str) -> bool {
    name == "node" || name.ends_with(".node")
}

/// Reads `trust.toml`, if there is one.
fn policies(dir: &Path) -> Result<BTreeMap<String, Policy>, TrustError> {
    let path = dir.join(policy::FILE);
    let mut text = String::new();
    match File::open(&path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(source) => return Err(TrustError::Directory { path, source }),
    }
    match toml::from_str::<Policies>(&text) {
        Ok(policies) => Ok(policies.authority),
        Err(error) => {
            let what = error.to_string().trim_end().replace('\n', " ");
            Err(TrustError::Policy { path, what })
        }
    }
}

/// Why a trust store cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The directory or its policy cannot be read.
    #[error("trust store {}: {source}", path.display())]
    Directory {
        /// The directory or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its policy cannot be obeyed as it stands.
    #[error("trust store {}: {what}", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// One of its keys cannot be read.
    #[error("trust store: {0}")]
    Key(#[from] KeyError),
}
