//! Media descriptions that share one transport (RFC 9143).

use alloc::vec::Vec;

use super::media::Media;
use super::words::words;
use crate::rtp::PayloadClocks;

/// Groups beyond this number are not read.
const MAX_GROUPS: usize = 8;

/// The `a=group:BUNDLE` lines of a session.
#[derive(Default)]
pub(super) struct Bundles<'a> {
    groups: Vec<&'a [u8]>,
}

impl<'a> Bundles<'a> {
    /// `BUNDLE audio video`
    pub(super) fn group(&mut self, value: &'a [u8]) {
        let mut words = words(value);
        if words.next().is_some_and(|kind| kind.eq_ignore_ascii_case(b"BUNDLE"))
            && self.groups.len() < MAX_GROUPS
        {
            self.groups.push(value);
        }
    }

    /// Gives each member of a group the clocks of all: what is sent to one may be any of them,
    /// and a payload type means the same in all (RFC 9143 §9.1.1).
    ///
    /// So one with `bundle-only`, whose port is 0, is received where the others are.
    pub(super) fn apply(&self, media: &mut [Media<'_>]) {
        for group in &self.groups {
            let is_member = |media: &Media<'_>| {
                media.mid.is_some_and(|mid| words(group).skip(1).any(|member| member == mid))
            };
            // Port 0 without `bundle-only` is media that was refused.
            let is_live = |media: &Media<'_>| media.port != 0 || media.bundle_only;
            let mut clocks = PayloadClocks::new();
            for media in media.iter().filter(|media| is_member(media) && is_live(media)) {
                clocks.merge(&media.clocks);
            }
            for media in media.iter_mut().filter(|media| is_member(media)) {
                media.clocks.merge(&clocks);
            }
        }
    }
}
