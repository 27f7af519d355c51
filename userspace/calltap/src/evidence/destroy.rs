//! `calltap evidence destroy`: what the law no longer lets one keep.

use std::fs;

use anyhow::Context as _;
use calltap_evidence::destroy;
use calltap_evidence::keys::KeyPair;

use super::index;
use crate::config::Config;
use crate::{Outcome, cli};

/// Destroys the evidence of a LIID and prints the certificate.
///
/// # Errors
/// The evidence is not whole, a capture runs there, there is no such LIID, the key is not this
/// node's, or a file cannot be removed.
pub fn destroy(arguments: &cli::Destroy) -> anyhow::Result<Outcome> {
    let cli::Destroy { liid, reason, evidence, config } = arguments;
    let key = Config::load(config.as_deref())?.node_key_path();
    let node = KeyPair::load(&key).with_context(|| format!("the node's key {}", key.display()))?;
    // The index of its calls has identities, too; where nothing is destroyed it is made again.
    index::forget(evidence, liid);
    let gone = destroy::destroy(evidence, &node, liid, reason)?;
    let files = gone.files.len();
    eprintln!("destroyed: {liid}: {files} files, {} calls, {} packets", gone.calls, gone.packets);
    let audit = evidence.join("audit.jsonl");
    let text = fs::read_to_string(&audit).with_context(|| audit.display().to_string())?;
    println!("{}", text.lines().last().unwrap_or_default());
    Ok(Outcome::Fine)
}
