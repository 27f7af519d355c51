//! The command line, as the documentation promises it: what each command takes, nothing of what
//! it does.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};

mod evidence;
mod examples;
mod warrant;

pub use evidence::{
    Audio, Call, CopyFormat, Destroy, Evidence, Export, Hep, List, Open, Report, Show,
};
pub use warrant::{Act, Activate, Authority, Deliver, DryRun, NewWarrant, TrustedAct, Warrant};

/// Executes an interception warrant on a mirror port, and nothing more.
#[derive(Debug, Parser)]
#[command(name = "calltap", version, about, max_term_width = 100)]
#[command(after_help = examples::CALLTAP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the key pair of an authority that may sign warrants
    #[command(subcommand)]
    Authority(Authority),
    /// Draft, sign and check warrants
    #[command(subcommand)]
    Warrant(Warrant),
    /// Execute warrants on capture files
    #[command(after_help = examples::REPLAY)]
    Replay(Replay),
    /// Execute warrants on the wire
    #[command(after_help = examples::RUN)]
    Run(Run),
    /// Say how the running capture stands
    #[command(after_help = examples::STATUS)]
    Status(Status),
    /// Watch the running capture on a terminal screen
    #[command(after_help = examples::TOP)]
    Top(Top),
    /// Check that evidence is whole and who authorised it
    #[command(after_help = examples::VERIFY)]
    Verify(Verify),
    /// Show the audit as a transparency log that a witness can check
    #[command(subcommand)]
    Audit(Audit),
    /// Report to oversight what was done in a period, from the audit alone
    #[command(after_help = examples::REPORT)]
    Report(Oversight),
    /// List calls, show one, and copy, hear or report it
    #[command(subcommand)]
    Evidence(Evidence),
    /// Check a file of settings
    #[command(subcommand)]
    Config(Settings),
    /// Say what this kernel, interface, disk and user can do, and how to mend what is missing
    #[command(after_help = examples::DOCTOR)]
    Doctor(Doctor),
    /// Place a real call in a lab, capture it under a warrant, verify it and say where to open it
    #[command(after_help = examples::DEMO)]
    Demo(Demo),
}

/// What every execution of warrants is told, whatever its frames come from.
#[derive(Debug, Args)]
pub struct Execution {
    /// The directory of the trusted authorities' public keys
    #[arg(long, value_name = "DIR")]
    pub trust: PathBuf,
    /// The directory that receives the evidence
    #[arg(long, value_name = "DIR")]
    pub evidence: PathBuf,
    /// Settings; every one has a default
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Begin a new volume after duration:SECONDS or filesize:KB, whichever comes first; repeatable
    #[arg(short = 'b', long = "ring-buffer", value_name = "duration:S|filesize:KB")]
    pub rotate: Vec<String>,
    /// Print the result as one JSON object on standard output at the end
    #[arg(long)]
    pub json: bool,
}

/// `calltap replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// Capture files, pcap or pcapng, in the order of their time
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// A signed warrant; may be repeated
    #[arg(long = "warrant", value_name = "W.toml", required = true)]
    pub warrants: Vec<PathBuf>,
    /// What every execution is told.
    #[command(flatten)]
    pub execution: Execution,
}

/// `calltap run`.
#[derive(Debug, Args)]
pub struct Run {
    /// An interface at a mirror port; may be repeated
    #[arg(long = "interface", value_name = "IF", required = true)]
    pub interfaces: Vec<String>,
    /// The directory of signed warrants (*.toml with *.toml.minisig)
    #[arg(long, value_name = "DIR")]
    pub warrants: PathBuf,
    /// Stop after so many seconds; without it, on SIGINT or SIGTERM
    #[arg(long = "for", value_name = "SECONDS")]
    pub seconds: Option<u64>,
    /// Give Prometheus its metrics at http://ADDR:PORT/metrics
    #[arg(long, value_name = "ADDR:PORT")]
    pub metrics: Option<SocketAddr>,
    /// Show the capture in a web console, on an address of this machine, or with TLS (console.certificate) on any
    #[arg(long, value_name = "127.0.0.1:PORT")]
    pub console: Option<SocketAddr>,
    /// The console's tokens, made if it is not there; console.tokens beside the node's key by default
    #[arg(long, value_name = "FILE", requires = "console")]
    pub console_tokens: Option<PathBuf>,
    /// What every execution is told.
    #[command(flatten)]
    pub execution: Execution,
}

/// `calltap status`.
#[derive(Debug, Args)]
pub struct Status {
    /// The evidence directory of the capture, where several run
    pub evidence: Option<PathBuf>,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// `calltap top`.
#[derive(Debug, Args)]
pub struct Top {
    /// The evidence directory of the capture, where several run
    pub evidence: Option<PathBuf>,
}

/// `calltap verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The evidence directory
    pub dir: PathBuf,
    /// Also hold the warrants against these trusted authorities
    #[arg(long, value_name = "DIR")]
    pub trust: Option<PathBuf>,
    /// Settings; only `node_key` matters, with which the verification is recorded in the audit
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// `calltap audit`.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Print the checkpoint of the audit, signed by the node (C2SP tlog-checkpoint)
    #[command(after_help = examples::AUDIT_CHECKPOINT)]
    Checkpoint {
        /// The audit.
        #[command(flatten)]
        log: Log,
        /// Also write it and the tree's hashes as files that can be served (C2SP tlog-tiles)
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Print the proof that a line is in the audit (C2SP tlog-proof)
    #[command(after_help = examples::AUDIT_PROVE)]
    Prove {
        /// The audit.
        #[command(flatten)]
        log: Log,
        /// The line's number, as its member `line` has it
        #[arg(long, value_name = "N")]
        line: usize,
    },
    /// Check that the audit has only grown since an earlier checkpoint, and print the proof of it as
    /// a request to a witness (C2SP tlog-witness)
    #[command(after_help = examples::AUDIT_CONSISTENCY)]
    Consistency {
        /// The audit.
        #[command(flatten)]
        log: Log,
        /// The earlier checkpoint; without it, the request is the first to a witness
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
    /// Have the audit say that something went wrong, for reports to count
    #[command(after_help = examples::AUDIT_ERROR)]
    Error(ReportedError),
    /// Have the audit bear a time stamp of an authority outside (RFC 3161)
    #[command(after_help = examples::AUDIT_STAMP)]
    Stamp(Stamp),
    /// Print the verifier key of the log, as a witness must be told of it (C2SP signed-note)
    #[command(after_help = examples::AUDIT_KEY)]
    Key {
        /// The evidence directory
        dir: PathBuf,
    },
}

/// `calltap audit stamp`.
#[derive(Debug, Args)]
pub struct Stamp {
    /// The evidence directory
    pub dir: PathBuf,
    /// Write the request to be sent to the authority, over the audit as it is now
    #[arg(long, value_name = "FILE", required_unless_present_any = ["reply", "failed"])]
    pub query: Option<PathBuf>,
    /// Take in the authority's reply
    #[arg(long, value_name = "FILE", conflicts_with_all = ["query", "failed"])]
    pub reply: Option<PathBuf>,
    /// Have the audit say that there was no reply, and why
    #[arg(long, value_name = "TEXT", conflicts_with = "query")]
    pub failed: Option<String>,
    /// Settings; only `node_key` matters, which signs the line
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `calltap audit error`.
#[derive(Debug, Args)]
pub struct ReportedError {
    /// The evidence directory
    pub dir: PathBuf,
    /// Which kind of error it was
    #[arg(long, value_parser = PossibleValuesParser::new(crate::oversight::CLASSES))]
    pub class: String,
    /// The measure that it is about
    #[arg(long)]
    pub liid: Option<String>,
    /// What happened, without anybody's identity
    #[arg(long)]
    pub reason: String,
    /// Settings; only `node_key` matters, which signs the line
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `calltap report`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("format").args(["json", "html", "markdown"]))]
pub struct Oversight {
    /// The evidence directory; only its audit is read
    pub dir: PathBuf,
    /// The period's first day, or instant (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub from: String,
    /// The first day, or instant, behind it
    #[arg(long, value_name = "TIME")]
    pub to: String,
    /// As one JSON object
    #[arg(long)]
    pub json: bool,
    /// As a page that loads nothing
    #[arg(long)]
    pub html: bool,
    /// As Markdown, which is the default
    #[arg(long)]
    pub markdown: bool,
    /// Leave out counts of orders, people and events from 1 to less than N
    #[arg(long, value_name = "N")]
    pub suppress: Option<u64>,
    /// Write it there, with the node's signature beside it as FILE.minisig
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Settings; only `node_key` matters, which signs the report
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Which audit, and with which key its checkpoint is signed.
#[derive(Debug, Args)]
pub struct Log {
    /// The evidence directory
    pub dir: PathBuf,
    /// Settings; only `node_key` matters, which signs the checkpoint
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `calltap config`.
#[derive(Debug, Subcommand)]
pub enum Settings {
    /// Check a file of settings: exit 0, or 1 with each problem by line and key
    #[command(after_help = "Example:\n  \
        calltap config check /etc/calltap/calltap.toml && systemctl reload calltap")]
    Check {
        /// The file, as --config takes it
        file: PathBuf,
    },
}

/// `calltap doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// An interface to look at; without it, every one
    pub interface: Option<String>,
    /// Also look at the directory that is to receive evidence, and measure its disk
    #[arg(long, value_name = "DIR")]
    pub evidence: Option<PathBuf>,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// `calltap demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Where to leave keys, warrant and evidence; a new directory under the temporary one by default
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// Every command without commands of its own, by its words.
    fn leaves(command: &clap::Command, words: &str, found: &mut Vec<(String, String)>) {
        let words = format!("{words} {}", command.get_name());
        let commands = command.get_subcommands().filter(|it| it.get_name() != "help");
        if command.has_subcommands() {
            commands.for_each(|it| leaves(it, &words, found));
        } else {
            let taught = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            found.push((words.trim().to_owned(), taught));
        }
    }

    /// A line of a shell as words, up to a comment or what it is piped or chained to.
    fn words(line: &str) -> Vec<String> {
        let line = line.split("  ").next().unwrap_or_default();
        let mut words = vec![String::new()];
        let mut quoted = false;
        for letter in line.chars() {
            match letter {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                letter => words.last_mut().unwrap().push(letter),
            }
        }
        let end = words.iter().position(|word| ["|", "&&", ">"].contains(&word.as_str()));
        words.truncate(end.unwrap_or(words.len()));
        words
    }

    #[test]
    fn every_command_teaches_by_examples_that_it_would_take() {
        let mut found = Vec::new();
        leaves(&Cli::command(), "", &mut found);
        assert!(found.len() > 20, "{found:?}");
        for (command, taught) in found {
            let examples = taught.lines().filter_map(|line| line.trim().strip_prefix("calltap "));
            let examples: Vec<_> = examples.map(|rest| format!("calltap {rest}")).collect();
            assert!(!examples.is_empty(), "{command} has no example");
            for example in examples {
                let parsed = Cli::try_parse_from(words(&example));
                assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
                assert!(example.starts_with(&command), "{example} under {command}");
            }
        }
    }
}
