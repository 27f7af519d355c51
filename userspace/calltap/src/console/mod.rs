//! The web console of a running capture: a page without a build step, that loads nothing from elsewhere.
//!
//! It listens on loopback alone unless it has a certificate, knows each visitor by a token, shows identities to the role `inspect`
//! and to no other, and whatever shows evidence stands in the audit before it is shown.

mod roles;
mod tls;
mod tokens;
mod views;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, bail};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use crossbeam::channel::Sender;
use tokio::sync::Semaphore;

pub use tls::Tls;
pub use tokens::{Role, Tokens};

use crate::evidence::{index, report};
use crate::live::limited::Limited;
use crate::live::serve::Snapshots;
use crate::recorder::Act;

/// The console, bound and not yet served.
#[derive(Debug)]
pub struct Console {
    listener: TcpListener,
    tls: Option<Tls>,
    tokens: Tokens,
    evidence: PathBuf,
    trust: PathBuf,
    acts: Sender<Act>,
}

/// What the console is made of.
#[derive(Debug)]
pub struct Wish<'a> {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it shows itself with; without, it is for this machine alone.
    pub tls: Option<Tls>,
    /// The file of its tokens, made if it is not there.
    pub tokens: &'a Path,
    /// The evidence that it shows.
    pub evidence: &'a Path,
    /// The authorities that evidence is held against.
    pub trust: &'a Path,
}

/// What every answer is made from.
struct Shared {
    snapshots: Snapshots,
    tokens: Tokens,
    refusals: roles::Refusals,
    evidence: PathBuf,
    trust: PathBuf,
    acts: Sender<Act>,
    /// The calls of each LIID, as far as its ledger was read.
    known: Mutex<std::collections::BTreeMap<String, index::Known>>,
    /// Evidence is read for one visitor at a time, as the disk is the capture's.
    reading: Semaphore,
}

impl Console {
    /// Binds the console, and reads its tokens.
    ///
    /// # Errors
    /// An address that others can reach or that is in use, or tokens that others can read.
    pub fn open(wish: Wish<'_>, acts: Sender<Act>) -> anyhow::Result<Self> {
        let Wish { address, tls, tokens, evidence, trust } = wish;
        if tls.is_none() && !address.ip().is_loopback() {
            bail!(
                "--console {address}: tokens and identities would cross the network in the clear; \
                 set console.certificate and console.key, or listen on 127.0.0.1 and reach it by ssh -L"
            );
        }
        let tokens = Tokens::load_or_make(tokens)?;
        let listener =
            TcpListener::bind(address).with_context(|| format!("--console {address}"))?;
        let (evidence, trust) = (evidence.to_owned(), trust.to_owned());
        Ok(Self { listener, tls, tokens, evidence, trust, acts })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> std::io::Result<String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Ok(format!("{scheme}://{}/", self.listener.local_addr()?))
    }

    /// What it reads.
    pub fn reads(&self) -> [&Path; 2] {
        [&self.evidence, &self.trust]
    }

    /// Its socket with its answers; to be called within a runtime.
    ///
    /// # Errors
    /// The socket cannot be given to the runtime.
    pub fn into_service(self, snapshots: Snapshots) -> std::io::Result<Limited> {
        let Self { listener, tls, tokens, evidence, trust, acts } = self;
        let shared = Arc::new(Shared {
            snapshots,
            tokens,
            refusals: roles::Refusals::default(),
            evidence,
            trust,
            acts,
            known: Mutex::default(),
            reading: Semaphore::new(1),
        });
        let is_encrypted = tls.is_some();
        let router = Router::new()
            .route("/", asset(include_bytes!("assets/index.html"), "text/html; charset=utf-8"))
            .route("/console.css", asset(include_bytes!("assets/console.css"), "text/css"))
            .route("/console.js", asset(include_bytes!("assets/console.js"), "text/javascript"))
            .route("/icon.svg", asset(include_bytes!("assets/icon.svg"), "image/svg+xml"))
            .route("/api/me", get(views::me))
            .route("/api/snapshot", get(views::snapshot))
            .route("/api/calls", get(views::calls))
            .route("/api/call/{liid}/{cin}", get(views::call))
            .route("/api/volumes", get(views::volumes))
            .route("/api/verify", post(views::verify))
            .with_state(shared)
            .layer(middleware::from_fn(move |request, next| guarded(request, next, is_encrypted)));
        Limited::of(listener, tls.map(|it| it.server), router)
    }
}

fn asset<S: Clone + Send + Sync + 'static>(
    bytes: &'static [u8],
    kind: &'static str,
) -> axum::routing::MethodRouter<S> {
    get(move || async move { ([(header::CONTENT_TYPE, kind)], bytes).into_response() })
}

/// Has every answer say that it loads nothing from elsewhere, runs nothing but the page's own script,
/// stands in nobody's frame, and is kept nowhere; and where it is encrypted, that it always will be. The style that is named by its hash is that of a
/// call's page.
async fn guarded(request: Request, next: Next, is_encrypted: bool) -> Response {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' '{}'; img-src 'self'; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types call",
        report::style_hash()
    );
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if is_encrypted {
        // RFC 6797: a year.
        let always = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, always);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
