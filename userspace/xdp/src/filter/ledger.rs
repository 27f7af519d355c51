//! What the filter has written into the endpoint map, to be held against what is there.

use calltap_ebpf::abi::Endpoint;
use hashbrown::HashMap;

/// The open endpoints.
///
/// An inspection is a pass over the kernel's map, in steps between which endpoints open and close:
/// so each entry says in which pass it was last known to be there.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: HashMap<Endpoint, Entry>,
    pass: u32,
    /// Entries known to be there in this pass.
    confirmed: usize,
}

#[derive(Debug)]
struct Entry {
    not_after_ns: u64,
    confirmed: u32,
}

/// What the ledger says of an entry found in the kernel's map.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// It was written here.
    Ours,
    /// It was written here, with this deadline, and has another.
    Changed(u64),
    /// It was not written here.
    Foreign,
}

impl Ledger {
    /// How many endpoints are open.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn contains(&self, endpoint: &Endpoint) -> bool {
        self.entries.contains_key(endpoint)
    }

    /// Notes that an entry was just written.
    pub(super) fn write(&mut self, endpoint: Endpoint, not_after_ns: u64) {
        let pass = self.pass;
        let entry = Entry { not_after_ns, confirmed: pass };
        let old = self.entries.insert(endpoint, entry);
        self.confirmed += usize::from(old.is_none_or(|old| old.confirmed != pass));
    }

    /// Notes that an entry was just removed.
    pub(super) fn erase(&mut self, endpoint: &Endpoint) {
        let old = self.entries.remove(endpoint);
        self.confirmed -= usize::from(old.is_some_and(|old| old.confirmed == self.pass));
    }

    /// Begins a pass.
    pub(super) fn begin(&mut self) {
        self.pass = self.pass.wrapping_add(1);
        self.confirmed = 0;
    }

    /// Judges an entry found in the kernel's map.
    pub(super) fn judge(&mut self, endpoint: &Endpoint, not_after_ns: u64) -> Finding {
        let Some(entry) = self.entries.get_mut(endpoint) else { return Finding::Foreign };
        self.confirmed += usize::from(entry.confirmed != self.pass);
        entry.confirmed = self.pass;
        if entry.not_after_ns == not_after_ns {
            Finding::Ours
        } else {
            Finding::Changed(entry.not_after_ns)
        }
    }

    /// At the end of a pass: what should have been found, and was not.
    pub(super) fn missing(&self) -> Vec<(Endpoint, u64)> {
        // Almost always nothing is, and then the entries are not looked through.
        if self.confirmed == self.entries.len() {
            return Vec::new();
        }
        let unseen = self.entries.iter().filter(|(_, entry)| entry.confirmed != self.pass);
        unseen.map(|(endpoint, entry)| (*endpoint, entry.not_after_ns)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn endpoint(port: u16) -> Endpoint {
        SocketAddr::from(([192, 0, 2, 1], port)).into()
    }

    #[test]
    fn an_entry_is_ours_changed_or_foreign() {
        let mut ledger = Ledger::default();
        ledger.write(endpoint(1), 10);
        assert_eq!(ledger.judge(&endpoint(1), 10), Finding::Ours);
        assert_eq!(ledger.judge(&endpoint(1), 11), Finding::Changed(10));
        assert_eq!(ledger.judge(&endpoint(2), 10), Finding::Foreign);
        ledger.erase(&endpoint(1));
        assert_eq!(ledger.judge(&endpoint(1), 10), Finding::Foreign);
    }

    #[test]
    fn what_opens_and_closes_during_a_pass_is_not_missing_and_what_was_not_found_is() {
        let mut ledger = Ledger::default();
        (1..=5).for_each(|port| ledger.write(endpoint(port), 10));
        ledger.begin();
        ledger.judge(&endpoint(1), 10);
        ledger.judge(&endpoint(1), 10);
        ledger.write(endpoint(2), 20);
        ledger.write(endpoint(6), 20);
        ledger.erase(&endpoint(3));
        ledger.erase(&endpoint(1));
        let mut missing = ledger.missing();
        missing.sort();
        assert_eq!(missing, [(endpoint(4), 10), (endpoint(5), 10)]);
        ledger.judge(&endpoint(4), 10);
        ledger.judge(&endpoint(5), 10);
        assert!(ledger.missing().is_empty());
        ledger.begin();
        assert_eq!(ledger.missing().len(), ledger.len());
    }
}
