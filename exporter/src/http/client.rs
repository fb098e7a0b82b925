//! A small client: asks a running exporter one thing. For the health check of a container that has no shell and no curl.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
pub use hyper::Method;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, ClientConfig, DigitallySignedStruct, SignatureScheme};

/// The longest body that is taken.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// How to talk to the exporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain.
    Http,
    /// With TLS. The certificate is not verified, therefore only on this machine's own loopback addresses.
    Https,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens there, or the connection broke.
    #[error("connect to {address}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The other side speaks no HTTP, or broke off.
    #[error("ask {address}")]
    Http {
        /// Who was asked.
        address: SocketAddr,
        /// What went wrong.
        source: hyper::Error,
    },
    /// The answer cannot be used, or the question cannot be asked.
    #[error("ask {address}: {reason}")]
    Refused {
        /// Who was asked.
        address: SocketAddr,
        /// Why not.
        reason: String,
    },
    /// No answer in time.
    #[error("ask {address}: no answer within {} s", .timeout.as_secs_f64())]
    TimedOut {
        /// Who was asked.
        address: SocketAddr,
        /// How long.
        timeout: Duration,
    },
}

/// `GET path` at `address`, with a bearer token if there is one; everything together takes no longer than `timeout`.
pub async fn get(address: SocketAddr, scheme: Scheme, path: &str, token: Option<&str>, timeout: Duration) -> Result<Reply, Error> {
    ask(Method::GET, address, scheme, path, token, timeout).await
}

/// The same with another method; nothing is sent but the question.
pub async fn ask(
    method: Method,
    address: SocketAddr,
    scheme: Scheme,
    path: &str,
    token: Option<&str>,
    timeout: Duration,
) -> Result<Reply, Error> {
    let exchange = async {
        let connect = |source| Error::Connect { address, source };
        let refused = |reason: String| Error::Refused { address, reason };
        if scheme == Scheme::Https && !address.ip().to_canonical().is_loopback() {
            return Err(refused("https without a check of the certificate is for loopback addresses only".to_owned()));
        }
        let mut request =
            Request::builder().method(method).uri(path).header(header::HOST, address.to_string()).header(header::CONNECTION, "close");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| refused(error.to_string()))?;
        let stream = TcpStream::connect(address).await.map_err(connect)?;
        match scheme {
            Scheme::Http => exchange(stream, request, address).await,
            Scheme::Https => {
                let config = unverified().map_err(|error| refused(error.to_string()))?;
                let name = ServerName::IpAddress(address.ip().into());
                let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(connect)?;
                exchange(stream, request, address).await
            }
        }
    };
    tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(Error::TimedOut { address, timeout }))
}

async fn exchange<T>(stream: T, request: Request<Empty<Bytes>>, address: SocketAddr) -> Result<Reply, Error>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let http = |source| Error::Http { address, source };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    let reply = async move {
        let response = sender.send_request(request).await.map_err(http)?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await;
        let body = body.map_err(|error| Error::Refused { address, reason: error.to_string() })?;
        Ok(Reply { status, body: body.to_bytes().to_vec() })
    };
    // What breaks the connection breaks the reply too, and is told there.
    let (reply, _) = tokio::join!(reply, connection);
    reply
}

fn unverified() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    Ok(config.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))).with_no_client_auth())
}

/// Believes every certificate. Signatures are checked all the same: who answers has the key of what it shows.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
