//! The generated documents, in two versions: for everyone, and for operators, who also see the declared services.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use gateway_contracts::Contract;
use parking_lot::Mutex;
use poem::{FromRequest, Request, RequestBody, Result};
use realtime_gateway_protocol::{
    ServiceName, asyncapi_document,
    backend::{Flow, backend_schema},
    client_schema, protocol_page_html, server_schema,
};
use serde_json::Value;

use super::{
    NodeView, declared,
    key::{self, Read, RequiredScope},
    request_part,
};
use crate::{
    auth::{ApiKeys, TopicPolicies},
    commands::{ServiceTable, built_in::BuiltInService},
    config::DocsServices,
};

/// Documents and pages of one version.
pub(super) struct DocumentSet {
    pub(super) openapi: Bytes,
    pub(super) asyncapi: Bytes,
    pub(super) client: Bytes,
    pub(super) server: Bytes,
    pub(super) inbound: Bytes,
    pub(super) outbound: Bytes,
    pub(super) protocol: Bytes,
    pub(super) contracts: Bytes,
    /// The schemas of declared services.
    pub(super) services: BTreeMap<ServiceName, Bytes>,
}

impl DocumentSet {
    /// Generates the documents of a gateway with these services in code and these declared services.
    fn new(openapi: &Value, in_code: &[ServiceName], contracts: &[Arc<Contract>]) -> Self {
        let bytes = |value: &Value| Bytes::from(value.to_string());
        let declared = contracts.iter().map(|contract| contract.name.clone());
        let names: Vec<_> = in_code.iter().cloned().chain(declared).collect();
        let mut openapi = openapi.clone();
        declared::add_to_openapi(&mut openapi, contracts);
        let mut asyncapi = asyncapi_document(&names);
        declared::add_to_asyncapi(&mut asyncapi, contracts);
        let schema = |contract: &Arc<Contract>| (contract.name.clone(), bytes(&contract.schema.root()));
        Self {
            openapi: bytes(&openapi),
            asyncapi: bytes(&asyncapi),
            client: bytes(&client_schema()),
            server: bytes(&server_schema()),
            inbound: bytes(&backend_schema(Flow::Inbound)),
            outbound: bytes(&backend_schema(Flow::Outbound)),
            protocol: Bytes::from(protocol_page_html(&declared::protocol_section(contracts))),
            contracts: Contract::document(contracts, &BuiltInService::all().map(|service| service.to_json()).into())
                .into(),
            services: contracts.iter().map(schema).collect(),
        }
    }
}

/// Both versions of the documents.
pub(super) struct DocumentSets {
    openapi: Value,
    table: Arc<ServiceTable>,
    public: Arc<DocumentSet>,
    /// The version for operators, with the revision of the declared services that it was generated from.
    operators: Mutex<(u64, Arc<DocumentSet>)>,
}

impl DocumentSets {
    /// Generates the documents.
    pub(super) fn new(openapi: &Value, table: Arc<ServiceTable>) -> Self {
        let (openapi, revision) = (openapi.clone(), table.revision());
        let public = Arc::new(DocumentSet::new(&openapi, &table.names_in_code(), &[]));
        let contracts = table.contracts();
        let operators = if contracts.is_empty() {
            public.clone()
        } else {
            Arc::new(DocumentSet::new(&openapi, &table.names_in_code(), &contracts))
        };
        Self { openapi, table, public, operators: Mutex::new((revision, operators)) }
    }

    /// Returns the documents for operators. They are generated again after a reload of the declared services.
    fn for_operators(&self) -> Arc<DocumentSet> {
        let mut cached = self.operators.lock();
        let revision = self.table.revision();
        if cached.0 != revision {
            let set = DocumentSet::new(&self.openapi, &self.table.names_in_code(), &self.table.contracts());
            *cached = (revision, Arc::new(set));
        }
        cached.1.clone()
    }
}

/// Returns whether a request may see the declared services without an API key.
fn sees_services(request: &Request) -> Result<bool> {
    let config = request_part::<NodeView>(request)?.config();
    // With `internal.listen`, documents are served only there.
    Ok(config.dev || config.docs_services == DocsServices::Public || config.internal_listen.is_some())
}

/// The documents that a request may see: those for operators, or those for everyone.
pub(super) struct Documents(pub(super) Arc<DocumentSet>);

impl<'a> FromRequest<'a> for Documents {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let sets = request_part::<DocumentSets>(request)?;
        let key = key::bearer(request).map(|text| request_part::<ApiKeys>(request).map(|keys| keys.check(text)));
        let key = key.transpose()?.flatten();
        // A key that is limited to services is for their routes only.
        let may_read = key.is_some_and(|key| key.services.is_none() && key.scopes.contains(&Read::SCOPE));
        let for_operators = may_read || sees_services(request)?;
        Ok(Self(if for_operators { sets.for_operators() } else { sets.public.clone() }))
    }
}

/// The documents for operators. Other requests are refused.
pub(super) struct OperatorDocuments(pub(super) Arc<DocumentSet>);

impl<'a> FromRequest<'a> for OperatorDocuments {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let sets = request_part::<DocumentSets>(request)?;
        if !sees_services(request)? {
            key::authorize::<Read>(request)?;
        }
        Ok(Self(sets.for_operators()))
    }
}
