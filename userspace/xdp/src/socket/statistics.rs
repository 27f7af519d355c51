//! What a socket has lost, and where.

use rustix::net::sockopt;

use super::Socket;
use crate::Error;

/// What a socket has lost, since it was opened (`XDP_STATISTICS`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Frames lost because none of our chunks was free, or the frame was too long.
    pub rx_dropped: u64,
    /// Those of them that were too long: for a chunk, or where frames come in several, for what the
    /// interface's MTU told.
    pub too_long: u64,
    /// Frames lost because we had not read the receive ring in time.
    pub rx_ring_full: u64,
    /// How often the kernel found the fill ring empty; in copy mode its frames are in
    /// `rx_dropped`.
    pub fill_ring_empty: u64,
    /// Descriptors the kernel had no right to hand over, and which were not followed; each is a
    /// frame lost, and a fault of the driver.
    pub bad_descriptors: u64,
}

impl Statistics {
    /// Frames the program gave to the socket and which never became a [`Frame`](crate::Frame).
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.rx_dropped + self.rx_ring_full + self.bad_descriptors
    }
}

impl Socket {
    /// What it has lost since it was opened.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if the kernel will not say.
    pub fn statistics(&self) -> Result<Statistics, Error> {
        let told = sockopt::xdp_statistics(&self.fd)
            .map_err(|cause| self.refusal("reading the statistics", cause))?;
        let fill_ring_empty = told.rx_fill_ring_empty_descs.unwrap_or_default();
        // In copy mode a frame for which the fill ring has no chunk is counted in both, and any
        // other was too long for one; where it may come in several, that is for us to say.
        let too_long = if self.takes_long_frames() {
            self.joining.too_long
        } else {
            told.rx_dropped - fill_ring_empty.min(told.rx_dropped)
        };
        let ours = if self.takes_long_frames() { too_long } else { 0 };
        Ok(Statistics {
            rx_dropped: told.rx_dropped + ours,
            too_long,
            rx_ring_full: told.rx_ring_full.unwrap_or_default(),
            fill_ring_empty,
            bad_descriptors: self.bad_descriptors,
        })
    }
}
