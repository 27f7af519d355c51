//! How the kernel's side of a filter can differ from what the filter wrote there.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Something in the kernel that this filter did not put there, or put there otherwise.
///
/// Whoever may write the maps of another process is root or has its capabilities: whatever is
/// found is somebody's act, or a fault that nobody should live with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Discrepancy {
    /// An endpoint that nobody opened here; it is removed.
    ForeignEndpoint(SocketAddr),
    /// An open endpoint that was gone or had another deadline; it is written again.
    AlteredEndpoint(SocketAddr),
    /// A prefix that nobody opened here; it is removed.
    ForeignPrefix(IpAddr, u32),
    /// An open prefix that was gone or had another deadline; it is written again.
    AlteredPrefix(IpAddr, u32),
    /// Words of this map differed, and are written again.
    AlteredMap(&'static str),
    /// The program was off the interface, and is attached again.
    Detached {
        /// The interface.
        interface: String,
    },
    /// The program is off the interface and cannot be attached again: its frames are lost.
    Off {
        /// The interface.
        interface: String,
        /// Why.
        cause: String,
    },
    /// Another program runs in its place, and stays: frames of this interface are lost.
    Replaced {
        /// The interface.
        interface: String,
        /// The id of the program that runs there.
        program: u32,
    },
}

impl Discrepancy {
    /// Its name in an audit.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ForeignEndpoint(_) => "foreign-endpoint",
            Self::AlteredEndpoint(_) => "altered-endpoint",
            Self::ForeignPrefix(..) => "foreign-prefix",
            Self::AlteredPrefix(..) => "altered-prefix",
            Self::AlteredMap(_) => "altered-map",
            Self::Detached { .. } => "program-detached",
            Self::Off { .. } => "program-off",
            Self::Replaced { .. } => "program-replaced",
        }
    }
}

/// What is not under a warrant is named; what is, is not, as it may be somebody's identity.
impl fmt::Display for Discrepancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignEndpoint(endpoint) => {
                write!(f, "{endpoint} was open under no warrant, and is closed")
            }
            Self::AlteredEndpoint(_) => {
                write!(f, "an endpoint under a warrant was gone or altered, and is written again")
            }
            Self::ForeignPrefix(address, bits) => {
                write!(f, "{address}/{bits} was open under no warrant, and is closed")
            }
            Self::AlteredPrefix(..) => {
                write!(f, "a prefix under a warrant was gone or altered, and is written again")
            }
            Self::AlteredMap(map) => write!(f, "the map {map} was altered, and is written again"),
            Self::Detached { interface } => {
                write!(f, "the program was off {interface}, and is attached again")
            }
            Self::Off { interface, cause } => write!(
                f,
                "the program is off {interface}, and nothing of it arrives; it cannot be attached \
                 again, which is tried each 750 ms: {cause}"
            ),
            Self::Replaced { interface, program } => write!(
                f,
                "{interface} runs another program (id {program}), and nothing of it arrives: \
                 detach that with its own tool"
            ),
        }
    }
}
