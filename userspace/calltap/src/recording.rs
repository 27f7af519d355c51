//! From warrants to orders that the engine executes, and the evidence directory opened for them.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use calltap_evidence::act;
use calltap_evidence::keys::KeyPair;
use calltap_evidence::session::{Clock, InterfaceFacts, Program, Rotation, Session};
use calltap_evidence::store::{self, Store};
use calltap_evidence::trust::Trust;
use calltap_evidence::warrant::{self, Deliver, Draft, Refusal, Warrant};
use calltap_proto::minimise;
use calltap_proto::packet::LinkType;
use calltap_proto::target::{self, Numbering};
use calltap_proto::{Excluded, Joins, Keep, Limits, Timestamp};
use calltap_xdp::Identity;
use tracing::warn;

use crate::config::{Config, JoinRule, NumberRule, RotationRule};
use crate::follow::{Order, Rules};
use crate::paper::{self, Papers, log_refusal};
use crate::recorder::Recorder;
use crate::summary::Frames;

/// The program as evidence names it.
pub const TOOL: &str = concat!("calltap ", env!("CARGO_PKG_VERSION"));

/// The node's key, made at first use.
///
/// # Errors
/// It cannot be read or made.
pub fn node_key(config: &Config) -> anyhow::Result<KeyPair> {
    let key = config.node_key_path();
    let unusable = || format!("the node's key {}", key.display());
    if let Some(parent) = key.parent() {
        std::fs::create_dir_all(parent).with_context(unusable)?;
    }
    KeyPair::load_or_generate(&key).with_context(unusable)
}

/// Opens the evidence directory, mends what an earlier session left, and admits each warrant.
///
/// # Errors
/// The directory cannot be written, or it is another node's, in use, or tampered with.
pub fn open(
    evidence: &Path,
    config: &Config,
    node: KeyPair,
    papers: &mut Papers,
    session: Session,
    links: Vec<LinkType>,
) -> anyhow::Result<(Recorder, Vec<Order>)> {
    let mut store = Store::open(evidence, node, session, rotation(config.rotation))?;
    for mended in store.mended() {
        warn!("an earlier session was interrupted: {mended}");
    }
    store.audit_settings(&config.effective()?)?;
    for refusal in &papers.refused {
        store.refused(refusal)?;
    }
    let mut orders = Vec::new();
    for warrant in std::mem::take(&mut papers.warrants) {
        let id = u32::try_from(orders.len())?;
        match admit(&mut store, &warrant, id, &papers.trust)? {
            Ok(order) => {
                orders.push(order);
                papers.warrants.push(warrant);
            }
            Err(refusal) => {
                log_refusal(&refusal);
                papers.refused.push(refusal);
            }
        }
    }
    let warrants = orders.iter().map(|order| (order.liid.clone(), order.warrant.id)).collect();
    let media_silence = Duration::from_secs(config.media_silence);
    let mut recorder = Recorder::new(store, links, warrants, media_silence);
    for order in &orders {
        recorder.mask_digits(order.warrant.id, order.minimise.digits);
    }
    Ok((recorder, orders))
}

/// Admits a warrant under a number, or the next version of the one that has it; refuses what the
/// evidence knows of a state that forbids it.
pub(crate) fn admit(
    store: &mut Store,
    warrant: &Warrant,
    id: u32,
    trust: &Trust,
) -> Result<Result<Order, Refusal>, store::Error> {
    if let Err(refusal) = store.standing(warrant, trust) {
        store.refused(&refusal)?;
        return Ok(Err(refusal));
    }
    store.received(warrant)?;
    let next_cin = match store.executed(id) {
        None => store.admit(warrant, id)?,
        Some(sha256) if sha256 == warrant.sha256() => 0,
        Some(_) => {
            store.modify(warrant, id)?;
            0
        }
    };
    store.resumed(warrant)?;
    if warrant.not_before_ns() <= paper::now_ns() {
        store.activated(warrant)?;
    }
    Ok(Ok(order(warrant, id, next_cin)))
}

/// Has the audit, whose session is over, say what became of the frames.
pub fn audit_frames(evidence: &Path, node: &KeyPair, frames: &Frames) {
    let mut details = vec![
        ("seen".to_owned(), frames.seen),
        ("passed".to_owned(), frames.passed),
        ("filtered".to_owned(), frames.filtered),
        ("delivered".to_owned(), frames.delivered),
    ];
    details.extend(frames.lost.iter().map(|(place, frames)| (format!("lost {place}"), *frames)));
    let details: Vec<_> = details.into_iter().map(|(name, it)| (name, it.to_string())).collect();
    let details: Vec<_> = details.iter().map(|(name, it)| (name.as_str(), it.as_str())).collect();
    if let Err(cause) = act::record(evidence, node, "frames-counted", &details) {
        warn!("the audit does not say what became of the frames: {cause}");
    }
}

/// A `next_cin` of 0 leaves it to who executes the warrant already.
fn order(warrant: &Warrant, id: u32, next_cin: u32) -> Order {
    // Loading has parsed every target; one that does not parse again would match nobody.
    let targets = warrant.targets().iter().filter_map(|text| target::parse(text).ok()).collect();
    Order {
        warrant: calltap_proto::Warrant {
            id,
            targets,
            excluded: excluded(warrant.draft()),
            not_before: Timestamp(warrant.not_before_ns()),
            not_after: Timestamp(warrant.not_after_ns()),
            content: warrant.deliver() == Deliver::IriAndContent,
            sided: warrant.draft().direction.is_some(),
            next_cin,
        },
        authority: warrant.authority(id),
        liid: warrant.liid().to_owned(),
        minimise: minimise::Rules {
            content: warrant.deliver() == Deliver::IriOnly,
            keys: warrant.draft().redact_sdes_keys,
            digits: warrant.draft().mask_dtmf,
        },
    }
}

/// The parties that a warrant excludes, as calls are held against them.
pub(crate) fn excluded(draft: &Draft) -> Vec<Excluded> {
    let excluded = draft.excluded.iter().filter_map(|it| {
        let keep = match it.keep {
            warrant::Keep::Nothing => Keep::Nothing,
            warrant::Keep::Iri => Keep::Iri,
        };
        Some(Excluded { party: target::parse(&it.identifier).ok()?, keep })
    });
    excluded.collect()
}

/// How calls are followed.
pub fn rules(config: &Config) -> Rules {
    let mut limits = Limits::default();
    limits.grace = config.grace();
    limits.media_silence = Duration::from_secs(config.media_silence);
    let JoinRule { headers, call_id_suffixes } = config.joins.clone();
    let NumberRule { country, international_prefixes, trunk_prefix } = config.numbers.clone();
    let numbering =
        Numbering { country, international: international_prefixes, trunk: trunk_prefix };
    Rules { limits, joins: Joins { headers, call_id_suffixes }, numbering }
}

/// What the filter lets through, for the volumes' interface descriptions.
pub fn filter_text(config: &Config) -> String {
    let ports: Vec<_> = config.signalling_ports.iter().map(u16::to_string).collect();
    format!("SIP on ports {}; media of warranted calls", ports.join(", "))
}

/// The session of a capture on the wire.
pub fn wire_session(
    interfaces: &[InterfaceFacts],
    clock: calltap_xdp::clock::Offset,
    filter: Identity,
) -> Session {
    let source = format!(
        "CLOCK_BOOTTIME stamped in XDP; UTC by the system's clock at the start (offset {} ns, \
         read within {} ns)",
        clock.offset_ns, clock.uncertainty_ns
    );
    Session {
        interfaces: interfaces.to_vec(),
        tool: TOOL.to_owned(),
        clock: Clock {
            source,
            offset_ns: Some(clock.offset_ns),
            uncertainty_ns: Some(clock.uncertainty_ns),
        },
        program: Some(Program::new(filter.tag, filter.object, filter.settings)),
    }
}

/// The session of a replay, whose frames bring their time with them.
pub fn replay_session() -> Session {
    let source = "the capture file's own time stamps".to_owned();
    let clock = Clock { source, ..Clock::default() };
    Session { tool: TOOL.to_owned(), clock, ..Session::default() }
}

/// Where volumes are cut.
pub(crate) fn rotation(rule: RotationRule) -> Rotation {
    let some = |value: u64| (value > 0).then_some(value);
    Rotation {
        duration: some(rule.duration).map(Duration::from_secs),
        filesize_kb: some(rule.filesize),
    }
}
