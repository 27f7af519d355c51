//! Frames of made-up calls, sent as fast as this kernel can: what benches and rigs load a link with.
//!
//! A program that the kernel runs over live frames (`BPF_PROG_TEST_RUN` with
//! `BPF_F_TEST_XDP_LIVE_FRAMES`) rewrites each and sends it out of an interface: several million a
//! second from one CPU, and each is what [`Traffic::frame`] says, so that whoever received it can
//! tell whether it is whole.
//! What has to be sent at a pace goes through a [`Sender`].

use std::os::fd::OwnedFd;

use program::Then;

use crate::{Error, Interface};

mod commands;
mod program;
mod sender;
mod timing;
mod traffic;

pub use sender::Sender;
pub use timing::Timing;
pub use traffic::{CALLS, Direction, FRAME_BYTES, Stream, Traffic};

/// Frames that the kernel hands to an interface at once; more than 256 it refuses.
const BATCH: u32 = 64;

/// The program in the kernel, and how many frames it has made.
#[derive(Debug)]
pub struct Generator {
    program: OwnedFd,
    counter: OwnedFd,
    traffic: Traffic,
}

impl Generator {
    /// Loads the program for this traffic; the first frame is number 0.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: it needs the capabilities that a capture needs.
    pub fn load(traffic: Traffic) -> Result<Self, Error> {
        let counter = commands::counter().map_err(failed("making the generator's map"))?;
        let program = commands::load(&program::assemble(traffic, &counter, &Then::Send))
            .map_err(failed("loading the generator"))?;
        Ok(Self { program, counter, traffic })
    }

    /// Sends the next `frames` out of `interface`, and returns when the last is on its way.
    ///
    /// An interface that does not keep up drops frames and counts them; on a veth pair, that is
    /// the sending end.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: the kernel is older than 5.18, or the far end of a veth pair takes no
    /// frames (it wants a program of its own, or `ethtool -K FAR gro on`).
    pub fn send(&self, interface: &Interface, frames: u32) -> Result<(), Error> {
        let template = self.traffic.frame(0);
        commands::run_live(&self.program, &template, interface.index(), frames, BATCH)
            .map_err(failed("running the generator over live frames"))
    }

    /// How many frames it has made so far, which is the number of the next.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn made(&self) -> Result<u64, Error> {
        commands::read(&self.counter).map_err(failed("reading the generator's counter"))
    }

    /// Makes `number` the next frame's.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn go_on_at(&self, number: u64) -> Result<(), Error> {
        commands::write(&self.counter, number).map_err(failed("setting the generator's counter"))
    }

    /// The next frame as the program in the kernel makes it, sent nowhere.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn make(&self) -> Result<Vec<u8>, Error> {
        commands::run_once(&self.program, &self.traffic.frame(0))
            .map_err(failed("running the generator"))
    }
}

fn failed(what: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |cause| Error::system(what, cause)
}
