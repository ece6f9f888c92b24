//! The claims of a verified token that are kept with the session, because the permission service or the backend of a
//! service receives them. Without a configured claim nothing is kept, so that a session needs no memory for them.

use std::{collections::BTreeMap, sync::Arc};

use realtime_gateway_protocol::RawJson;

use crate::config::ClaimPath;

/// Claims by the names under which they are passed on. The size of a token bounds them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeptClaims(BTreeMap<Arc<str>, RawJson>);

impl KeptClaims {
    /// Returns the object for a request that contains the claims at these paths, of a client with these claims. Returns
    /// `None` when there are no paths. The object is empty for a client that connected before its first claim was
    /// configured, until its next token.
    pub fn for_request(kept: Option<&Self>, paths: &[ClaimPath]) -> Option<RawJson> {
        (!paths.is_empty()).then(|| kept.map_or_else(|| Self::default().select(&[]), |kept| kept.select(paths)))
    }

    /// Returns an object with those of the claims at these paths that the token has.
    pub fn select(&self, paths: &[ClaimPath]) -> RawJson {
        let selected = paths.iter().filter_map(|path| self.0.get_key_value(path.name()));
        let selected: BTreeMap<&str, &RawJson> = selected.map(|(name, value)| (&**name, value)).collect();
        // An object of texts and values that are JSON can always be written.
        RawJson::encode(&selected).unwrap_or_default()
    }
}

impl FromIterator<(Arc<str>, RawJson)> for KeptClaims {
    fn from_iter<T: IntoIterator<Item = (Arc<str>, RawJson)>>(claims: T) -> Self {
        Self(claims.into_iter().collect())
    }
}
