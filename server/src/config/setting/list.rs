//! Parses and formats lists: separated by commas in the environment, by lines in a file, or as arrays in TOML.

use std::net::IpAddr;

use ipnet::IpNet;
use realtime_gateway_protocol::ServiceName;
use serde::Deserialize;

use super::{Kind, Raw, Written};
use crate::config::{ApiKey, Scope, Secret};

impl Raw {
    /// Returns the texts of a list. A single text in TOML is a list with one text.
    fn texts(&self) -> Result<Vec<String>, String> {
        let not_texts = || "is not a list of texts".to_owned();
        let texts: Vec<String> = match self {
            // A JSON array is accepted too, for values that contain a comma.
            Self::Text(text) => match serde_json::from_str(text) {
                Ok(texts) => texts,
                Err(_) => text.split(',').map(str::to_owned).collect(),
            },
            Self::File(text) => text.lines().map(str::to_owned).collect(),
            Self::Toml(toml::Value::String(text)) => vec![text.clone()],
            Self::Toml(toml::Value::Array(values)) => {
                let texts = values.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(not_texts));
                texts.collect::<Result<_, _>>()?
            }
            Self::Toml(_) => return Err(not_texts()),
        };
        Ok(texts.into_iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect())
    }
}

impl Written for Vec<String> {
    fn read(raw: &Raw, kind: Kind) -> Result<Self, String> {
        match kind {
            Kind::Keys => Ok(pem_blocks(raw)?),
            _ => raw.texts(),
        }
    }

    fn write(&self, _: Kind) -> toml::Value {
        self.clone().into()
    }
}

/// Splits a text into PEM blocks. A text may contain several blocks, and `\n` escapes for line breaks, which
/// orchestrators often use.
fn pem_blocks(raw: &Raw) -> Result<Vec<String>, String> {
    let whole = match raw {
        Raw::File(text) => text.clone(),
        other => other.texts()?.join("\n"),
    };
    let whole = whole.replace("\\n", "\n");
    let mut blocks = Vec::new();
    let mut rest = whole.trim();
    while !rest.is_empty() {
        // A block ends with the line that contains its END label (RFC 7468, section 3).
        let end = rest.find("-----END").and_then(|at| Some(at + rest.get(at..)?.find('\n')?)).unwrap_or(rest.len());
        let (block, more) = rest.split_at(end);
        blocks.push(format!("{}\n", block.trim()));
        rest = more.trim();
    }
    Ok(blocks)
}

impl Written for Vec<Secret> {
    fn read(raw: &Raw, _: Kind) -> Result<Self, String> {
        Ok(raw.texts()?.into_iter().map(Secret).collect())
    }

    fn write(&self, _: Kind) -> toml::Value {
        self.iter().map(|secret| secret.0.clone()).collect::<Vec<_>>().into()
    }
}

impl Written for Vec<IpNet> {
    fn read(raw: &Raw, _: Kind) -> Result<Self, String> {
        let network = |text: &String| {
            // A single address is a network with one address.
            let address = || text.parse::<IpAddr>().map(IpNet::from).ok();
            text.parse()
                .ok()
                .or_else(address)
                .ok_or_else(|| format!("has {text:?}, which is not a network such as 10.0.0.0/8"))
        };
        raw.texts()?.iter().map(network).collect()
    }

    fn write(&self, _: Kind) -> toml::Value {
        self.iter().map(ToString::to_string).collect::<Vec<_>>().into()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenApiKey {
    name: String,
    sha256: String,
    scopes: Option<Vec<WrittenScope>>,
    services: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenScope {
    Publish,
    Read,
    Admin,
}

impl Written for Vec<ApiKey> {
    fn read(raw: &Raw, _: Kind) -> Result<Self, String> {
        let help = "is not a list of {name, sha256, scopes, services}";
        let written: Vec<WrittenApiKey> = match raw {
            Raw::Toml(value) => {
                value.clone().try_into().map_err(|error: toml::de::Error| format!("{help}: {}", error.message()))?
            }
            Raw::Text(text) | Raw::File(text) => {
                serde_json::from_str(text).map_err(|error| format!("{help} in JSON: {error}"))?
            }
        };
        written.into_iter().map(api_key).collect()
    }

    fn write(&self, _: Kind) -> toml::Value {
        let keys = self.iter().map(|key| {
            let scopes = key.scopes.iter().map(|scope| format!("{scope:?}").to_lowercase()).collect::<Vec<_>>();
            let mut table = toml::Table::new();
            table.insert("name".into(), key.name.clone().into());
            let digest: String = key.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
            table.insert("sha256".into(), digest.into());
            if key.has_scopes {
                table.insert("scopes".into(), scopes.into());
            }
            if let Some(services) = &key.services {
                table.insert("services".into(), services.iter().map(ToString::to_string).collect::<Vec<_>>().into());
            }
            toml::Value::Table(table)
        });
        toml::Value::Array(keys.collect())
    }
}

fn api_key(written: WrittenApiKey) -> Result<ApiKey, String> {
    let name = written.name;
    let sha256 = digest(&written.sha256)
        .ok_or_else(|| format!("has for {name:?} no SHA-256 in 64 hexadecimal digits (printf %s KEY | sha256sum)"))?;
    let all = || vec![Scope::Publish, Scope::Read, Scope::Admin];
    let scope = |scope| match scope {
        WrittenScope::Publish => Scope::Publish,
        WrittenScope::Read => Scope::Read,
        WrittenScope::Admin => Scope::Admin,
    };
    let has_scopes = written.scopes.is_some();
    let scopes = written.scopes.map_or_else(all, |scopes| scopes.into_iter().map(scope).collect());
    let services = written.services.map(|services| {
        let service = |text: &String| {
            ServiceName::new(text.as_str()).map_err(|_| {
                format!("has for {name:?} the service {text:?}: a service name matches [a-z][a-z0-9_]{{0,31}}")
            })
        };
        services.iter().map(service).collect::<Result<Vec<_>, _>>()
    });
    let services = services.transpose()?;
    if services.as_ref().is_some_and(Vec::is_empty) {
        return Err(format!("has for {name:?} an empty list of services: leave it out for a key without this limit"));
    }
    Ok(ApiKey { name, sha256, scopes, has_scopes, services })
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(digest)
}
