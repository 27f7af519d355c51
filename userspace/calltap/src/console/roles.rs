//! Who asks, by the token of the request (RFC 6750 §2.1); nobody who has none gets anything.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::{Role, Shared};

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
                let mut refusal = (StatusCode::UNAUTHORIZED, "no such token\n").into_response();
                let bearer = HeaderValue::from_static("Bearer");
                refusal.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
                Err(refusal)
            }
        }
    }
}
