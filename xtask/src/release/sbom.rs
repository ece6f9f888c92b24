//! The software bill of materials of a program or a library, in the JSON format of CycloneDX 1.6: every crate that it
//! contains, every crate that runs only during compilation, as `excluded`, and dependencies from other registries.

use std::{collections::BTreeMap, fs};

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::checksums;
use crate::{
    metadata::{Metadata, Package},
    project::Project,
};

/// What a bill describes.
pub(super) struct Subject<'a> {
    /// The crate that is compiled.
    pub(super) package: &'a str,
    /// The target that it is compiled for, or `None` for the source of a crate.
    pub(super) target: Option<&'a str>,
    /// When the sources were committed, in RFC 3339. A bill that is committed too has no time.
    pub(super) time: Option<&'a str>,
    /// What is published.
    pub(super) published: Published<'a>,
}

/// The kind of thing that is published.
#[derive(Clone, Copy)]
pub(super) enum Published<'a> {
    /// The program of the crate.
    Program,
    /// The crate, as a library.
    Crate,
    /// An artefact of another registry that contains the compiled crate.
    Artefact(&'a Artefact<'a>),
}

/// An artefact that contains a compiled crate.
pub(super) struct Artefact<'a> {
    /// Its package URL.
    pub(super) purl: &'a str,
    /// Its name in its registry.
    pub(super) name: &'a str,
    /// What it depends on in this registry, as components.
    pub(super) components: Vec<Value>,
}

/// Returns the component of a library from another registry. A library of which every version will do has none here.
pub(super) fn library(purl: &str, name: &str, version: Option<&str>, license: &str) -> Value {
    let purl = version.map_or_else(|| purl.to_owned(), |version| format!("{purl}@{version}"));
    let licenses = json!([{ "expression": license }]);
    let mut library = json!({ "type": "library", "bom-ref": purl, "name": name, "licenses": licenses, "purl": purl });
    if let (Some(version), Some(library)) = (version, library.as_object_mut()) {
        library.insert("version".to_owned(), json!(version));
    }
    library
}

/// Reads the metadata of the workspace, and writes the bill.
///
/// # Errors
/// If cargo fails, or the package does not exist.
pub(super) fn write(project: &Project, subject: &Subject) -> anyhow::Result<String> {
    let metadata = match subject.target {
        Some(target) => Metadata::for_program(project, subject.package, target)?,
        None => Metadata::read(project)?,
    };
    let lock = fs::read_to_string(project.root().join("Cargo.lock")).context("read Cargo.lock")?;
    bill(&metadata, &lock, subject)
}

/// Writes the bill from the resolved metadata for its target, and the checksums of `Cargo.lock`.
///
/// # Errors
/// If the package is not among the metadata.
fn bill(metadata: &Metadata, lock: &str, subject: &Subject) -> anyhow::Result<String> {
    let root = metadata.package(subject.package).with_context(|| format!("no package {}", subject.package))?;
    let parts = metadata.parts(&root.id);
    let checksums = checksums(lock);
    let scope = |package: &Package| match () {
        () if parts.contained.contains(&package.id) => Some("required"),
        () if parts.build_only.contains(&package.id) => Some("excluded"),
        () => None,
    };
    let references: BTreeMap<_, _> = metadata.packages.iter().map(|it| (it.id.as_str(), reference(it))).collect();
    let mut packages: Vec<_> = metadata.packages.iter().filter(|it| scope(it).is_some()).collect();
    packages.sort_by_key(|package| reference(package));
    // In an artefact of another registry, the crate is one of the things that it contains.
    let is_listed = |package: &&&Package| matches!(subject.published, Published::Artefact(_)) || package.id != root.id;
    let components = packages.iter().filter(is_listed).map(|package| {
        let mut component = component(package, "library");
        component.insert("scope".to_owned(), json!(scope(package)));
        if let Some(checksum) = checksums.get(&(package.name.as_str(), package.version.as_str())) {
            component.insert("hashes".to_owned(), json!([{ "alg": "SHA-256", "content": checksum }]));
        }
        Value::Object(component)
    });
    let mut components: Vec<_> = components.collect();
    let dependencies = packages.iter().map(|package| {
        let mut on: Vec<_> = metadata.dependencies(&package.id).filter_map(|id| references.get(id)).collect();
        on.sort();
        on.dedup();
        json!({ "ref": reference(package), "dependsOn": on })
    });
    let mut dependencies: Vec<_> = dependencies.collect();
    let mut described = match subject.published {
        Published::Program => component(root, "application"),
        Published::Crate => component(root, "library"),
        Published::Artefact(artefact) => {
            let references = artefact.components.iter().filter_map(|component| component.get("bom-ref").cloned());
            let on: Vec<_> = [json!(reference(root))].into_iter().chain(references).collect();
            dependencies.push(json!({ "ref": artefact.purl, "dependsOn": on }));
            components.extend(artefact.components.iter().cloned());
            let names = [("bom-ref", artefact.purl), ("name", artefact.name), ("purl", artefact.purl)];
            let names = names.into_iter().map(|(name, value)| (name.to_owned(), json!(value)));
            // The description is that of the crate.
            let same = component(root, "library").into_iter().filter(|(name, _)| name != "description");
            same.chain(names).collect()
        }
    };
    if let Some(target) = subject.target {
        described.insert("properties".to_owned(), json!([{ "name": "target", "value": target }]));
    }
    let mut about = json!({
        "tools": { "components": [{ "type": "application", "name": "cargo xtask release", "version": root.version }] },
        "component": described,
    });
    if let (Some(time), Some(about)) = (subject.time, about.as_object_mut()) {
        about.insert("timestamp".to_owned(), json!(time));
    }
    Ok(document(&json!({ "metadata": about, "components": components, "dependencies": dependencies })))
}

/// Writes the content of a bill with its header.
pub(super) fn document(content: &Value) -> String {
    let content = sorted(content);
    let header = json!({ "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": serial_number(&content), "version": 1 });
    let parts = [header, content].into_iter().filter_map(|part| part.as_object().cloned());
    format!("{:#}\n", sorted(&Value::Object(parts.flatten().collect())))
}

/// Returns a value whose members are in the order of their names. Otherwise the order depends on a feature of serde_json, which
/// is on or off by what is compiled together.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// Returns a URN that identifies this content: a UUID of version 8 (RFC 9562, section 5.8) from its checksum.
fn serial_number(bill: &Value) -> String {
    let mut digits: Vec<char> = checksums::hexadecimal(bill.to_string().as_bytes()).chars().take(32).collect();
    for (at, digit) in [(12, '8'), (16, 'a')] {
        if let Some(place) = digits.get_mut(at) {
            *place = digit;
        }
    }
    let digits: String = digits.into_iter().collect();
    let part = |from, to| digits.get(from..to).unwrap_or_default();
    format!("urn:uuid:{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// Returns a package URL, which also names the component within the bill.
fn reference(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version.replace('+', "%2B"))
}

fn component(package: &Package, kind: &str) -> Map<String, Value> {
    // Old manifests write `MIT/Apache-2.0`, which is no SPDX expression.
    let license = package.license.as_ref().map(|license| json!([{ "expression": license.replace('/', " OR ") }]));
    let authors: Vec<_> = package.authors.iter().map(|author| json!({ "name": author })).collect();
    let fields = [
        ("type", Some(json!(kind))),
        ("bom-ref", Some(json!(reference(package)))),
        ("authors", (!authors.is_empty()).then(|| json!(authors))),
        ("name", Some(json!(package.name))),
        ("version", Some(json!(package.version))),
        ("description", package.description.as_ref().map(|text| json!(text.trim()))),
        ("licenses", license),
        ("purl", Some(json!(reference(package)))),
        ("externalReferences", package.repository.as_ref().map(|url| json!([{ "type": "vcs", "url": url }]))),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// Returns the checksums that `Cargo.lock` has, by name and version.
fn checksums(lock: &str) -> BTreeMap<(&str, &str), &str> {
    let value = |block: &'_ str, name: &str| -> Option<(usize, usize)> {
        let start = block.find(&format!("\n{name} = \""))? + name.len() + 5;
        Some((start, start + block.get(start..)?.find('"')?))
    };
    let packages = lock.split("[[package]]").filter_map(|block| {
        let text = |name: &str| value(block, name).and_then(|(from, to)| block.get(from..to));
        Some(((text("name")?, text("version")?), text("checksum")?))
    });
    packages.collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::{env, process::Command};

    use super::*;
    use crate::command;

    /// Validates a file against the schema of CycloneDX.
    const VALIDATE: &str = include_str!("validate_bill.py");

    fn bill_of(subject: &Subject) -> Value {
        let project = Project::find().expect("the tests run in cargo's target directory");
        serde_json::from_str(&write(&project, subject).expect("write the bill")).expect("it is JSON")
    }

    fn bill_of_the_gateway() -> Value {
        let (target, time) = (Some("x86_64-unknown-linux-musl"), Some("2026-01-31T12:00:00Z"));
        bill_of(&Subject { package: super::super::program::PACKAGE, target, time, published: Published::Program })
    }

    pub(in crate::release) fn is_valid(bill: &Value) -> bool {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), bill.to_string()).expect("write the bill");
        let python = env::var_os("GATEWAY_TEST_PYTHON").unwrap_or_else(|| "python3".into());
        command::succeeds(Command::new(python).args(["-c", VALIDATE]).arg(file.path()))
    }

    #[test]
    fn bill_of_the_gateway_fits_the_schema_of_cyclonedx() {
        let mut bill = bill_of_the_gateway();
        assert!(is_valid(&bill), "the validator of xtask/requirements.txt refuses the bill");
        bill["components"][0]["scope"] = json!("maybe");
        assert!(!is_valid(&bill), "the validator accepts anything");
    }

    #[test]
    fn bill_of_the_gateway_names_what_it_contains() {
        let bill = bill_of_the_gateway();
        let find = |name: &str| {
            let components = bill["components"].as_array().expect("components");
            components.iter().find(|component| component["name"] == name)
        };
        let tokio = find("tokio").expect("the gateway contains tokio");
        assert_eq!((&tokio["scope"], &tokio["licenses"]), (&json!("required"), &json!([{ "expression": "MIT" }])));
        assert_eq!(tokio["hashes"][0]["content"].as_str().map(str::len), Some(64));
        assert_eq!(find("serde_derive").expect("serde's macros")["scope"], "excluded");
        assert!(find("realtime-gateway-protocol").is_some_and(|ours| ours["hashes"].is_null()));
        for name in ["proptest", "windows-sys", "realtime-gateway-brokers", "realtime-gateway-server"] {
            assert!(find(name).is_none(), "{name}");
        }
        assert_eq!(bill["metadata"]["component"]["name"], "realtime-gateway-server");
        assert_eq!(bill, bill_of_the_gateway(), "equal sources give equal bills");
    }

    #[test]
    fn bill_of_an_artefact_names_the_crates_and_its_other_dependencies() {
        let websocket = library("pkg:golang/github.com/coder/websocket", "websocket", Some("v1.8.15"), "ISC");
        let artefact = Artefact { purl: "pkg:golang/of/a/test@v1.0.0", name: "of/a/test", components: vec![websocket] };
        let (target, published) = (Some("wasm32-unknown-unknown"), Published::Artefact(&artefact));
        let bill = bill_of(&Subject { package: "realtime-gateway-c", target, time: None, published });
        assert!(is_valid(&bill), "the validator of xtask/requirements.txt refuses the bill");
        assert!(bill["metadata"]["timestamp"].is_null());
        let on = [
            concat!("pkg:cargo/realtime-gateway-c@", env!("CARGO_PKG_VERSION")),
            "pkg:golang/github.com/coder/websocket@v1.8.15",
        ];
        let edge = json!({ "ref": artefact.purl, "dependsOn": on });
        assert!(bill["dependencies"].as_array().is_some_and(|edges| edges.contains(&edge)), "{bill:#}");
        for name in ["realtime-gateway-c", "realtime-gateway-sdk-core", "serde_json", "websocket"] {
            let has = |components: &Vec<Value>| components.iter().any(|component| component["name"] == name);
            assert!(bill["components"].as_array().is_some_and(has), "{name}");
        }
    }

    #[test]
    fn bill_of_a_crate_is_valid() {
        let bill = bill_of(&Subject {
            package: "realtime-gateway-protocol",
            target: None,
            time: None,
            published: Published::Crate,
        });
        assert!(is_valid(&bill), "the validator of xtask/requirements.txt refuses the bill");
        assert_eq!(bill["metadata"]["component"]["type"], "library");
    }

    #[test]
    fn checksums_are_read_from_the_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"abc\"\n\n\
                    [[package]]\nname = \"ours\"\nversion = \"0.1.0\"\ndependencies = [\n \"a\",\n]\n";
        assert_eq!(checksums(lock), BTreeMap::from([(("a", "1.0.0"), "abc")]));
    }
}
