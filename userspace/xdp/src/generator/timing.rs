//! What a program costs a frame, when each frame is of another flow than the one before.
//!
//! The kernel's own repetition (`BPF_PROG_TEST_RUN`) shows a program the same bytes again and again,
//! which the caches and the branch predictor learn.
//! Here the generator makes each frame anew and then calls the program.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::program::{self, Then};
use super::traffic::Traffic;
use super::{commands, failed};
use crate::{Error, Filter};

/// The generator, with the program that it calls.
#[derive(Debug)]
pub struct Timing {
    program: OwnedFd,
    traffic: Traffic,
    _counter: OwnedFd,
    /// The call is forgotten when nobody holds its map.
    _called: OwnedFd,
}

impl Timing {
    /// With a program that drops every frame: what is left is the generator, and belongs to no
    /// program's cost.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: it needs the capabilities that a capture needs.
    pub fn of_nothing(traffic: Traffic) -> Result<Self, Error> {
        let called = commands::load(&program::drop_all()).map_err(failed("loading a program"))?;
        Self::of(traffic, called.as_fd())
    }

    /// With the filter's program.
    ///
    /// # Errors
    ///
    /// As [`Timing::of_nothing`].
    pub fn of_filter(traffic: Traffic, filter: &Filter) -> Result<Self, Error> {
        Self::of(traffic, filter.program()?)
    }

    /// With the filter's header walk alone.
    ///
    /// # Errors
    ///
    /// As [`Timing::of_nothing`].
    pub fn of_walk(traffic: Traffic) -> Result<Self, Error> {
        Self::of(traffic, Filter::load_walk()?.as_fd())
    }

    fn of(traffic: Traffic, called: BorrowedFd<'_>) -> Result<Self, Error> {
        let counter = commands::counter().map_err(failed("making the generator's map"))?;
        let called = commands::programs(called).map_err(failed("having a program called"))?;
        let code = program::assemble(traffic, &counter, &Then::Call(&called));
        let program = commands::load(&code).map_err(failed("loading the generator"))?;
        Ok(Self { program, traffic, _counter: counter, _called: called })
    }

    /// Makes so many frames, and has the program judge each; gives its action for the last one, and
    /// the time of a frame, to the nanosecond.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn run(&self, frames: u32) -> Result<(u32, Duration), Error> {
        let run = commands::run_timed(&self.program, &self.traffic.frame(0), frames);
        let (action, ns) = run.map_err(failed("running a program over frames"))?;
        Ok((action, Duration::from_nanos(ns.into())))
    }
}
