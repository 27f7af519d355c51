//! `calltap authority` and `calltap warrant`: who orders, and what is ordered.

use std::path::PathBuf;

use calltap_evidence::age::Recipient;
use calltap_evidence::record::Direction;
use clap::{Args, Subcommand, ValueEnum};

use super::examples;

/// `calltap authority`.
#[derive(Debug, Subcommand)]
pub enum Authority {
    /// Write NAME.key (readable by you alone) and NAME.pub, in minisign's format
    #[command(after_help = examples::AUTHORITY_NEW)]
    New {
        /// The authority's name, and the stem of both file names
        name: String,
        /// The directory to write into
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// `calltap warrant`.
#[derive(Debug, Subcommand)]
pub enum Warrant {
    /// Draft a warrant as a TOML file, to be read, signed and checked
    #[command(after_help = examples::WARRANT_NEW)]
    New(Box<NewWarrant>),
    /// Sign a warrant with an authority's key: writes FILE.minisig
    #[command(after_help = examples::WARRANT_SIGN)]
    Sign {
        /// The warrant
        file: PathBuf,
        /// The authority's secret key
        #[arg(long, value_name = "NAME.key")]
        key: PathBuf,
    },
    /// Check a warrant: exit 0, or 1 with a refusal code
    #[command(after_help = examples::WARRANT_CHECK)]
    Check {
        /// The warrants; FILE.minisig is expected beside each
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The directory of the trusted authorities' public keys
        #[arg(long, value_name = "DIR")]
        trust: PathBuf,
        /// The node's settings, for the country that they state
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Take a warrant back, as its authority: writes FILE.revocation
    #[command(after_help = examples::WARRANT_REVOKE)]
    Revoke(Act),
    /// Have nothing captured for a warrant until it is resumed: appends to FILE.acts
    #[command(after_help = examples::WARRANT_SUSPEND)]
    Suspend(TrustedAct),
    /// End a suspension: appends to FILE.acts
    #[command(after_help = examples::WARRANT_RESUME)]
    Resume(TrustedAct),
    /// Enter a warrant's identifiers again, as the first or second of two operators: appends to
    /// FILE.acts
    #[command(after_help = examples::WARRANT_ACTIVATE)]
    Activate(Activate),
    /// Say by rule what a warrant would match in captures, and keep nothing of them
    #[command(after_help = examples::WARRANT_DRY_RUN)]
    DryRun(DryRun),
}

/// What is done to a warrant.
#[derive(Debug, Args)]
pub struct Act {
    /// The warrant
    pub file: PathBuf,
    /// The secret key of who does it
    #[arg(long, value_name = "NAME.key")]
    pub key: PathBuf,
    /// Why: it stands in the audit
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// What is done to a warrant, by a key that must be known.
#[derive(Debug, Args)]
pub struct TrustedAct {
    /// What is done.
    #[command(flatten)]
    pub act: Act,
    /// The directory of the trusted authorities' and operators' public keys
    #[arg(long, value_name = "DIR")]
    pub trust: PathBuf,
}

/// `calltap warrant activate`.
#[derive(Debug, Args)]
pub struct Activate {
    /// The warrant
    pub file: PathBuf,
    /// The operator's secret key
    #[arg(long, value_name = "NAME.operator.key")]
    pub key: PathBuf,
    /// The directory of the trusted authorities' and operators' public keys
    #[arg(long, value_name = "DIR")]
    pub trust: PathBuf,
    /// An identifier of the order, entered again; without it, each is asked for
    #[arg(long = "target", value_name = "TARGET")]
    pub targets: Vec<String>,
}

/// `calltap warrant dry-run`.
#[derive(Debug, Args)]
pub struct DryRun {
    /// The signed warrant; it need not be activated yet
    pub file: PathBuf,
    /// Capture files, pcap or pcapng, in the order of their time
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// The directory of the trusted authorities' public keys
    #[arg(long, value_name = "DIR")]
    pub trust: PathBuf,
    /// Settings: ports, numbering, joins
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// `calltap warrant new`.
#[derive(Debug, Args)]
pub struct NewWarrant {
    /// Lawful interception identifier: names the warrant in evidence and logs
    #[arg(long)]
    pub liid: String,
    /// The authority that orders the interception
    #[arg(long, value_name = "NAME")]
    pub authority_name: String,
    /// The authority's own reference of the order
    #[arg(long)]
    pub reference: String,
    /// Country whose law the order is under (ISO 3166-1 alpha-2)
    #[arg(long, value_name = "CC")]
    pub jurisdiction: String,
    /// What is delivered
    #[arg(long, value_enum)]
    pub deliver: Deliver,
    /// Whom: sip:user@host, sip:user@*, tel:+number or ip:prefix; may be repeated
    #[arg(long = "target", value_name = "TARGET")]
    pub targets: Vec<String>,
    /// First instant of the window (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub not_before: String,
    /// Last instant of the window (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub not_after: String,
    /// The provision of law that the order stands on
    #[arg(long, value_name = "TEXT")]
    pub legal_basis: Option<String>,
    /// The class of offence, as reports count it
    #[arg(long, value_name = "CLASS")]
    pub offence_class: Option<String>,
    /// Seal the evidence to this X25519 recipient of age, who alone can then read it
    #[arg(long, value_name = "age1...")]
    pub recipient: Option<Recipient>,
    /// The order was given in an urgent procedure
    #[arg(long)]
    pub urgent: bool,
    /// Keep nothing of calls in which this party takes part: sip:user@host or tel:+number; may be
    /// repeated
    #[arg(long, value_name = "PARTY")]
    pub exclude: Vec<String>,
    /// Keep of calls in which this party takes part the signalling alone; may be repeated
    #[arg(long, value_name = "PARTY")]
    pub exclude_content: Vec<String>,
    /// Keep the content of one direction alone: from-target or to-target
    #[arg(long, value_name = "DIRECTION")]
    pub direction: Option<Direction>,
    /// Keep no keys of media: they are overwritten in session descriptions
    #[arg(long)]
    pub redact_sdes_keys: bool,
    /// Keep no keys that are pressed in a call: they are overwritten in events and messages
    #[arg(long)]
    pub mask_dtmf: bool,
    /// The version of this warrant that the new one takes the place of
    #[arg(long, value_name = "W.toml")]
    pub supersedes: Option<PathBuf>,
    /// The file to write
    #[arg(long, value_name = "W.toml")]
    pub out: PathBuf,
}

/// What a warrant orders to deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Deliver {
    /// Signalling alone
    IriOnly,
    /// Signalling and media
    IriAndContent,
}
