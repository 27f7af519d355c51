//! `calltap evidence`: what an investigator asks of evidence.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

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
    /// Show a call: ladder, streams, keys pressed, who hung up, where it is kept
    #[command(after_help = "Examples:\n  \
        calltap evidence show CASE-1/3               a call by LIID and number\n  \
        calltap evidence show 3-24365@192.0.2.10     by its Call-ID\n  \
        calltap evidence show CASE-1/3 --sip         every message in full\n  \
        calltap evidence show CASE-1/3 --sip 1       the first message in full")]
    Show(Show),
    /// Copy a call into one capture file that decodes alone
    #[command(after_help = "Examples:\n  \
        calltap evidence export CASE-1/3 --out call.pcapng && wireshark call.pcapng\n  \
        calltap evidence export CASE-1/3 --out call.pcap --format pcap\n\n\
        The copy is no evidence: it is in no manifest, and its head names the volumes that hold\n\
        the originals, with their hashes. That it was made is written into the audit, unless a\n\
        capture that runs holds that.")]
    Export(Export),
    /// Write a call as a stereo WAV: the caller left, the called party right
    #[command(after_help = "Example:\n  \
        calltap evidence audio CASE-1/3 --out call.wav\n\n\
        G.711, G.722, GSM and Opus are decoded. Each packet is at its time, and where one is missing\n\
        is silence. It has 8,000 samples a second, 16,000 if any of the call is G.722, and 48,000 if\n\
        any is Opus. SRTP is decrypted where its keys stand in the signalling, into the WAV alone,\n\
        and the audit says so. What cannot be heard is named with the reason.")]
    Audio(Audio),
    /// Write a call's report: one page that opens anywhere, without a network
    #[command(after_help = "Example:\n  \
        calltap evidence report CASE-1/3 --html call.html\n\n\
        Parties, ladder, every message, streams with jitter, delay and loss, audio to be played,\n\
        and custody with hashes and how to check them. It loads nothing and runs no script.")]
    Report(Report),
    /// Send a call's signalling to HOMER, as HEP3 by UDP
    #[command(after_help = "Example:\n  \
        calltap evidence hep CASE-1/3 --to 192.0.2.50:9060\n\n\
        Each message is one packet with its own time and ends, and the call's LIID and number as\n\
        correlation. Media is never sent. HEP3 neither encrypts nor proves anything: let the way\n\
        there be the operator's own. That it was sent, and where to, is written into the audit\n\
        ahead of the first packet; without that, nothing is sent.")]
    Hep(Hep),
    /// Open evidence that is sealed to a recipient, as its holder
    #[command(after_help = "Examples:\n  \
        calltap evidence open --identity key.txt --out opened evidence\n  \
        calltap evidence open --identity key.txt evidence/CASE-1/CASE-1_00001_20261123T160400Z.pcapng.age\n\n\
        Each volume becomes a pcapng for Wireshark, whose SHA-256 is held against the manifest, and\n\
        the ledger of calls LIID_calls.jsonl. What was altered beyond that, calltap verify says.")]
    Open(Open),
    /// Destroy all evidence of a LIID, and leave a signed certificate of it in the audit
    #[command(after_help = "Example:\n  \
        calltap evidence destroy CASE-1 --reason 'kept for the time that the law sets' --evidence evidence\n\n\
        The certificate is printed: a signed line of the audit. The reason must name no person.")]
    Destroy(Destroy),
}

/// Which call is meant.
#[derive(Debug, Args)]
pub struct Call {
    /// LIID/CIN, a CIN that one LIID alone has, or a Call-ID
    #[arg(value_name = "CALL")]
    pub call: String,
    /// The evidence directory; without it the current one, or `evidence` in it
    #[arg(long, value_name = "DIR")]
    pub evidence: Option<PathBuf>,
}

/// `calltap evidence show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The call.
    #[command(flatten)]
    pub call: Call,
    /// Print the text of every message, or of the one that has this number in the ladder
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "0")]
    pub sip: Option<usize>,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// `calltap evidence export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The call.
    #[command(flatten)]
    pub call: Call,
    /// The file to write, which must not be there
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// pcapng has interfaces and comments; pcap is for programs that read nothing newer
    #[arg(long, value_enum, default_value = "pcapng")]
    pub format: CopyFormat,
}

/// `calltap evidence audio`.
#[derive(Debug, Args)]
pub struct Audio {
    /// The call.
    #[command(flatten)]
    pub call: Call,
    /// The file to write, which must not be there
    #[arg(long, value_name = "FILE.wav")]
    pub out: PathBuf,
}

/// `calltap evidence hep`.
#[derive(Debug, Args)]
pub struct Hep {
    /// The call.
    #[command(flatten)]
    pub call: Call,
    /// Where HOMER listens for HEP3 by UDP
    #[arg(long, value_name = "IP:PORT")]
    pub to: SocketAddr,
    /// The number by which HOMER knows this sender
    #[arg(long, value_name = "N", default_value_t = 2001)]
    pub agent: u32,
    /// The password that HOMER asks of senders
    #[arg(long, value_name = "TEXT")]
    pub password: Option<String>,
}

/// `calltap evidence report`.
#[derive(Debug, Args)]
pub struct Report {
    /// The call.
    #[command(flatten)]
    pub call: Call,
    /// The page to write, which must not be there
    #[arg(long, value_name = "FILE.html")]
    pub html: PathBuf,
}

/// `calltap evidence destroy`.
#[derive(Debug, Args)]
pub struct Destroy {
    /// The measure
    pub liid: String,
    /// Why, in words that name no person
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// The evidence directory
    #[arg(long, value_name = "DIR", default_value = "evidence")]
    pub evidence: PathBuf,
    /// Settings, which say where the node's key is
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `calltap evidence open`.
#[derive(Debug, Args)]
pub struct Open {
    /// The recipient's secret key, as age-keygen writes it
    #[arg(long, value_name = "KEY")]
    pub identity: PathBuf,
    /// The directory to write into; without it the current one
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// A sealed volume, the directory of a LIID, or an evidence directory
    #[arg(value_name = "VOLUME|DIR")]
    pub what: PathBuf,
}

/// How a copy is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CopyFormat {
    /// pcapng.
    Pcapng,
    /// Classic pcap, with nanoseconds.
    Pcap,
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
