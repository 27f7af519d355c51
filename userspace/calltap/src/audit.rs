//! `calltap audit`: the audit shown as a transparency log, to witnesses and to those who keep its
//! checkpoints.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use calltap_evidence::keys::KeyPair;
use calltap_evidence::stamp;
use calltap_evidence::tlog::Log;

use crate::config::Config;
use crate::{Outcome, cli, oversight};

/// Prints what is asked for.
///
/// # Errors
/// An audit that cannot be read or does not hold, or a node's key that is not there.
pub fn audit(arguments: &cli::Audit) -> anyhow::Result<Outcome> {
    match arguments {
        cli::Audit::Error(arguments) => oversight::error(arguments),
        cli::Audit::Stamp(arguments) => stamp(arguments),
        cli::Audit::Key { dir } => print(&format!("{}\n", Log::open(dir)?.verifier_key())),
        cli::Audit::Checkpoint { log: arguments, out } => {
            let (log, checkpoint) = signed(arguments)?;
            if let Some(out) = out {
                write_tiles(&log, &checkpoint, out)
                    .with_context(|| format!("tiles in {}", out.display()))?;
            }
            print(&checkpoint)
        }
        cli::Audit::Prove { log: arguments, line } => {
            let (log, checkpoint) = signed(arguments)?;
            match log.inclusion(*line) {
                Some(proof) => print(&(proof + &checkpoint)),
                None => not_fine(&format!("the audit has no line {line}")),
            }
        }
        cli::Audit::Consistency { log: arguments, from } => {
            let (log, checkpoint) = signed(arguments)?;
            let first = match from {
                Some(from) => match since(&log, from)? {
                    Ok(first) => first,
                    Err(why) => return not_fine(&why),
                },
                None => 0,
            };
            match log.consistency(first) {
                Some(proof) => print(&(proof + &checkpoint)),
                None => not_fine(&format!("the audit has less than {first} lines")),
            }
        }
    }
}

/// Asks for a time stamp of the audit, or takes it in. What fetches it is no part of this program.
fn stamp(arguments: &cli::Stamp) -> anyhow::Result<Outcome> {
    let cli::Stamp { dir, query, reply, failed, config } = arguments;
    if let Some(path) = query {
        let request = stamp::query(dir)?;
        fs::write(path, request).with_context(|| path.display().to_string())?;
        return Ok(Outcome::Fine);
    }
    let node = KeyPair::load(&Config::load(config.as_deref())?.node_key_path())?;
    let outcome = match reply {
        Some(path) => {
            let reply = fs::read(path).with_context(|| path.display().to_string())?;
            stamp::reply(dir, &node, &reply)?
        }
        None => stamp::failed(dir, &node, failed.as_deref().unwrap_or_default())?,
    };
    match outcome {
        stamp::Outcome::Stamped(at) => print(&format!("stamped  {at}\n")),
        stamp::Outcome::Failed(cause) => not_fine(&format!("no time stamp: {cause}")),
    }
}

/// The audit as it is now, and its checkpoint.
fn signed(arguments: &cli::Log) -> anyhow::Result<(Log, String)> {
    let log = Log::open(&arguments.dir)?;
    let key = Config::load(arguments.config.as_deref())?.node_key_path();
    let checkpoint = log.signed(&KeyPair::load(&key)?)?;
    Ok((log, checkpoint))
}

/// How many lines there were by an earlier checkpoint, or why these are not the first of the audit.
fn since(log: &Log, from: &Path) -> anyhow::Result<Result<usize, String>> {
    let note = fs::read_to_string(from).with_context(|| from.display().to_string())?;
    let Some(then) = log.verified(&note) else {
        return Ok(Err(format!(
            "{}: no checkpoint that this node signed for this audit",
            from.display()
        )));
    };
    Ok(match log.checkpoint(then.size) {
        Some(now) if now == then => Ok(then.size),
        Some(_) => Err(format!("the first {} lines are not those that were signed for", then.size)),
        None => Err(format!("lines are gone: there were {}", then.size)),
    })
}

fn write_tiles(log: &Log, checkpoint: &str, out: &Path) -> std::io::Result<()> {
    for (path, bytes) in log.tiles() {
        let path = out.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, bytes)?;
    }
    // Last, so that whoever reads it finds what it vouches for.
    fs::write(out.join("checkpoint"), checkpoint)
}

fn print(text: &str) -> anyhow::Result<Outcome> {
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Outcome::Fine)
}

fn not_fine(what: &str) -> anyhow::Result<Outcome> {
    eprintln!("calltap: {what}");
    Ok(Outcome::NotFine)
}
