//! What the audit knows of each warrant, so that a file that is taken away brings nothing back.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::warrant::Deed;

/// The detail that names a warrant by its hash.
pub(crate) const SHA256: &str = "warrant_sha256";

/// Something that happens to a warrant, as the audit names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// It was found, signed and well-formed.
    Received,
    /// It began to be executed.
    Activated,
    /// It took the place of an earlier version.
    Modified,
    /// It is not executed for a time.
    Suspended,
    /// It is executed again.
    Resumed,
    /// Its window has ended.
    Expired,
    /// Its authority has taken it back.
    Revoked,
    /// It is executed no longer for another cause: its file, its key or what its authority may order
    /// has changed.
    Withdrawn,
}

impl Event {
    const ALL: [Self; 8] = [
        Self::Received,
        Self::Activated,
        Self::Modified,
        Self::Suspended,
        Self::Resumed,
        Self::Expired,
        Self::Revoked,
        Self::Withdrawn,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Received => "warrant-received",
            Self::Activated => "warrant-activated",
            Self::Modified => "warrant-modified",
            Self::Suspended => "warrant-suspended",
            Self::Resumed => "warrant-resumed",
            Self::Expired => "warrant-expired",
            Self::Revoked => "warrant-revoked",
            Self::Withdrawn => "warrant-withdrawn",
        }
    }
}

impl From<Deed> for Event {
    fn from(deed: Deed) -> Self {
        match deed {
            Deed::Activated => Self::Activated,
            Deed::Suspended => Self::Suspended,
            Deed::Resumed => Self::Resumed,
            Deed::Revoked => Self::Revoked,
        }
    }
}

/// What happened to each warrant, by its hash.
#[derive(Debug, Default)]
pub(crate) struct Life {
    happened: BTreeMap<String, BTreeSet<Event>>,
}

impl Life {
    /// Takes in a line of the audit.
    pub(crate) fn collect(&mut self, line: &Value) {
        let name = line.get("event").and_then(Value::as_str);
        let event = Event::ALL.into_iter().find(|event| Some(event.as_str()) == name);
        let sha256 = line.get("details").and_then(|details| details.get(SHA256)?.as_str());
        if let (Some(event), Some(sha256)) = (event, sha256) {
            self.note(event, sha256);
        }
    }

    /// Takes note of what happened to a warrant; a suspension and its end undo each other.
    pub(crate) fn note(&mut self, event: Event, sha256: &str) {
        let happened = self.happened.entry(sha256.to_owned()).or_default();
        match event {
            Event::Suspended => drop(happened.remove(&Event::Resumed)),
            Event::Resumed => drop(happened.remove(&Event::Suspended)),
            _ => {}
        }
        happened.insert(event);
    }

    /// Whether this happened to a warrant, and was not undone.
    pub(crate) fn has(&self, event: Event, sha256: &str) -> bool {
        self.happened.get(sha256).is_some_and(|happened| happened.contains(&event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspension_lasts_until_it_is_resumed_and_a_revocation_for_ever() {
        let mut life = Life::default();
        for (event, suspended) in [
            ("warrant-received", false),
            ("warrant-suspended", true),
            ("warrant-suspended", true),
            ("warrant-resumed", false),
            ("warrant-revoked", false),
        ] {
            let line = serde_json::json!({"event": event, "details": {SHA256: "ab"}});
            life.collect(&line);
            assert_eq!(life.has(Event::Suspended, "ab"), suspended, "{event}");
        }
        assert!(life.has(Event::Revoked, "ab") && !life.has(Event::Revoked, "cd"));
        assert!(Event::ALL.iter().all(|event| event.as_str().starts_with("warrant-")));
    }
}
