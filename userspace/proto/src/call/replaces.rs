//! The dialog that a new one takes the place of (RFC 3891), or that it joins (RFC 3911).

use crate::sip::{self, Message};

/// What a Replaces or Join header field names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Replaced<'a> {
    pub(super) header: &'static str,
    pub(super) value: &'a [u8],
    pub(super) call_id: &'a [u8],
    pub(super) tags: [&'a [u8]; 2],
}

/// The dialog that an INVITE names so.
pub(super) fn replaced<'a>(message: &Message<'a>) -> Option<Replaced<'a>> {
    if message.method() != b"INVITE" {
        return None;
    }
    let (header, value) = message.replaces?;
    let end = value.iter().position(|&byte| byte == b';')?;
    let (call_id, parameters) = value.split_at_checked(end)?;
    let tag = |name| sip::parameter(parameters, name);
    let tags = [tag(b"from-tag")?, tag(b"to-tag")?];
    Some(Replaced { header: header.name(), value, call_id: call_id.trim_ascii(), tags })
}
