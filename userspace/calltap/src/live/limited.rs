//! HTTP for only so many connections at once: the capture's own files come first, and a process has room
//! for a limited number of both.
//!
//! Whoever connects has his place for as long as he asks: one who is silent, in the midst of TLS or of
//! a request, loses it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// Connections that are open at once.
const MOST: usize = 32;

/// How long nobody is accepted after that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a handshake may take, and after it, or after an answer, a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long what was sent may stay unread, in milliseconds.
const UNREAD_MS: u32 = 60_000;

/// A socket, and what is served there.
#[derive(Debug)]
pub struct Limited {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
}

impl Limited {
    /// Of a socket that is bound; to be called within a runtime.
    ///
    /// # Errors
    /// The runtime does not take it.
    pub fn of(
        listener: std::net::TcpListener,
        tls: Option<Arc<ServerConfig>>,
        router: Router,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        // What is accepted inherits it.
        rustix::net::sockopt::set_tcp_user_timeout(&listener, UNREAD_MS)?;
        let listener = TcpListener::from_std(listener)?;
        Ok(Self { listener, tls, router })
    }

    /// Serves without an end. What goes wrong with a connection is its peer's business.
    pub async fn serve(self) {
        let room = Arc::new(Semaphore::new(MOST));
        let tls = self.tls.map(TlsAcceptor::from);
        loop {
            let place = Arc::clone(&room).acquire_owned().await;
            let Ok((stream, _)) = self.listener.accept().await else {
                sleep(PAUSE).await;
                continue;
            };
            let (tls, router) = (tls.clone(), self.router.clone());
            tokio::spawn(async move {
                let _place = place;
                converse(stream, tls, router).await;
            });
        }
    }
}

async fn converse(stream: TcpStream, tls: Option<TlsAcceptor>, router: Router) {
    let Some(tls) = tls else { return http(stream, router).await };
    if let Ok(Ok(stream)) = timeout(PATIENCE, tls.accept(stream)).await {
        http(stream, router).await;
    }
}

async fn http(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let mut server = http1::Builder::new();
    let server = server.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let _ = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
}
