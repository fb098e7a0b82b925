//! From a request to a response: token, path, method, question, answer.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;

use super::auth::Token;
use super::{Ask, Counts, Handle, api, count, negotiate, page};
use crate::clock;
use crate::engine::{IncidentFilter, Query, Window};

/// A response's body: one piece.
pub(super) type Body = Full<Bytes>;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";

/// Clients on the page.
const ON_PAGE: usize = 10;
/// Incidents that are looked at for the page, players among them.
const INCIDENTS_ASKED: usize = 100;

/// How many seconds a scraper is asked to wait while the logs are caught up with.
const RETRY_AFTER_SECS: &str = "5";

/// Answers requests.
#[derive(Clone)]
pub(super) struct Routes(Arc<Inner>);

struct Inner {
    handle: Handle,
    token: Option<Token>,
    patience: Duration,
    counts: Arc<Counts>,
    page_policy: HeaderValue,
}

impl Routes {
    pub(super) fn new(handle: Handle, token: Option<Token>, patience: Duration, counts: Arc<Counts>) -> Self {
        let page_policy = page::content_security_policy().parse().unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
        Self(Arc::new(Inner { handle, token, patience, counts, page_policy }))
    }

    pub(super) async fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let mut response = self.0.answer(request).await;
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

impl Inner {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        let is_open = matches!(path, "/-/healthy" | "/-/ready");
        if !is_open && !self.allows(request) {
            count(&self.counts.denied);
            return unauthorized(path);
        }
        let query = api::query(path, request.uri().query());
        let is_known = is_open
            || query.is_some()
            || api::watched(path).is_some()
            || matches!(path, "/" | "/metrics" | "/api/v1/sources" | "/api/v1/errors");
        if !is_known {
            return problem(path, StatusCode::NOT_FOUND, "there is nothing here");
        }
        if let (&Method::DELETE, Some(client)) = (request.method(), api::watched(path)) {
            return self.forgive(path, client).await;
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let response = problem(path, StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are allowed here");
            return with(response, header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        if !request.body().is_end_stream() {
            let response = problem(path, StatusCode::PAYLOAD_TOO_LARGE, "no request here has a body");
            return with(response, header::CONNECTION, HeaderValue::from_static("close"));
        }
        let query = match query.transpose() {
            Ok(query) => query,
            Err(what) => return problem(path, StatusCode::BAD_REQUEST, &what),
        };
        if api::watched(path).is_some() {
            let response = problem(path, StatusCode::METHOD_NOT_ALLOWED, "only DELETE is allowed here");
            return with(response, header::ALLOW, HeaderValue::from_static("DELETE"));
        }
        match tokio::time::timeout(self.patience, self.route(request, query)).await {
            Ok(Some(response)) => response,
            Ok(None) => unavailable(path, "the exporter is stopping"),
            Err(_) => unavailable(path, "the exporter is too busy to answer"),
        }
    }

    fn allows(&self, request: &Request<Incoming>) -> bool {
        let Some(token) = &self.token else { return true };
        request.headers().get(header::AUTHORIZATION).is_some_and(|given| token.allows(given.as_bytes()))
    }

    /// Takes a client off the watchlist. Whoever writes must have shown a token, so one must be set.
    async fn forgive(&self, path: &str, client: String) -> Response<Body> {
        if self.token.is_none() {
            return problem(path, StatusCode::FORBIDDEN, "writing needs a token: set server.bearer_token_file");
        }
        match tokio::time::timeout(self.patience, self.handle.ask(|reply| Ask::Query(Query::Forgive(client), reply))).await {
            Ok(Some(Some(answer))) => json(&answer),
            Ok(Some(None)) => problem(path, StatusCode::NOT_FOUND, "nobody is watched under this name"),
            Ok(None) => unavailable(path, "the exporter is stopping"),
            Err(_) => unavailable(path, "the exporter is too busy to answer"),
        }
    }

    /// The response to a known path; `None` if nobody is there to ask.
    async fn route(&self, request: &Request<Incoming>, query: Option<Query>) -> Option<Response<Body>> {
        let path = request.uri().path();
        if let Some(query) = query {
            return Some(match self.handle.ask(|reply| Ask::Query(query, reply)).await? {
                Some(answer) => json(&answer),
                None => problem(path, StatusCode::NOT_FOUND, "nothing is known under this name"),
            });
        }
        Some(match path {
            "/-/healthy" => respond(StatusCode::OK, TEXT, "healthy\n"),
            "/-/ready" if self.handle.ask(Ask::Ready).await? => respond(StatusCode::OK, TEXT, "ready\n"),
            "/-/ready" => catching_up(path),
            "/metrics" => {
                let accept = request.headers().get_all(header::ACCEPT);
                let exposition = negotiate::exposition(accept.iter().filter_map(|value| value.to_str().ok()));
                let response = match self.handle.ask(|reply| Ask::Page(exposition, reply)).await? {
                    Some(page) => respond(StatusCode::OK, exposition.content_type(), page),
                    None => catching_up(path),
                };
                with(response, header::VARY, HeaderValue::from_static("accept"))
            }
            "/api/v1/sources" | "/api/v1/errors" if request.uri().query().is_some_and(|query| !query.is_empty()) => {
                problem(path, StatusCode::BAD_REQUEST, "no parameters are known here")
            }
            "/api/v1/sources" => json(&self.handle.ask(Ask::Sources).await?),
            "/api/v1/errors" => json(&self.handle.ask(Ask::Errors).await?),
            _ => {
                let few = Window { offset: 0, limit: Some(ON_PAGE) };
                let recent = Window { offset: 0, limit: Some(INCIDENTS_ASKED) };
                let contents = page::Contents {
                    sources: self.handle.ask(Ask::Sources).await?,
                    errors: self.handle.ask(Ask::Errors).await?,
                    clients: self.handle.ask(|reply| Ask::Query(Query::Clients(few), reply)).await?.unwrap_or_default(),
                    incidents: self
                        .handle
                        .ask(|reply| Ask::Query(Query::Incidents(recent, IncidentFilter::default()), reply))
                        .await?
                        .unwrap_or_default(),
                    probes: self.handle.ask(|reply| Ask::Query(Query::Probes, reply)).await?.unwrap_or_default(),
                };
                let response = respond(StatusCode::OK, HTML, page::render(&contents, clock::now()));
                let response = with(response, header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
                with(response, header::CONTENT_SECURITY_POLICY, self.page_policy.clone())
            }
        })
    }
}

fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    with(response, header::CONTENT_TYPE, HeaderValue::from_static(content_type))
}

fn with(mut response: Response<Body>, name: HeaderName, value: HeaderValue) -> Response<Body> {
    response.headers_mut().append(name, value);
    response
}

fn json(value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(text) => respond(StatusCode::OK, JSON, text),
        Err(_) => problem("/api/", StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be written as JSON"),
    }
}

/// An error as its path's clients want it: JSON under `/api`, else a line of text.
fn problem(path: &str, status: StatusCode, message: &str) -> Response<Body> {
    if path.starts_with("/api/") {
        respond(status, JSON, serde_json::json!({ "error": message }).to_string())
    } else {
        respond(status, TEXT, format!("{message}\n"))
    }
}

fn unavailable(path: &str, message: &str) -> Response<Body> {
    with(problem(path, StatusCode::SERVICE_UNAVAILABLE, message), header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECS))
}

fn catching_up(path: &str) -> Response<Body> {
    unavailable(path, "catching up with the logs")
}

fn unauthorized(path: &str) -> Response<Body> {
    let response = problem(path, StatusCode::UNAUTHORIZED, "the token is missing or wrong");
    let response = with(response, header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"hostwarden\""));
    with(response, header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"hostwarden\", charset=\"UTF-8\""))
}
