//! `calltap evidence`: what an investigator asks of evidence.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `calltap evidence`.
#[derive(Debug, Subcommand)]
pub enum Evidence {
    /// List calls: who, when, how long, streams, quality, encryption, losses
    #[command(after_help = "Examples:\n  \
        calltap evidence list                              every call of ./evidence\n  \
        calltap evidence list --party alice --from 2026-11-23 --to 2026-11-24\n  \
        calltap evidence list /srv/evidence --liid CASE-1 --json | jq '.calls[].call_id'\n\n\
        Times are UTC. A listing reads and does not verify: calltap verify does that.")]
    List(List),
}

/// `calltap evidence list`.
#[derive(Debug, Args)]
pub struct List {
    /// The evidence directory; without it the current one, or `evidence` in it
    pub dir: Option<PathBuf>,
    /// Calls that were going on at or after this time: 2026-11-23, 2026-11-23T16:04, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Calls that were going on at or before this time; a date means all of that day
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Calls whose From, To or target holds this text, in any case
    #[arg(long, value_name = "TEXT")]
    pub party: Option<String>,
    /// The calls of this Call-ID
    #[arg(long, value_name = "ID")]
    pub call_id: Option<String>,
    /// The calls of this LIID
    #[arg(long)]
    pub liid: Option<String>,
    /// Read the ledgers through, and keep no index of them in the cache directory
    #[arg(long)]
    pub no_index: bool,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}
