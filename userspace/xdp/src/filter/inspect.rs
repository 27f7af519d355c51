//! The kernel's side of the filter held against what was written there.
//!
//! Who has the capabilities can write the maps of any process (Athens, 2004, was an intrusion that
//! opened what no order had asked for): so everything that decides what is kept is read back all
//! the time, and what differs is mended and told.
//!
//! The XSKMAP alone cannot be read from user space; a frame for which it has no socket is counted.

use std::os::fd::AsFd as _;

use aya::{Ebpf, maps::Map};

use super::entries::Entries;
use super::ledger::Finding;
use super::plain::{Plain, map_error, missing};
use super::prefix::Prefix;
use super::{Discrepancy, Filter, words};
use crate::Error;

/// Words of the prefilter that a step looks at.
const WORDS: usize = 8192;

/// How far an inspection has come.
#[derive(Debug)]
pub(super) struct Inspection {
    next: Step,
    entries: Entries,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The programs, and all that is small.
    Settings,
    /// The prefilter, from this word on.
    Prefilter(usize),
    /// The next endpoints.
    Endpoints,
}

impl Inspection {
    /// An inspection of this program's maps, which must all be there still.
    pub(super) fn of(program: &Ebpf) -> Result<Self, Error> {
        let Some(Map::HashMap(map)) = program.map("ENDPOINTS") else {
            return Err(missing("ENDPOINTS"));
        };
        let map = map.fd().as_fd().try_clone_to_owned();
        let map = map.map_err(|cause| Error::Map { map: "ENDPOINTS", cause: cause.to_string() })?;
        Ok(Self { next: Step::Settings, entries: Entries::of(map) })
    }
}

impl Filter {
    /// Takes the next step of holding the programs and maps in the kernel against what was written
    /// there: mends what differs, and adds it to `found`.
    ///
    /// A step takes some tenths of a millisecond at most, and a whole pass as many steps as the
    /// maps are large.
    /// Returns whether the pass is complete; the next step begins another.
    ///
    /// # Errors
    ///
    /// [`Error::Map`], or [`Error::Load`]; the next step begins another pass.
    pub fn inspect(&mut self, found: &mut Vec<Discrepancy>) -> Result<bool, Error> {
        let step = std::mem::replace(&mut self.inspection.next, Step::Settings);
        self.inspection.next = match step {
            Step::Settings => {
                self.ledger.begin();
                self.inspect_settings(found)?;
                Step::Prefilter(0)
            }
            Step::Prefilter(first) => match self.prefilter.mend(first, WORDS) {
                Some(differed) => {
                    found.extend(differed.then_some(Discrepancy::AlteredMap("PREFILTER")));
                    Step::Prefilter(first + WORDS)
                }
                None => Step::Endpoints,
            },
            Step::Endpoints => {
                if !self.inspect_endpoints(found)? {
                    self.restore_endpoints(found)?;
                    return Ok(true);
                }
                Step::Endpoints
            }
        };
        Ok(false)
    }

    fn inspect_settings(&mut self, found: &mut Vec<Discrepancy>) -> Result<(), Error> {
        let altered = [
            ("CONFIG", self.config_words.mend(0, &words(self.config))),
            ("SIGNALLING_PORTS", self.port_words.mend(0, &self.ports[..])),
            ("STEPS", self.steps.write(&mut self.program)?),
            ("INTERFACES", self.inspect_interfaces()?),
        ];
        let altered = altered.into_iter().filter(|(_, altered)| *altered);
        found.extend(altered.map(|(map, _)| Discrepancy::AlteredMap(map)));
        self.inspect_prefixes(found)?;
        self.inspect_attachments(found)
    }

    fn inspect_interfaces(&mut self) -> Result<bool, Error> {
        let failed = map_error("INTERFACES");
        let there: Result<Vec<_>, _> = self.interfaces.iter().collect();
        let there = there.map_err(&failed)?;
        let mut altered = false;
        for (index, _) in &there {
            if !self.slots.contains_key(index) {
                self.interfaces.remove(index).map_err(&failed)?;
                altered = true;
            }
        }
        for (index, slots) in &self.slots {
            if !there.contains(&(*index, Plain(*slots))) {
                self.interfaces.insert(index, Plain(*slots), 0).map_err(&failed)?;
                altered = true;
            }
        }
        Ok(altered)
    }

    fn inspect_prefixes(&mut self, found: &mut Vec<Discrepancy>) -> Result<(), Error> {
        let failed = map_error("PREFIXES");
        let there: Result<Vec<_>, _> = self.prefixes.iter().collect();
        let mut intact = Vec::new();
        for (key, Plain(deadline)) in there.map_err(&failed)? {
            match Prefix::of_key(&key) {
                Some(prefix) if self.open_prefixes.contains_key(&prefix) => {
                    if deadline == self.prefix_deadline(prefix) {
                        intact.push(prefix);
                    }
                }
                prefix => {
                    self.prefixes.remove(&key).map_err(&failed)?;
                    let parts = prefix.map(|prefix| prefix.parts());
                    found.extend(parts.map(|(it, bits)| Discrepancy::ForeignPrefix(it, bits)));
                }
            }
        }
        if intact.len() < self.open_prefixes.len() {
            for prefix in self.open_prefixes.keys().filter(|prefix| !intact.contains(prefix)) {
                let deadline = self.prefix_deadline(*prefix);
                self.prefixes.insert(&prefix.key(), Plain(deadline), 0).map_err(&failed)?;
                let (address, bits) = prefix.parts();
                found.push(Discrepancy::AlteredPrefix(address, bits));
            }
        }
        Ok(())
    }

    /// Looks at the next entries; returns whether there are more.
    fn inspect_endpoints(&mut self, found: &mut Vec<Discrepancy>) -> Result<bool, Error> {
        let (entries, more) = self.inspection.entries.next()?;
        let judged = entries.map(|(it, until)| (*it, self.ledger.judge(it, until.not_after_ns)));
        let amiss: Vec<_> = judged.filter(|(_, finding)| *finding != Finding::Ours).collect();
        for (endpoint, finding) in amiss {
            match finding {
                Finding::Ours => {}
                Finding::Changed(not_after_ns) => {
                    self.write_endpoint(endpoint, not_after_ns)?;
                    found.push(Discrepancy::AlteredEndpoint(endpoint.into()));
                }
                Finding::Foreign => {
                    // It may be gone already.
                    let _ = self.endpoints.remove(&Plain(endpoint));
                    found.push(Discrepancy::ForeignEndpoint(endpoint.into()));
                }
            }
        }
        Ok(more)
    }

    /// Writes the entries that the pass has not found.
    fn restore_endpoints(&mut self, found: &mut Vec<Discrepancy>) -> Result<(), Error> {
        for (endpoint, not_after_ns) in self.ledger.missing() {
            self.write_endpoint(endpoint, not_after_ns)?;
            found.push(Discrepancy::AlteredEndpoint(endpoint.into()));
        }
        Ok(())
    }
}
