//! Several warrants loaded at once: of the versions under one LIID, the one that counts.

use std::path::Path;

use super::{Code, ParseTarget, Refusal, Warrant, load};
use crate::clock;
use crate::trust::Trust;

/// Loads several warrants.
///
/// A version that has begun takes the place of the one that it names, if the same authority signed
/// both. Where two otherwise have one LIID, neither counts: nothing says which of them is meant.
pub fn load_all<P: AsRef<Path>>(
    paths: &[P],
    trust: &Trust,
    parse_target: ParseTarget<'_>,
) -> Vec<Result<Warrant, Refusal>> {
    let mut loaded: Vec<_> =
        paths.iter().map(|path| load(path.as_ref(), trust, parse_target)).collect();
    let now_ns = clock::now_ns();
    let superseded = verdicts(&loaded, |warrant, all| succession(warrant, all, trust, now_ns));
    refuse(&mut loaded, superseded);
    let doubled = verdicts(&loaded, |warrant, all| {
        let is_twin = |it: &&Result<Warrant, Refusal>| {
            it.as_ref().is_ok_and(|other| other.liid() == warrant.liid())
        };
        let what = format!("another warrant has the LIID {}, too", warrant.liid());
        (all.iter().filter(is_twin).count() > 1).then_some((Code::DuplicateLiid, what))
    });
    refuse(&mut loaded, doubled);
    loaded
}

/// Why each warrant that holds alone does not hold beside the others.
type Verdicts = Vec<Option<(Code, String)>>;

fn verdicts(
    loaded: &[Result<Warrant, Refusal>],
    judge: impl Fn(&Warrant, &[Result<Warrant, Refusal>]) -> Option<(Code, String)>,
) -> Verdicts {
    loaded.iter().map(|result| judge(result.as_ref().ok()?, loaded)).collect()
}

fn refuse(loaded: &mut [Result<Warrant, Refusal>], verdicts: Verdicts) {
    for (result, verdict) in loaded.iter_mut().zip(verdicts) {
        if let (Ok(warrant), Some((code, what))) = (&*result, verdict) {
            *result = Err(Refusal::new(code, warrant.path(), what).of_warrant(warrant.clone()));
        }
    }
}

/// Whether a warrant gives way to a later version, or waits until the earlier one gives way.
fn succession(
    warrant: &Warrant,
    all: &[Result<Warrant, Refusal>],
    trust: &Trust,
    now_ns: u64,
) -> Option<(Code, String)> {
    let follows = |later: &Warrant, earlier: &Warrant| {
        later.liid() == earlier.liid()
            && later.draft().supersedes.as_ref() == Some(&earlier.sha256())
            && trust.is_one_authority(later.signed_by(), earlier.signed_by())
    };
    // What was revoked or suspended has taken the earlier one's place all the same.
    let standing = all.iter().filter_map(|result| match result {
        Ok(warrant) => Some(warrant),
        Err(refusal) if matches!(refusal.code(), Code::Revoked | Code::Suspended) => {
            refusal.warrant()
        }
        Err(_) => None,
    });
    let has_begun = |it: &Warrant| it.not_before_ns() <= now_ns;
    if let Some(later) = standing.clone().find(|later| follows(later, warrant) && has_begun(later))
    {
        let what = format!("version {} has taken its place", later.version());
        return Some((Code::Superseded, what));
    }
    let mut executed = all.iter().flatten();
    if !has_begun(warrant) && executed.any(|earlier| follows(warrant, earlier)) {
        let what = format!("it takes an earlier version's place at {}", warrant.draft().not_before);
        return Some((Code::NotYetInForce, what));
    }
    None
}
