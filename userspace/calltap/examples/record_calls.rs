//! Places a lab's calls and records its mirror port: how the captures in `pcaps/` are made.
//!
//! `record_calls FILE udp|tcp|tcp-trunk TARGET_CALLS STRANGER_CALLS SECONDS`

use std::path::Path;

use anyhow::{Result, bail};
use calltap::lab::{CallPlan, Lab, Transport};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, transport, target_calls, stranger_calls, seconds] = arguments.as_slice() else {
        bail!("usage: record_calls FILE udp|tcp|tcp-trunk TARGET_CALLS STRANGER_CALLS SECONDS");
    };
    let plan = CallPlan {
        target_calls: target_calls.parse()?,
        stranger_calls: stranger_calls.parse()?,
        seconds: seconds.parse()?,
        transport: match transport.as_str() {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            "tcp-trunk" => Transport::TcpTrunk,
            other => bail!("no transport is called {other}"),
        },
        ..CallPlan::default()
    };
    let lab = Lab::lay()?;
    let witness = lab.witness(Path::new(file))?;
    let report = lab.place_calls(&plan)?;
    witness.stop()?;
    println!("{file}: {} calls, {} frames", report.calls, report.frames);
    Ok(())
}
