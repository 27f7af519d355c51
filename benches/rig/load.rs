//! calltap with every call set up and every stream begun, what it is sent then, and how that was
//! accounted for.

use std::path::Path;

use anyhow::Result;
use calltap_bench::desk::Desk;
use calltap_xdp::generator::Traffic;

use crate::calls;
use crate::link::{Carried, Link};
use crate::session::{Blast, Plan, Summary, blast};
use crate::tally::{Pass, Tally};
use crate::tool::{Running, Tool};

/// A session of calltap's that goes on.
pub(crate) struct Load {
    /// The warrant lies there.
    _desk: Desk,
    pub(crate) link: Link,
    pub(crate) running: Running,
    before: Carried,
    passes: Vec<Pass>,
}

impl Load {
    /// Starts calltap on an idle link.
    pub(crate) fn start(plan: &Plan, dir: &Path) -> Result<Self> {
        let desk = Desk::lay();
        desk.post();
        let link = Link::open()?;
        let before = Link::carried()?;
        let running = Tool::Calltap.start(plan.cpu, &dir.join("tool"), &desk)?;
        Ok(Self { _desk: desk, link, running, before, passes: Vec::new() })
    }

    /// Sets up the calls, and sends the first packet of each of their streams.
    pub(crate) fn set_up(&mut self, plan: &Plan) -> Result<()> {
        calls::set_up(&self.link, plan.calls, plan.calls_a_second)?;
        self.running.settle();
        let first = Pass::first_packets(2 * plan.calls);
        calls::speak(&self.link, first, plan.streams_a_second.max(1))?;
        self.running.settle();
        self.passes.push(first);
        Ok(())
    }

    /// Media, behind what was sent of it before.
    pub(crate) fn next(&mut self, traffic: Traffic, frames: u64) -> Pass {
        let mut pass = Pass::blast(traffic, frames);
        if let [_, .., last] = &*self.passes {
            pass.first = last.first + last.frames;
        }
        self.passes.push(pass);
        pass
    }

    /// Sends so many frames as fast as can be.
    pub(crate) fn blast(&mut self, traffic: Traffic, frames: u32) -> Result<Blast> {
        let pass = self.next(traffic, frames.into());
        blast(&self.link, &self.running, pass)
    }

    /// Stops it; gives what it counted, and what is in its files.
    pub(crate) fn end(self) -> Result<(Summary, Tally)> {
        let Self { running, before, passes, .. } = self;
        let stopped = running.stop()?;
        let carried = Link::carried()? - before;
        let tally = Tally::of(&stopped.files, &passes)?;
        Ok((Summary::of(&stopped.said()?, carried, &tally)?, tally))
    }
}
