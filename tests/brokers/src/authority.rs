//! A certificate authority of a test's own, with a certificate for `localhost`, made by OpenSSL.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// A certificate authority, and what it signed: `ca.pem`, `server.pem`, `server.key`.
#[derive(Debug)]
pub struct Authority(TempDir);

impl Authority {
    /// Makes one that holds for two days.
    ///
    /// # Panics
    /// When there is no `openssl`.
    pub fn make() -> Self {
        let authority = Self(tempfile::tempdir().unwrap());
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        authority.openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=tests -days 2"));
        authority.openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost"));
        std::fs::write(authority.directory().join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1").unwrap();
        let signing = "-CA ca.pem -CAkey ca.key -CAcreateserial";
        authority.openssl(&format!("x509 -req -in server.csr {signing} -out server.pem -days 2 -extfile names"));
        authority
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        let output = command.args(arguments.split(' ')).current_dir(self.directory()).output().unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Its folder.
    pub fn directory(&self) -> &Path {
        self.0.path()
    }

    /// The certificate of the authority itself.
    pub fn certificate(&self) -> PathBuf {
        self.directory().join("ca.pem")
    }
}
