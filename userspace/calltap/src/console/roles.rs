//! Who asks, by the token of the request (RFC 6750 §2.1); nobody who has none gets anything.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tracing::warn;

use super::{Role, Shared};

/// How often refusals are told, at the most.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Requests that nobody known has made.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<(u64, Option<Instant>)>);

impl Refusals {
    /// Counts one, and has the log tell of those since it was told last.
    fn note(&self) {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, told) = &mut *refused;
        *count += 1;
        if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            warn!("console: {count} requests without a known token");
            (*count, *told) = (0, Some(Instant::now()));
        }
    }
}

/// Whoever asks.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    pub(super) role: Role,
    pub(super) name: String,
}

impl FromRequestParts<Arc<Shared>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Self::Rejection> {
        let given = parts.headers.get(header::AUTHORIZATION);
        let given = given.and_then(|it| it.to_str().ok()).and_then(|it| it.strip_prefix("Bearer "));
        match given.and_then(|token| shared.tokens.find(token)) {
            Some(token) => Ok(Self { role: token.role, name: token.name.clone() }),
            None => {
                shared.refusals.note();
                let mut refusal = (StatusCode::UNAUTHORIZED, "no such token\n").into_response();
                let bearer = HeaderValue::from_static("Bearer");
                refusal.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
                Err(refusal)
            }
        }
    }
}
