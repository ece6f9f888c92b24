//! API keys of the HTTP API. The gateway stores only their SHA-256 digests.

use parking_lot::RwLock;
use sha2::{Digest, Sha256};

use crate::config::ApiKey;

/// The configured API keys. They can be replaced while the gateway runs.
#[derive(Debug)]
pub struct ApiKeys {
    keys: RwLock<Vec<ApiKey>>,
}

impl ApiKeys {
    /// Creates the set of configured keys.
    pub fn new(keys: &[ApiKey]) -> Self {
        Self { keys: RwLock::new(keys.to_vec()) }
    }

    /// Replaces all keys with those of a new configuration.
    pub fn reload(&self, keys: &[ApiKey]) {
        *self.keys.write() = keys.to_vec();
    }

    /// Returns a valid key. Runs in constant time, so that timing reveals neither which key
    /// matched nor whether any did.
    pub fn check(&self, presented: &str) -> Option<ApiKey> {
        let digest: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        let keys = self.keys.read();
        let mut found = None;
        for key in keys.iter() {
            if constant_time_eq(&key.sha256, &digest) {
                found = Some(key);
            }
        }
        found.cloned()
    }
}

/// Compares in constant time, regardless of the position of the first difference.
fn constant_time_eq(a: &[u8; 32], b: &[u8; 32]) -> bool {
    std::hint::black_box(a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Scope;

    fn key(name: &str, text: &str, scopes: &[Scope]) -> ApiKey {
        ApiKey {
            name: name.into(),
            sha256: Sha256::digest(text).into(),
            scopes: scopes.to_vec(),
            has_scopes: true,
            services: None,
        }
    }

    #[test]
    fn returns_the_key_with_a_text() {
        let keys =
            ApiKeys::new(&[key("shop", "k1", &[Scope::Publish]), key("ops", "k2", &[Scope::Admin, Scope::Read])]);
        assert_eq!(keys.check("k1"), Some(key("shop", "k1", &[Scope::Publish])));
        assert_eq!(keys.check("k2"), Some(key("ops", "k2", &[Scope::Admin, Scope::Read])));
        assert_eq!(keys.check("k3"), None);
        assert_eq!(keys.check(""), None);
    }

    #[test]
    fn reload_replaces_all_keys() {
        let keys = ApiKeys::new(&[key("shop", "k1", &[Scope::Publish])]);
        keys.reload(&[key("shop", "k2", &[Scope::Publish])]);
        assert_eq!(keys.check("k1"), None);
        assert!(keys.check("k2").is_some());
    }

    #[test]
    fn digests_that_differ_in_any_byte_are_not_equal() {
        for index in 0..32 {
            let mut other = [7; 32];
            other[index] ^= 1;
            assert!(!constant_time_eq(&[7; 32], &other));
        }
        assert!(constant_time_eq(&[7; 32], &[7; 32]));
    }
}
