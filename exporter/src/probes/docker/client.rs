//! Asks the Docker API for this probe: GET and nothing else. Says in errors what was asked.

use serde::de::DeserializeOwned;

use crate::docker_api::{self, Answer, Endpoint};
use crate::probes::Error;

/// Asks one endpoint.
#[derive(Clone, Debug)]
pub(super) struct Client(docker_api::Client);

impl Client {
    /// Asks here.
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self(docker_api::Client::new(endpoint))
    }

    /// The answer to `GET path` as JSON of no more than `max_bytes`.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, max_bytes: usize) -> Result<T, Error> {
        self.0.get(path, max_bytes).await.map_err(|error| self.failed(path, &error))
    }

    /// The answer to `GET path`, cut off somewhere behind `max_bytes`.
    pub(super) async fn get_bytes(&self, path: &str, max_bytes: usize) -> Result<Vec<u8>, Error> {
        self.0.get_bytes(path, max_bytes).await.map_err(|error| self.failed(path, &error))
    }

    /// Asks `GET path`; what comes back was granted.
    pub(super) async fn open(&self, path: &str) -> Result<Answer, Error> {
        self.0.open(path).await.map_err(|error| self.failed(path, &error))
    }

    fn failed(&self, path: &str, error: &docker_api::Error) -> Error {
        let endpoint = self.0.endpoint();
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        match error {
            docker_api::Error::Connect(error) => Error::failed(format!("connect to {endpoint}"), error),
            error => Error::failed(format!("ask {endpoint} for {path}"), error),
        }
    }
}
