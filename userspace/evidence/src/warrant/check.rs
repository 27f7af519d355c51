//! What a warrant's fields may say, and what the authority that signed it may order.

use std::path::Path;

use super::identifier::{Identifier, Lengths};
use super::{Code, Draft, Excluded, Refusal};
use crate::clock;
use crate::trust::{Policy, Trust, TrustedKey, Validity};

/// Names at the root of an evidence directory, which a LIID would collide with.
const RESERVED: [&str; 3] = ["node.pub", "audit.jsonl", "checkpoint.json"];

/// Reads a target; what is wrong with it, if it names nobody.
pub type ParseTarget<'a> = &'a dyn Fn(&str) -> Result<Identifier, String>;

/// What the fields say, once they hold.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) from_ns: u64,
    pub(super) until_ns: u64,
    pub(super) identifiers: Vec<Identifier>,
}

/// Checks what the fields say, whoever signed them.
pub(super) fn fields(
    path: &Path,
    draft: &Draft,
    parse: ParseTarget<'_>,
) -> Result<Checked, Refusal> {
    let refuse = |code, what: String| Err(Refusal::new(code, path, what));
    let optional = [("legal_basis", &draft.legal_basis), ("offence_class", &draft.offence_class)];
    let optional = optional.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?)));
    let lines = [("authority", &draft.authority), ("reference", &draft.reference)];
    for (name, value) in lines.into_iter().chain(optional) {
        if value.trim().is_empty() || value.len() > 256 || value.chars().any(char::is_control) {
            return refuse(Code::BadField, format!("`{name}` is no line of 1 to 256 bytes"));
        }
    }
    if !is_part_of_country(&draft.jurisdiction) {
        return refuse(Code::BadField, "`jurisdiction` is no ISO 3166 code, such as BE".to_owned());
    }
    let time = |name: &str, text: &str| {
        clock::parse_rfc3339(text).ok_or_else(|| {
            let what = format!("`{name}` is no RFC 3339 time with an offset, from 1970 to 2554");
            Refusal::new(Code::BadField, path, what)
        })
    };
    let from_ns = time("not_before", &draft.not_before)?;
    let until_ns = time("not_after", &draft.not_after)?;
    if !is_liid(&draft.liid) {
        let what = "`liid` must be 1 to 64 letters, digits, `.`, `_` or `-`, \
                    begin with a letter or digit, and be no name that evidence uses itself";
        return refuse(Code::BadLiid, what.to_owned());
    }
    if let Err(what) = version(draft) {
        return refuse(Code::BadVersion, what.to_owned());
    }
    if draft.targets.is_empty() {
        return refuse(Code::NoTarget, "`targets` is empty".to_owned());
    }
    let mut identifiers = Vec::new();
    for target in &draft.targets {
        match parse(target) {
            Ok(identifier) => identifiers.push(identifier),
            Err(what) => return refuse(Code::BadTarget, format!("target `{target}`: {what}")),
        }
    }
    if let Err(what) = exclusions(draft, &identifiers, parse) {
        return refuse(Code::BadExclusion, what);
    }
    if until_ns <= from_ns {
        return refuse(Code::WindowInverted, "`not_after` is not after `not_before`".to_owned());
    }
    Ok(Checked { from_ns, until_ns, identifiers })
}

/// Parties that a warrant excludes can be told from others in signalling alone.
fn exclusions(draft: &Draft, targets: &[Identifier], parse: ParseTarget<'_>) -> Result<(), String> {
    const MOST: usize = 1000;
    if draft.excluded.len() > MOST {
        return Err(format!("more than {MOST} parties are excluded"));
    }
    for Excluded { identifier, .. } in &draft.excluded {
        let refuse = |what: &str| Err(format!("excluded `{identifier}`: {what}"));
        match parse(identifier) {
            Ok(Identifier::Ip { .. }) => return refuse("an address does not say who speaks"),
            Ok(_) if draft.targets.contains(identifier) => return refuse("it is a target as well"),
            Ok(_) => {}
            Err(what) => return refuse(&what),
        }
    }
    let is_address = |it: &Identifier| matches!(it, Identifier::Ip { .. });
    if !draft.excluded.is_empty() && targets.iter().any(is_address) {
        return Err("of what an address target sends nobody can tell with whom".to_owned());
    }
    Ok(())
}

/// A first version supersedes nothing, and every other one something.
fn version(draft: &Draft) -> Result<(), &'static str> {
    let is_hash = |text: &String| {
        text.len() == 64 && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
    };
    match (draft.version.unwrap_or(1), &draft.supersedes) {
        (0, _) => Err("`version` counts from 1"),
        (1, Some(_)) => Err("version 1 supersedes nothing"),
        (2.., None) => Err("a later version has `supersedes`: the SHA-256 of the one before"),
        (_, Some(hash)) if !is_hash(hash) => {
            Err("`supersedes` is no SHA-256: 64 lowercase hexadecimal digits")
        }
        _ => Ok(()),
    }
}

/// Checks whether the key that signed was one of the authority's then, and is still.
pub(super) fn key(path: &Path, checked: &Checked, trusted: &TrustedKey) -> Result<(), Refusal> {
    let refuse = |code, what: &str| {
        let what = format!("key {} of `{}` {what}", trusted.key.id(), trusted.name);
        Err(Refusal::new(code, path, what))
    };
    let Validity { from_ns, until_ns, revoked_ns } = trusted.validity;
    if revoked_ns.is_some_and(|revoked| revoked <= clock::now_ns().max(checked.from_ns)) {
        return refuse(Code::KeyRevoked, "is revoked");
    }
    if checked.from_ns < from_ns {
        return refuse(Code::KeyNotYetValid, "was not valid yet when the warrant begins");
    }
    if checked.from_ns > until_ns {
        return refuse(Code::KeyExpired, "was not valid any more when the warrant begins");
    }
    Ok(())
}

/// Checks whether the authority may order this, and this node execute it.
pub(super) fn policy(
    path: &Path,
    draft: &Draft,
    checked: &Checked,
    policy: &Policy,
    trust: &Trust,
) -> Result<(), Refusal> {
    let refuse = |code, what: String| Err(Refusal::new(code, path, what));
    let country = draft.jurisdiction.split('-').next().unwrap_or_default();
    if policy.country.as_ref().is_some_and(|own| own != country) {
        let what = format!("the authority does not order under the law of {country}");
        return refuse(Code::NotItsJurisdiction, what);
    }
    if let Some(node) = trust.country()
        && node != country
        && !policy.executed_in.iter().any(|listed| listed == node)
    {
        let what = format!("it stands on the law of {country}, and this node is in {node}");
        return refuse(Code::ForeignJurisdiction, what);
    }
    let length_ns = checked.until_ns.saturating_sub(checked.from_ns);
    if let Some(most) = policy.max_days
        && length_ns > u64::from(most).saturating_mul(DAY_NS)
    {
        return refuse(Code::TooLong, format!("the authority orders for {most} days at most"));
    }
    if draft.urgent && !policy.urgent {
        return refuse(Code::UrgentNotAllowed, "the authority orders nothing urgent".to_owned());
    }
    if !policy.deliver.contains(&draft.deliver) {
        let what = format!("the authority does not order {}", draft.deliver.as_str());
        return refuse(Code::DeliverNotAllowed, what);
    }
    if checked.identifiers.len() > policy.max_targets {
        let what = format!("it has more than {} targets", policy.max_targets);
        return refuse(Code::TooManyTargets, what);
    }
    for (target, identifier) in draft.targets.iter().zip(&checked.identifiers) {
        if !policy.identifiers.contains(&identifier.kind()) {
            let what = format!("target `{target}`: the authority may not name such");
            return refuse(Code::IdentifierNotAllowed, what);
        }
        if !draft.wide_targets && policy.is_wide(*identifier) {
            let what = format!("target `{target}` stands for many, and no `wide_targets` says so");
            return refuse(Code::WideTarget, what);
        }
    }
    if !is_within(&checked.identifiers, policy.widest()) {
        let what = "its networks hold more addresses than may be named".to_owned();
        return refuse(Code::NetworkTooWide, what);
    }
    Ok(())
}

const DAY_NS: u64 = 86_400_000_000_000;

/// Whether all networks together hold no more addresses than one of these prefix lengths: many
/// narrow ones are a wide one.
fn is_within(identifiers: &[Identifier], widest: Lengths) -> bool {
    let addresses = |ipv6: bool| {
        let of_family = identifiers.iter().filter_map(move |identifier| match identifier {
            Identifier::Ip { address, length } if address.is_ipv6() == ipv6 => Some(*length),
            _ => None,
        });
        let width = if ipv6 { 128_u8 } else { 32 };
        of_family.fold(0_u128, move |sum, length| {
            sum.saturating_add(1_u128.checked_shl(width.saturating_sub(length).into()).unwrap_or(0))
        })
    };
    let most = |width: u8, length: u8| 1_u128.checked_shl(width.saturating_sub(length).into());
    addresses(false) <= most(32, widest.ipv4).unwrap_or(0)
        && addresses(true) <= most(128, widest.ipv6).unwrap_or(0)
}

/// Whether `text` can name a directory, and no other directory than its own.
pub(crate) fn is_liid(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && !RESERVED.contains(&text)
}

/// `BE`, or with a part of the country `BE-BRU`.
fn is_part_of_country(text: &str) -> bool {
    let (country, part) = text.split_once('-').unwrap_or((text, "X"));
    crate::trust::is_country(country)
        && (1..=3).contains(&part.len())
        && part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}
