//! What was kept under a LIID, in numbers for oversight: the audit has them, so that a report needs
//! no evidence.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::digest;
use crate::keys::KeyPair;

/// The event that has them.
pub(crate) const EVENT: &str = "measure-figures";

/// Counted since the LIID's directory was begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    calls: BTreeSet<u64>,
    with_content: BTreeSet<u64>,
    encrypted: BTreeSet<u64>,
    streams: BTreeMap<String, u64>,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) volumes: u64,
    /// The identifiers under warrant, as nobody but the node can tell them.
    pub(crate) persons: String,
}

impl Figures {
    /// Takes in a line of `calls.jsonl`; a call may have several.
    pub(crate) fn call(&mut self, line: &Value) {
        // Packets of an address target that no call explains are no call.
        let Some(cin) =
            line.get("cin").and_then(Value::as_u64).filter(|_| line.get("flows").is_none())
        else {
            return;
        };
        self.calls.insert(cin);
        if count(line, "cc_packets") > 0 {
            self.with_content.insert(cin);
        }
        for stream in line.get("streams").and_then(Value::as_array).into_iter().flatten() {
            let encryption = stream.get("encryption").and_then(Value::as_str).unwrap_or("unknown");
            if !matches!(encryption, "none" | "unknown") {
                self.encrypted.insert(cin);
            }
            add(self.streams.entry(encryption.to_owned()).or_default(), 1);
        }
    }

    /// How many calls have a line.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.len() as u64
    }

    /// Takes in a line of `manifest.jsonl`.
    pub(crate) fn volume(&mut self, line: &Value) {
        add(&mut self.volumes, 1);
        add(&mut self.packets, count(line, "packets"));
        add(&mut self.bytes, count(line, "bytes"));
    }

    /// As the audit has them.
    pub(crate) fn details(&self, liid: &str) -> BTreeMap<String, String> {
        let length = |set: &BTreeSet<u64>| set.len().to_string();
        let mut details = BTreeMap::from([
            ("liid".to_owned(), liid.to_owned()),
            ("calls".to_owned(), length(&self.calls)),
            ("calls_with_content".to_owned(), length(&self.with_content)),
            ("calls_encrypted".to_owned(), length(&self.encrypted)),
            ("packets".to_owned(), self.packets.to_string()),
            ("bytes".to_owned(), self.bytes.to_string()),
            ("volumes".to_owned(), self.volumes.to_string()),
        ]);
        if !self.persons.is_empty() {
            details.insert("persons".to_owned(), self.persons.clone());
        }
        for (encryption, streams) in &self.streams {
            details.insert(format!("streams {encryption}"), streams.to_string());
        }
        details
    }
}

/// A mark for each identifier, the same wherever this node finds it: it counts persons who are named
/// in several orders once, and names none. Only who has the node's secret key can try a guess.
pub(crate) fn persons(node: &KeyPair, targets: &[String]) -> String {
    let secret = Zeroizing::new(node.ed25519().to_keypair_bytes());
    let mark = |target: &String| {
        let hash = Sha256::new_with_prefix(secret.as_slice())
            .chain_update(b"calltap identifier\n")
            .chain_update(target.to_ascii_lowercase());
        digest::lower(&hash.finalize()).chars().take(16).collect::<String>()
    };
    let marks: BTreeSet<_> = targets.iter().map(mark).collect();
    marks.into_iter().collect::<Vec<_>>().join(" ")
}

fn count(line: &Value, name: &str) -> u64 {
    line.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn add(sum: &mut u64, count: u64) {
    *sum = sum.saturating_add(count);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_of_several_lines_is_counted_once_and_its_streams_by_encryption() {
        let mut figures = Figures::default();
        let streams = json!([{"encryption": "none"}, {"encryption": "sdes"}]);
        figures.call(&json!({"cin": 1, "cc_packets": 0, "streams": []}));
        figures.call(&json!({"cin": 1, "cc_packets": 9, "streams": streams}));
        figures.call(&json!({"cin": 2, "cc_packets": 9, "streams": [], "flows": [{}]}));
        figures.volume(&json!({"packets": 9, "bytes": 900}));
        let details = figures.details("L1");
        let found = |name: &str| details.get(name).map(String::as_str);
        assert_eq!(found("calls"), Some("1"));
        assert_eq!(found("calls_with_content"), Some("1"));
        assert_eq!(found("calls_encrypted"), Some("1"));
        assert_eq!((found("streams none"), found("streams sdes")), (Some("1"), Some("1")));
        assert_eq!((found("packets"), found("volumes")), (Some("9"), Some("1")));
    }

    #[test]
    fn marks_tell_the_same_person_again_and_to_this_node_alone() {
        let (node, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let of = |node, target: &str| persons(node, &[target.to_owned()]);
        let mark = of(&node, "sip:alice@example.net");
        assert_eq!(mark, of(&node, "sip:Alice@example.net"));
        assert_ne!(mark, of(&node, "sip:bob@example.net"));
        assert_ne!(mark, of(&other, "sip:alice@example.net"));
        assert_eq!(mark.len(), 16);
    }
}
