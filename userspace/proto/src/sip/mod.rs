//! SIP.
/// Whether.
#[must_use]
pub fn looks_like_start_line(_bytes: &[u8]) -> bool {
    false
}
