//! Settings, each with a default: `--config FILE`, a TOML file.
//!
//! What a warrant decides (whom, when, what is delivered) cannot be set here.

mod check;
mod reload;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use calltap_evidence::trust::is_country;
use serde::{Deserialize, Serialize};

pub use check::check;
pub use reload::{Reloaded, Settings};

use crate::cli::Execution;
use crate::console::Tls;
use crate::placement::Wish;

/// No file of settings is longer: what is, is something else.
const MAX_BYTES: u64 = 1 << 20;

/// The settings of a run or a replay.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The country that the node is in (ISO 3166): it executes no other's warrants, unless the trust
    /// store says so.
    pub country: Option<String>,
    /// UDP and TCP ports that carry signalling.
    pub signalling_ports: Vec<u16>,
    /// What becomes of frames nobody asked for.
    pub mode: Mode,
    /// Seconds for which a call's media is still followed after the call ended.
    pub grace: u64,
    /// Seconds of silence, in signalling and in media, after which an established call is over.
    pub media_silence: u64,
    /// What joins the legs of a call that have Call-IDs of their own.
    pub joins: JoinRule,
    /// How numbers are written without their country code; not at all, by default.
    pub numbers: NumberRule,
    /// Where volumes are cut.
    pub rotation: RotationRule,
    /// The node's secret key, made at first use where it is missing.
    pub node_key: Option<PathBuf>,
    /// Endpoints that the kernel's map has room for.
    pub max_endpoints: u32,
    /// Frames in circulation for each receive queue; a power of two.
    pub frames_per_queue: u32,
    /// Whether to go on where the kernel does not offer every part of the confinement.
    pub confinement: Required,
    /// Whether the thread that follows calls never sleeps: a core, and no wait for it to wake.
    pub busy_poll: bool,
    /// Whether workers run their queues' drivers themselves while frames come, in place of the card's
    /// interrupts (`SO_PREFER_BUSY_POLL`).
    pub prefer_busy_poll: bool,
    /// The processors of the workers: `auto`, `off`, or a list such as `2-5`.
    pub worker_cpus: String,
    /// How the console shows itself to others.
    pub console: ConsoleRule,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            country: None,
            signalling_ports: vec![5060],
            mode: Mode::Mirror,
            grace: 5,
            media_silence: 3600,
            joins: JoinRule::default(),
            numbers: NumberRule::default(),
            rotation: RotationRule::default(),
            node_key: None,
            max_endpoints: 1 << 18,
            frames_per_queue: 8192,
            confinement: Required::Offered,
            busy_poll: false,
            prefer_busy_poll: false,
            worker_cpus: "auto".to_owned(),
            console: ConsoleRule::default(),
        }
    }
}

/// What becomes of frames that no warrant asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The interface is a mirror port: they are dropped in the kernel.
    Mirror,
    /// The interface also serves this host: they are passed to its stack, as is every frame that
    /// is addressed to the interface itself.
    Host,
}

/// How much of the confinement there must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Required {
    /// What the kernel offers; what it does not is said in the log and in the audit.
    #[default]
    Offered,
    /// All of it, or nothing is captured.
    Required,
}

/// What the console shows itself with: without both, in the clear and to this machine alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleRule {
    /// Its certificate in PEM, with those that lead to its authority behind it.
    pub certificate: Option<PathBuf>,
    /// The certificate's key in PEM, for its owner alone.
    pub key: Option<PathBuf>,
}

impl ConsoleRule {
    /// Reads both, where they are set.
    ///
    /// # Errors
    /// As [`Tls::load`].
    pub fn tls(&self) -> anyhow::Result<Option<Tls>> {
        let both = self.certificate.as_ref().zip(self.key.as_ref());
        both.map(|(certificate, key)| Tls::load(certificate, key)).transpose()
    }

    fn check(&self) -> Vec<Fault> {
        match (&self.certificate, &self.key) {
            (Some(_), None) => vec![("console.certificate", "nothing without its key".to_owned())],
            (None, Some(_)) => vec![("console.key", "nothing without its certificate".to_owned())],
            _ => Vec::new(),
        }
    }
}

/// National forms of telephone numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct NumberRule {
    /// Country code, digits alone.
    pub country: String,
    /// What is dialled ahead of a country code.
    pub international_prefixes: Vec<String>,
    /// What is dialled ahead of a number of this country.
    pub trunk_prefix: String,
}

impl NumberRule {
    fn check(&self) -> Vec<Fault> {
        let named = |key| move |value: &String| (key, value.clone());
        let prefixes = self.international_prefixes.iter();
        let values = prefixes.map(named("numbers.international_prefixes"));
        let values = values.chain([
            ("numbers.country", self.country.clone()),
            ("numbers.trunk_prefix", self.trunk_prefix.clone()),
        ]);
        let mut faults: Vec<_> = values
            .filter(|(_, value)| !value.bytes().all(|byte| byte.is_ascii_digit()))
            .map(|(key, value)| (key, format!("`{value}` has more than digits")))
            .collect();
        if self.international_prefixes.iter().any(String::is_empty) {
            faults.push(("numbers.international_prefixes", "an empty prefix".to_owned()));
        }
        faults
    }
}

/// Keys that join the legs of a call, the most trusted place first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct JoinRule {
    /// Header fields.
    pub headers: Vec<String>,
    /// Ends of Call-IDs that a back-to-back user agent appends for its own leg.
    pub call_id_suffixes: Vec<String>,
}

impl Default for JoinRule {
    fn default() -> Self {
        let calltap_proto::Joins { headers, call_id_suffixes } = calltap_proto::Joins::default();
        Self { headers, call_id_suffixes }
    }
}

impl JoinRule {
    /// Header fields that many calls share by their nature can join nothing.
    fn check(&self) -> Vec<Fault> {
        let is_token = |it: &String| {
            !it.is_empty() && it.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        };
        let shared = ["From", "To", "Via", "Contact", "CSeq", "Route", "User-Agent", "Call-ID"];
        let is_shared = |it: &String| shared.iter().any(|name| name.eq_ignore_ascii_case(it));
        let mut faults = Vec::new();
        for header in &self.headers {
            if !is_token(header) {
                faults.push(("joins.headers", format!("`{header}` is no header field's name")));
            } else if is_shared(header) {
                let what = format!("`{header}` would join calls of different people");
                faults.push(("joins.headers", what));
            }
        }
        if self.headers.len() > MAX_JOIN_HEADERS {
            faults.push(("joins.headers", format!("at most {MAX_JOIN_HEADERS}")));
        }
        if self.call_id_suffixes.iter().any(String::is_empty) {
            faults.push(("joins.call_id_suffixes", "an empty suffix".to_owned()));
        }
        faults
    }
}

/// Every message of a stranger is searched for each.
const MAX_JOIN_HEADERS: usize = 4;

/// Where a volume ends and the next begins, in dumpcap's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RotationRule {
    /// Seconds after which a volume is sealed; 0 for never.
    pub duration: u64,
    /// Size in kB (1,000 bytes) after which a volume is sealed; 0 for never.
    pub filesize: u64,
}

impl Default for RotationRule {
    fn default() -> Self {
        Self { duration: 3600, filesize: 1_000_000 }
    }
}

impl RotationRule {
    /// Takes over what `-b` said: `duration:SECONDS`, `filesize:KB`.
    ///
    /// # Errors
    /// A word that is neither, or a value that is no number.
    pub fn with_switches(mut self, switches: &[String]) -> anyhow::Result<Self> {
        for switch in switches {
            let (word, value) = switch.split_once(':').unwrap_or((switch.as_str(), ""));
            let value: u64 = value.parse().with_context(|| {
                format!("-b {switch}: expected duration:SECONDS or filesize:KB")
            })?;
            match word {
                "duration" => self.duration = value,
                "filesize" => self.filesize = value,
                _ => bail!("-b {switch}: expected duration:SECONDS or filesize:KB"),
            }
        }
        Ok(self)
    }
}

impl Config {
    /// The settings of an execution: those of its file, with what its switches say instead.
    ///
    /// # Errors
    /// A file that cannot be read, is no TOML, or has a field that is not known; a switch that
    /// makes no sense.
    pub fn of(execution: &Execution) -> anyhow::Result<Self> {
        let mut config = Self::load(execution.config.as_deref())?;
        config.rotation = config.rotation.with_switches(&execution.rotate)?;
        Ok(config)
    }

    /// Reads the settings, or takes the defaults where there is no file.
    ///
    /// # Errors
    /// As [`Config::of`].
    pub(crate) fn load(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        check::parse(&text_of(path)?).map_err(|problems| {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("config {}: {}", path.display(), problems.join("; "))
        })
    }

    /// What of the settings cannot be obeyed, each by its key.
    fn faults(&self) -> Vec<Fault> {
        let mut faults = [self.joins.check(), self.numbers.check(), self.console.check()].concat();
        if self.signalling_ports.is_empty() {
            faults.push(("signalling_ports", "empty: no call can be seen".to_owned()));
        }
        if self.country.as_deref().is_some_and(|country| !is_country(country)) {
            faults.push(("country", "no ISO 3166 code, such as BE".to_owned()));
        }
        let frames = self.frames_per_queue;
        if !frames.is_power_of_two() || !(64..=1 << 20).contains(&frames) {
            faults.push(("frames_per_queue", "a power of two from 64 to 2^20".to_owned()));
        }
        if !(16..=1 << 24).contains(&self.max_endpoints) {
            faults.push(("max_endpoints", "from 16 to 2^24".to_owned()));
        }
        if Wish::of(&self.worker_cpus).is_none() {
            faults.push(("worker_cpus", "auto, off, or processors such as 2-5".to_owned()));
        }
        faults
    }

    /// Every setting as it takes effect, as one line of JSON.
    ///
    /// # Errors
    /// A path that is not UTF-8.
    pub fn effective(&self) -> serde_json::Result<String> {
        let node_key = Some(self.node_key_path());
        serde_json::to_string(&Self { node_key, ..self.clone() })
    }

    /// The grace time after a call's end.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace)
    }

    /// Where the node's secret key is.
    ///
    /// It must not lie with the evidence: who can change evidence must not be able to sign it.
    pub fn node_key_path(&self) -> PathBuf {
        let given = self.node_key.clone();
        given.unwrap_or_else(|| state_directory().join("node.key"))
    }
}

/// A setting's key, and what is wrong with its value.
type Fault = (&'static str, String);

/// The directory that a file of settings is in.
pub(crate) fn directory(file: &Path) -> PathBuf {
    let parent = file.parent().filter(|it| !it.as_os_str().is_empty());
    parent.unwrap_or_else(|| Path::new(".")).to_owned()
}

fn text_of(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
        .with_context(|| format!("config {}", path.display()))?;
    Ok(text)
}

/// `$XDG_STATE_HOME/calltap`, `~/.local/state/calltap`, or for a service without a home
/// `/var/lib/calltap`.
fn state_directory() -> PathBuf {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|it| it.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(|| PathBuf::from("/var/lib"))
        .join("calltap")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumpcap_words_set_the_rotation() {
        let rule = RotationRule::default();
        let rule = rule.with_switches(&["duration:60".into(), "filesize:10".into()]).unwrap();
        assert_eq!(rule, RotationRule { duration: 60, filesize: 10 });
    }

    #[test]
    fn an_unknown_rotation_word_is_refused() {
        for word in ["packets:5", "duration", "duration:soon"] {
            assert!(RotationRule::default().with_switches(&[word.into()]).is_err(), "{word}");
        }
    }

    #[test]
    fn keys_that_join_legs_are_unique_by_their_nature() {
        let check = |text: &str| toml::from_str::<Config>(text).unwrap().joins.check();
        assert_eq!(check(""), []);
        assert_eq!(check("[joins]\nheaders = [\"Session-ID\", \"X-CID\"]"), []);
        assert_eq!(check("[joins]\nheaders = []\ncall_id_suffixes = [\"_b2b-1\"]"), []);
        for bad in ["headers = [\"from\"]", "headers = [\"X CID\"]", "call_id_suffixes = [\"\"]"] {
            assert_eq!(check(&format!("[joins]\n{bad}")).len(), 1, "{bad}");
        }
    }
}
