//! What the tracker must know of a warrant, and the number a call gets under it.

use alloc::vec::Vec;
use core::fmt;

use crate::target::Identity;
use crate::time::Timestamp;

/// A warrant as the tracker executes it; signature and authority were checked before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warrant {
    /// The caller's own number for this warrant; names it in every [`CallKey`].
    pub id: u32,
    /// Whose communications are to be intercepted; a message matches when any of them does.
    pub targets: Vec<Identity>,
    /// Parties whose calls with a target are not kept, or not what is said in them.
    pub excluded: Vec<Excluded>,
    /// First moment at which anything matches, in packet time.
    pub not_before: Timestamp,
    /// Last moment at which anything matches, in packet time.
    pub not_after: Timestamp,
    /// Whether the content (media) is ordered, or the signalling alone (iri-only).
    pub content: bool,
    /// Whether it must be told which side of a call is a target's, as one direction alone is ordered.
    pub sided: bool,
    /// The CIN that the next call under this warrant gets.
    pub next_cin: u32,
}

impl Warrant {
    /// Of these targets everything, at any time, with whomever: where nothing else is asked, such as
    /// when evidence is read again.
    #[must_use]
    pub const fn on(id: u32, targets: Vec<Identity>) -> Self {
        Self {
            id,
            targets,
            excluded: Vec::new(),
            not_before: Timestamp(0),
            not_after: Timestamp::MAX,
            content: true,
            sided: false,
            next_cin: 1,
        }
    }

    /// What is kept of a call in which this party takes part; none where it is not excluded.
    #[must_use]
    pub fn excludes(&self, party: &Identity) -> Option<Keep> {
        let found = self.excluded.iter().filter(|excluded| excluded.party == *party);
        found.map(|excluded| excluded.keep).min()
    }

    /// Whether the warrant is in force at `at`; both ends of the window belong to it.
    #[must_use]
    pub fn in_force(&self, at: Timestamp) -> bool {
        self.not_before <= at && at <= self.not_after
    }
}

/// Whose an end of a call is, or a message: by the tag of its dialog, where a message has named the
/// target beside it; of an address target by the address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Side {
    /// A target's.
    Target,
    /// Of somebody in a dialog with a target.
    Peer,
    /// That cannot be told, or was not asked for ([`Warrant::sided`]).
    #[default]
    Unknown,
}

/// A party whose calls with a target are not kept, or not what is said in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excluded {
    /// Who.
    pub party: Identity,
    /// What is kept of a call in which the party takes part.
    pub keep: Keep,
}

/// What is kept of a call in which an excluded party takes part, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// Signalling alone.
    Iri,
}

/// A call under a warrant: one for each pair of warrant and Call-ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey {
    /// [`Warrant::id`].
    pub warrant: u32,
    /// Communication identity number within the warrant's LIID (ETSI TS 102 232-1).
    pub cin: u32,
}

impl fmt::Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.warrant, self.cin)
    }
}
