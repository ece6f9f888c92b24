//! Declared services: the sections `[services.NAME]`. The contract and the secrets are files, which the gateway reads
//! when it starts and with each reload.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use realtime_gateway_protocol::ServiceName;

use super::{ClaimPath, Secret, signing_secrets::read_signing_secrets};

/// The allowed values of `backend.timeout`.
const TIMEOUT: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(30);

/// A declared service, `services.NAME.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredService {
    /// The contract file.
    pub contract: PathBuf,
    /// The backend of the service, if it has one.
    pub backend: Option<ServiceBackend>,
}

/// The backend of a declared service, `services.NAME.backend.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceBackend {
    /// How the backend is reached.
    pub address: BackendAddress,
    /// The time limit of a request.
    pub timeout: Duration,
    /// The maximum number of concurrent requests of a node.
    pub max_in_flight: usize,
    /// The claims of a client's token that requests contain.
    pub claims: Vec<ClaimPath>,
}

/// How the backend of a service is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendAddress {
    /// By HTTP requests to a URL, each signed with every secret of a file.
    Http {
        /// The URL.
        url: Secret,
        /// The file with the secrets, one a line.
        secret_file: PathBuf,
    },
    /// By messages over the broker of backend services.
    Amqp,
}

impl BackendAddress {
    /// Reads the secrets that sign requests. There are none for AMQP.
    ///
    /// # Errors
    /// A sentence that names the file and the line, and contains no secret.
    pub fn read_secrets(&self) -> Result<Vec<Secret>, String> {
        let Self::Http { secret_file, .. } = self else { return Ok(Vec::new()) };
        read_signing_secrets(secret_file)
    }
}

/// `docs.services`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocsServices {
    /// Documents list declared services for operators only: with `--dev`, with an API key, on `internal.listen`.
    Private,
    /// Documents list declared services for everyone.
    Public,
}

/// The keys of a section `[services.NAME]` while the layers are merged.
#[derive(Debug, Clone)]
pub(super) struct ServiceDraft {
    pub(super) contract: Option<PathBuf>,
    pub(super) backend_url: Option<Secret>,
    pub(super) secret_file: Option<PathBuf>,
    pub(super) timeout: Duration,
    pub(super) max_in_flight: usize,
    pub(super) claims: Vec<ClaimPath>,
}

impl Default for ServiceDraft {
    fn default() -> Self {
        Self {
            contract: None,
            backend_url: None,
            secret_file: None,
            timeout: Duration::from_secs(2),
            max_in_flight: 256,
            claims: Vec::new(),
        }
    }
}

/// Checks the sections and returns the services. `has_broker` is whether `bus.url` names a broker. The error is a
/// sentence that names the key.
pub(super) fn complete(
    drafts: &BTreeMap<ServiceName, ServiceDraft>,
    has_broker: bool,
) -> Result<BTreeMap<ServiceName, DeclaredService>, String> {
    let service = |(name, draft): (&ServiceName, &ServiceDraft)| {
        draft.complete(has_broker).map(|service| (name.clone(), service)).map_err(|problem| {
            let key = format!("services.{name}");
            format!("{key}.{problem}")
        })
    };
    drafts.iter().map(service).collect()
}

impl ServiceDraft {
    /// Checks the keys. The error is a sentence that starts with the rest of a key.
    fn complete(&self, has_broker: bool) -> Result<DeclaredService, String> {
        let contract = self.contract.clone();
        let contract = contract.ok_or("contract is not set: name the contract file of the service")?;
        let Some(url) = &self.backend_url else {
            let default = Self::default();
            let has_keys = self.secret_file.is_some()
                || self.timeout != default.timeout
                || self.max_in_flight != default.max_in_flight
                || !self.claims.is_empty();
            return if has_keys {
                Err("backend.url is not set, but other keys of the backend are: set it, or leave them out".into())
            } else {
                Ok(DeclaredService { contract, backend: None })
            };
        };
        let address = match (url.0.as_str(), &self.secret_file) {
            ("amqp", None) if has_broker => BackendAddress::Amqp,
            ("amqp", None) => return Err("backend.url is `amqp`: set bus.url to a broker too".into()),
            ("amqp", Some(_)) => {
                return Err("backend.secret_file is not used with backend.url `amqp`: leave it out".into());
            }
            (_, secret_file) if super::check::is_http(&url.0) => match secret_file {
                Some(secret_file) => BackendAddress::Http { url: url.clone(), secret_file: secret_file.clone() },
                None => return Err("backend.secret_file is not set: requests to an http: backend are signed".into()),
            },
            _ => return Err("backend.url is neither an http:// or https:// URL nor `amqp`".into()),
        };
        if !TIMEOUT.contains(&self.timeout) {
            return Err("backend.timeout is not 100ms to 30s".into());
        }
        if self.max_in_flight == 0 {
            return Err("backend.max_in_flight is 0: nothing would be let through; the least is 1".into());
        }
        let backend = ServiceBackend {
            address,
            timeout: self.timeout,
            max_in_flight: self.max_in_flight,
            claims: self.claims.clone(),
        };
        Ok(DeclaredService { contract, backend: Some(backend) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(backend_url: Option<&str>) -> ServiceDraft {
        ServiceDraft {
            contract: Some("orders.service.toml".into()),
            backend_url: backend_url.map(|url| Secret(url.into())),
            ..ServiceDraft::default()
        }
    }

    fn http() -> ServiceDraft {
        ServiceDraft { secret_file: Some("secret".into()), ..draft(Some("http://orders:8080/gateway")) }
    }

    #[test]
    fn accepts_service_without_backend_and_with_each_kind_of_backend() {
        assert_eq!(draft(None).complete(false).unwrap().backend, None);
        let backend = http().complete(false).unwrap().backend.unwrap();
        assert!(matches!(backend.address, BackendAddress::Http { .. }));
        assert_eq!((backend.timeout, backend.max_in_flight), (Duration::from_secs(2), 256));
        assert_eq!(draft(Some("amqp")).complete(true).unwrap().backend.unwrap().address, BackendAddress::Amqp);
    }

    #[test]
    fn refuses_keys_that_do_not_fit_together_and_names_them() {
        let millis = Duration::from_millis;
        for (draft, problem) in [
            (ServiceDraft { contract: None, ..draft(None) }, "contract is not set"),
            (ServiceDraft { claims: vec![ClaimPath::of("tenant")], ..draft(None) }, "backend.url is not set"),
            (ServiceDraft { secret_file: Some("s".into()), ..draft(None) }, "backend.url is not set"),
            (draft(Some("http://orders")), "backend.secret_file is not set"),
            (draft(Some("ftp://orders")), "backend.url is neither"),
            (draft(Some("http://")), "backend.url is neither"),
            (draft(Some("amqp")), "backend.url is `amqp`: set bus.url"),
            (ServiceDraft { timeout: millis(99), ..http() }, "backend.timeout is not 100ms to 30s"),
            (ServiceDraft { timeout: millis(30_001), ..http() }, "backend.timeout is not 100ms to 30s"),
            (ServiceDraft { max_in_flight: 0, ..http() }, "backend.max_in_flight is 0"),
        ] {
            let error = draft.complete(false).unwrap_err();
            assert!(error.starts_with(problem), "{error}");
        }
        let amqp = ServiceDraft { secret_file: Some("s".into()), ..draft(Some("amqp")) };
        assert!(amqp.complete(true).unwrap_err().starts_with("backend.secret_file is not used"));
    }
}
