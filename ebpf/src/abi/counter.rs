//! The counters of the program: every packet seen is in exactly one of the others.

/// One counter of the per-CPU `COUNTERS` map.
///
/// `Seen` is the sum of all others, always: no packet leaves the program uncounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Counter {
    /// Every packet the program was run for.
    Seen,
    /// Given on to the host's stack (host mode only).
    Passed,
    /// Dropped: neither IPv4 nor IPv6.
    FilteredNotIp,
    /// Dropped: an IP packet whose headers are cut, contradict themselves or nest too deep.
    FilteredMalformed,
    /// Dropped: no warrant is in force.
    FilteredNoWarrant,
    /// Dropped: no warrant asks for it.
    FilteredNotTarget,
    /// Dropped: a later fragment of a datagram no warrant asks for.
    FilteredFragment,
    /// Given to a socket: signalling.
    KeptSignalling,
    /// Given to a socket: a fragment that cannot be judged alone.
    KeptFragment,
    /// Given to a socket: a media endpoint of a warranted call.
    KeptEndpoint,
    /// Given to a socket: an address under an IP warrant.
    KeptPrefix,
    /// Lost: it was to be kept, and its queue has no socket.
    LostNoSocket,
    /// Lost: it was to be kept, and the driver left no room for its mark.
    LostNoMetadata,
}

impl Counter {
    /// How many counters there are.
    pub const COUNT: usize = 13;

    /// Every counter, in the order of the map's value.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Seen,
        Self::Passed,
        Self::FilteredNotIp,
        Self::FilteredMalformed,
        Self::FilteredNoWarrant,
        Self::FilteredNotTarget,
        Self::FilteredFragment,
        Self::KeptSignalling,
        Self::KeptFragment,
        Self::KeptEndpoint,
        Self::KeptPrefix,
        Self::LostNoSocket,
        Self::LostNoMetadata,
    ];

    /// Its name as reports print it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Passed => "passed",
            Self::FilteredNotIp => "filtered_not_ip",
            Self::FilteredMalformed => "filtered_malformed",
            Self::FilteredNoWarrant => "filtered_no_warrant",
            Self::FilteredNotTarget => "filtered_not_target",
            Self::FilteredFragment => "filtered_fragment",
            Self::KeptSignalling => "kept_signalling",
            Self::KeptFragment => "kept_fragment",
            Self::KeptEndpoint => "kept_endpoint",
            Self::KeptPrefix => "kept_prefix",
            Self::LostNoSocket => "lost_no_socket",
            Self::LostNoMetadata => "lost_no_metadata",
        }
    }

    /// Whether it counts packets dropped because no warrant asks for them.
    #[must_use]
    pub const fn is_filtered(self) -> bool {
        matches!(
            self,
            Self::FilteredNotIp
                | Self::FilteredMalformed
                | Self::FilteredNoWarrant
                | Self::FilteredNotTarget
                | Self::FilteredFragment
        )
    }

    /// Whether it counts packets given to a socket.
    #[must_use]
    pub const fn is_kept(self) -> bool {
        matches!(
            self,
            Self::KeptSignalling | Self::KeptFragment | Self::KeptEndpoint | Self::KeptPrefix
        )
    }

    /// Whether it counts packets that were to be kept and are lost.
    #[must_use]
    pub const fn is_lost(self) -> bool {
        matches!(self, Self::LostNoSocket | Self::LostNoMetadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lists_each_counter_at_its_own_place() {
        for (place, counter) in Counter::ALL.into_iter().enumerate() {
            assert_eq!(counter as usize, place);
        }
    }

    #[test]
    fn each_counter_but_seen_and_passed_is_filtered_kept_or_lost() {
        for counter in Counter::ALL {
            let kinds = [counter.is_filtered(), counter.is_kept(), counter.is_lost()];
            let expected = !matches!(counter, Counter::Seen | Counter::Passed);
            assert_eq!(kinds.iter().filter(|&&kind| kind).count(), usize::from(expected));
        }
    }
}
