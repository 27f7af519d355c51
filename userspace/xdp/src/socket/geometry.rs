//! How much memory a socket has, and in which pieces.

/// The sizes of a socket's memory and rings.
///
/// All but `chunk_bytes` are rounded up to a power of two, as rings need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Frames in circulation: how many may wait to be released and received, together.
    pub frames: u32,
    /// Bytes of a chunk: 2048 or 4096; the kernel keeps 256 of them to itself.
    pub chunk_bytes: u32,
    /// Frames that may wait to be received: the burst that is survived without the reader.
    pub receive_ring: u32,
    /// Bytes of the longest frame there may be: where a chunk does not hold it, it comes in several,
    /// which are put together; 0 where a frame longer than a chunk is none of the interface's.
    pub longest_frame: u32,
}

impl Geometry {
    /// Chunks that hold a whole frame of an interface of this MTU, with a ring of 4096 frames and
    /// as many again in the reader's hands.
    ///
    /// Beyond an MTU of 3818 a frame may be longer than the longest chunk; it then comes in several.
    #[must_use]
    pub const fn for_mtu(mtu: u32) -> Self {
        let longest_frame = mtu.saturating_add(LINK_HEADERS);
        let chunk_bytes = if longest_frame <= 2048 - HEADROOM { 2048 } else { 4096 };
        // Cards that carry jumbo frames carry this much, whatever they were told.
        let longest_frame = if longest_frame > 4096 - HEADROOM && longest_frame < JUMBO {
            JUMBO
        } else {
            longest_frame
        };
        Self { frames: 8192, chunk_bytes, receive_ring: 4096, longest_frame }
    }

    /// Whether there may be frames that a chunk does not hold.
    #[must_use]
    pub const fn exceeds_a_chunk(&self) -> bool {
        self.longest_frame > self.chunk_bytes - HEADROOM
    }

    /// The same with so many frames in circulation, half of which may wait to be received: the
    /// others are for the queue's signalling, and for those in the reader's hands.
    #[must_use]
    pub const fn with_frames(self, frames: u32) -> Self {
        Self { frames, receive_ring: frames / 2, ..self }
    }

    /// The sizes the kernel takes.
    pub(crate) fn rounded(self) -> Self {
        Self {
            frames: ring_size(self.frames),
            chunk_bytes: self.chunk_bytes.clamp(2048, 4096).next_power_of_two(),
            receive_ring: ring_size(self.receive_ring),
            longest_frame: self.longest_frame.min(LONGEST),
        }
    }

    /// Entries of the fill ring.
    ///
    /// In copy mode the kernel publishes late which chunks it has taken: a ring of just as many
    /// entries as chunks would look full while chunks are free.
    pub(crate) const fn fill_ring(self) -> u32 {
        self.frames * 2
    }
}

/// The number of entries, from `entries` on, that a ring can have.
pub(super) fn ring_size(entries: u32) -> u32 {
    entries.clamp(64, 1 << 20).next_power_of_two()
}

impl Default for Geometry {
    fn default() -> Self {
        Self::for_mtu(1500)
    }
}

/// Bytes of a chunk ahead of the frame (`XDP_PACKET_HEADROOM`).
const HEADROOM: u32 = 256;

/// Bytes of an Ethernet header with two VLAN tags.
const LINK_HEADERS: u32 = 22;

/// Bytes of what hardware calls a jumbo frame.
const JUMBO: u32 = 9216;

/// No frame is longer: an IP packet of 65,535 bytes with its link headers.
const LONGEST: u32 = 65_535 + LINK_HEADERS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_hold_a_whole_frame_of_the_mtu() {
        assert_eq!(Geometry::for_mtu(1500).chunk_bytes, 2048);
        assert_eq!(Geometry::for_mtu(1770).chunk_bytes, 2048);
        assert_eq!(Geometry::for_mtu(1771).chunk_bytes, 4096);
        assert_eq!(Geometry::for_mtu(u32::MAX).chunk_bytes, 4096);
    }

    #[test]
    fn only_frames_that_no_chunk_holds_come_in_several() {
        for (mtu, several) in [(1500, false), (1771, false), (3818, false), (3819, true)] {
            assert_eq!(Geometry::for_mtu(mtu).exceeds_a_chunk(), several, "{mtu}");
        }
    }

    #[test]
    fn half_of_the_frames_may_wait_to_be_received() {
        let many = Geometry::for_mtu(9000).with_frames(65_536);
        let longest_frame = 9216;
        assert_eq!(
            many,
            Geometry { frames: 65_536, chunk_bytes: 4096, receive_ring: 32_768, longest_frame }
        );
        assert_eq!(Geometry::for_mtu(1500).with_frames(8192), Geometry::for_mtu(1500));
    }

    #[test]
    fn odd_sizes_are_rounded_up_to_what_rings_need() {
        let odd =
            Geometry { frames: 511, chunk_bytes: 3000, receive_ring: 0, longest_frame: u32::MAX };
        let odd = odd.rounded();
        let longest_frame = LONGEST;
        assert_eq!(
            odd,
            Geometry { frames: 512, chunk_bytes: 4096, receive_ring: 64, longest_frame }
        );
        assert_eq!(odd.fill_ring(), 1024);
    }
}
