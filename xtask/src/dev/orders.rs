//! The example service of `cargo xtask dev`: the contract in `docs/examples/orders`, with a small backend.

pub(super) mod backend;
mod http;

use std::{
    env,
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::project::Project;

/// The contract.
const CONTRACT: &str = "docs/examples/orders/orders.service.toml";

/// What the gateway and the backend have to know of each other.
pub(super) struct Orders {
    contract: PathBuf,
    address: SocketAddr,
    /// The file with the secret that signs requests to the backend.
    secret: PathBuf,
    /// The file with the API key with which the backend publishes.
    key: PathBuf,
    key_digest: String,
}

impl Orders {
    /// Prepares the example for a gateway. Returns `None` if the developer has a configuration, which it could contradict.
    ///
    /// # Errors
    /// If there is no free port, or a file cannot be written.
    pub(super) fn prepare(project: &Project, gateway: SocketAddr, arguments: &[&str]) -> anyhow::Result<Option<Self>> {
        let has_file = ["gateway.toml", ".env"].iter().any(|name| project.root().join(name).exists());
        let is_configured = arguments.iter().any(|argument| argument.starts_with("--config"));
        let is_own = |name: &str| name == "GATEWAY_AUTH__API_KEYS" || name.starts_with("GATEWAY_SERVICES__ORDERS__");
        let has_variables = env::vars_os().any(|(name, _)| is_own(&name.to_string_lossy()));
        if has_file || is_configured || has_variables {
            return Ok(None);
        }
        let listener = TcpListener::bind("127.0.0.1:0").context("find a port for the example backend")?;
        let folder = project.target().join("dev-orders");
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let file = |kind: &str| folder.join(format!("{}.{kind}", gateway.port()));
        let (secret, key, text) = (file("secret"), file("key"), random()?);
        // Hexadecimal digits are valid base64.
        write(&secret, &format!("whsec_{}\n", random()?))?;
        write(&key, &text)?;
        let address = listener.local_addr().context("read the address")?;
        let key_digest = hexadecimal(&Sha256::digest(&text));
        Ok(Some(Self { contract: project.root().join(CONTRACT), address, secret, key, key_digest }))
    }

    /// Returns the configuration of the gateway.
    pub(super) fn gateway_variables(&self) -> [(&'static str, String); 4] {
        let key = json!([
            { "name": "orders", "sha256": self.key_digest, "scopes": ["publish"], "services": ["orders"] }
        ]);
        [
            ("GATEWAY_SERVICES__ORDERS__CONTRACT", self.contract.display().to_string()),
            ("GATEWAY_SERVICES__ORDERS__BACKEND__URL", format!("http://{}/", self.address)),
            ("GATEWAY_SERVICES__ORDERS__BACKEND__SECRET_FILE", self.secret.display().to_string()),
            ("GATEWAY_AUTH__API_KEYS", key.to_string()),
        ]
    }

    /// Returns the arguments for the process that runs the backend.
    pub(super) fn backend_arguments(&self) -> [String; 4] {
        let key = self.key.display().to_string();
        ["--backend".to_owned(), self.address.to_string(), "--backend-key".to_owned(), key]
    }
}

/// Writes a file that only this user can read.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(true).write(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| format!("write {}", path.display()))
}

/// Returns 32 random bytes in hexadecimal digits.
fn random() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).context("read random bytes")?;
    Ok(hexadecimal(&bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn contract_exists_and_the_secret_is_private() {
        let project = Project::find().expect("the project");
        let gateway = "127.0.0.1:4999".parse().expect("an address");
        if let Some(orders) = Orders::prepare(&project, gateway, &[]).expect("it is prepared") {
            assert!(orders.contract.exists());
            for file in [&orders.secret, &orders.key] {
                assert_eq!(fs::metadata(file).expect("a file").permissions().mode() & 0o777, 0o600);
            }
            assert_eq!(fs::read_to_string(&orders.secret).expect("a text").len(), "whsec_\n".len() + 64);
        }
        let configured = Orders::prepare(&project, gateway, &["--config", "a.toml"]);
        assert!(configured.expect("it is not needed").is_none());
    }
}
