//! Reads `cargo metadata`: the packages of the workspace, their dependencies, and the packages that a program contains.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde_json::Value;

use crate::{command, project::Project};

/// The resolved packages of the workspace.
pub(crate) struct Metadata {
    /// All packages, including those of registries.
    pub(crate) packages: Vec<Package>,
    /// The dependencies of each package, by the ids of both.
    edges: BTreeMap<String, Vec<Edge>>,
}

/// One package.
pub(crate) struct Package {
    /// The package id of cargo.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// The licence, as an SPDX expression.
    pub(crate) license: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) repository: Option<String>,
    pub(crate) authors: Vec<String>,
    /// The path of its `Cargo.toml`.
    pub(crate) manifest: String,
    /// Whether it comes from a registry.
    pub(crate) is_external: bool,
    /// Whether it may be published.
    may_be_published: bool,
    /// Whether it is a procedural macro, which runs in the compiler.
    is_macro: bool,
}

impl Package {
    /// Returns whether this is a package of this workspace that is published to a registry.
    pub(crate) fn is_published(&self) -> bool {
        self.may_be_published && !self.is_external
    }
}

struct Edge {
    to: String,
    /// Whether the dependent's own code uses it, and not only its build script or its tests.
    is_normal: bool,
    /// Whether only the dependent's tests use it.
    is_for_tests_only: bool,
}

/// The packages from which a program is built, by package id.
pub(crate) struct Parts {
    /// Packages whose code is in the program.
    pub(crate) contained: BTreeSet<String>,
    /// Packages that run only during compilation: build scripts, procedural macros, and their dependencies.
    pub(crate) build_only: BTreeSet<String>,
}

impl Metadata {
    /// Reads the metadata for all targets.
    ///
    /// # Errors
    /// If cargo fails, or its output does not have the expected form.
    pub(crate) fn read(project: &Project) -> anyhow::Result<Self> {
        Self::run(project, &[])
    }

    /// Reads the metadata for one target, without dependencies of other targets.
    ///
    /// # Errors
    /// As [`Metadata::read`].
    pub(crate) fn for_target(project: &Project, target: &str) -> anyhow::Result<Self> {
        Self::run(project, &["--filter-platform", target])
    }

    /// Reads the metadata for a program on one target, without packages that only features of the tests need. `cargo
    /// metadata` resolves the features of all packages and their tests together, `cargo tree` those of one program.
    ///
    /// # Errors
    /// As [`Metadata::read`].
    pub(crate) fn for_program(project: &Project, package: &str, target: &str) -> anyhow::Result<Self> {
        let mut metadata = Self::for_target(project, target)?;
        let mut cargo = project.cargo(&["tree", "--locked", "--prefix", "none", "--format", "{p}", "--edges"]);
        let printed = command::output(cargo.args(["normal,build", "--target", target, "--package", package]))?;
        let printed = String::from_utf8(printed).context("read what cargo tree printed")?;
        // A line begins with the name and the version: `bytes v1.11.0`.
        let built: BTreeSet<(&str, &str)> = printed
            .lines()
            .filter_map(|line| {
                let mut words = line.split(' ');
                Some((words.next()?, words.next()?.strip_prefix('v')?))
            })
            .collect();
        let is_built = |package: &&Package| built.contains(&(&*package.name, &*package.version));
        let ids: BTreeSet<_> = metadata.packages.iter().filter(is_built).map(|package| package.id.clone()).collect();
        metadata.edges.values_mut().for_each(|edges| edges.retain(|edge| ids.contains(&edge.to)));
        Ok(metadata)
    }

    fn run(project: &Project, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut cargo = project.cargo(&["metadata", "--format-version", "1", "--locked"]);
        let printed = command::output(cargo.args(arguments))?;
        Self::parse(&serde_json::from_slice(&printed).context("read what cargo metadata printed")?)
            .context("cargo metadata printed something unexpected")
    }

    fn parse(document: &Value) -> Option<Self> {
        let packages = list(document, "packages").iter().map(package).collect::<Option<Vec<_>>>()?;
        let nodes = document.pointer("/resolve/nodes")?.as_array()?;
        let edges = nodes.iter().map(|node| {
            let edges = list(node, "deps").iter().map(edge).collect::<Option<Vec<_>>>()?;
            Some((text(node, "id")?, edges))
        });
        Some(Self { packages, edges: edges.collect::<Option<_>>()? })
    }

    /// Returns the package of this name, which must be the only one.
    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// Returns the ids of the packages that a package depends on, without those of its tests.
    pub(crate) fn dependencies(&self, id: &str) -> impl Iterator<Item = &str> {
        let edges = self.edges.get(id).into_iter().flatten();
        edges.filter(|edge| !edge.is_for_tests_only).map(|edge| edge.to.as_str())
    }

    /// Returns the packages from which the program of a package is built, including the package itself.
    pub(crate) fn parts(&self, root: &str) -> Parts {
        let macros: BTreeSet<_> =
            self.packages.iter().filter(|package| package.is_macro).map(|package| package.id.as_str()).collect();
        let contained = self.reach(root, |edge| edge.is_normal && !macros.contains(edge.to.as_str()));
        let all = self.reach(root, |edge| !edge.is_for_tests_only);
        Parts { build_only: all.difference(&contained).cloned().collect(), contained }
    }

    /// Returns every package that can be reached by edges of a kind.
    fn reach(&self, root: &str, follows: impl Fn(&Edge) -> bool) -> BTreeSet<String> {
        let mut reached = BTreeSet::from([root.to_owned()]);
        let mut open = vec![root.to_owned()];
        while let Some(id) = open.pop() {
            for edge in self.edges.get(&id).into_iter().flatten().filter(|edge| follows(edge)) {
                if reached.insert(edge.to.clone()) {
                    open.push(edge.to.clone());
                }
            }
        }
        reached
    }
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

fn package(value: &Value) -> Option<Package> {
    let is_macro = |target: &Value| list(target, "kind").iter().any(|kind| kind == "proc-macro");
    Some(Package {
        id: text(value, "id")?,
        name: text(value, "name")?,
        version: text(value, "version")?,
        license: text(value, "license"),
        description: text(value, "description"),
        repository: text(value, "repository"),
        authors: list(value, "authors").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        manifest: text(value, "manifest_path")?,
        is_external: value.get("source").is_some_and(Value::is_string),
        // `publish = false` is an empty list of registries, and `null` allows all of them.
        may_be_published: value.get("publish")?.as_array().is_none_or(|registries| !registries.is_empty()),
        is_macro: list(value, "targets").iter().any(is_macro),
    })
}

fn edge(value: &Value) -> Option<Edge> {
    // The kind of a normal dependency is null.
    let kinds = list(value, "dep_kinds").iter().map(|kind| text(kind, "kind"));
    let kinds: Vec<_> = kinds.collect();
    Some(Edge {
        to: text(value, "pkg")?,
        is_normal: kinds.contains(&None),
        is_for_tests_only: kinds.iter().all(|kind| kind.as_deref() == Some("dev")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, kind: &str, publish: Value, source: Value) -> Value {
        json!({ "id": name, "name": name, "version": "1.0.0", "license": "MIT", "publish": publish, "source": source,
                "targets": [{ "kind": [kind] }], "authors": ["A"], "manifest_path": "Cargo.toml" })
    }

    fn node(name: &str, dependencies: &[(&str, &[Value])]) -> Value {
        let dependency = |(name, kinds): &(&str, &[Value])| {
            let kinds: Vec<_> = kinds.iter().map(|kind| json!({ "kind": kind })).collect();
            json!({ "pkg": name, "dep_kinds": kinds })
        };
        json!({ "id": name, "deps": dependencies.iter().map(dependency).collect::<Vec<_>>() })
    }

    /// Returns a program with a library, a macro that uses another library, a build script's crate and a crate of the
    /// tests.
    fn metadata() -> Metadata {
        let registry = json!("registry");
        let external = |name: &str, kind: &str| package(name, kind, Value::Null, registry.clone());
        let normal: &[Value] = &[Value::Null];
        let document = json!({
            "packages": [
                package("program", "bin", Value::Null, Value::Null), package("ours", "lib", json!([]), Value::Null),
                external("used", "lib"), external("derive", "proc-macro"), external("syn", "lib"),
                external("cc", "lib"), external("proptest", "lib"), external("both", "lib"),
            ],
            "resolve": { "nodes": [
                node("program", &[("used", normal), ("derive", normal), ("cc", &[json!("build")]),
                                  ("proptest", &[json!("dev")]), ("both", &[json!("dev"), Value::Null])]),
                node("derive", &[("syn", normal)]), node("used", &[]), node("syn", &[]), node("cc", &[]),
                node("proptest", &[]), node("both", &[]), node("ours", &[]),
            ] },
        });
        Metadata::parse(&document).expect("the document is complete")
    }

    #[test]
    fn separates_contained_and_build_only_packages() {
        let parts = metadata().parts("program");
        assert_eq!(parts.contained.iter().collect::<Vec<_>>(), ["both", "program", "used"]);
        assert_eq!(parts.build_only.iter().collect::<Vec<_>>(), ["cc", "derive", "syn"]);
        let metadata = metadata();
        let direct: Vec<_> = metadata.dependencies("program").collect();
        assert_eq!(direct, ["used", "derive", "cc", "both"]);
    }

    #[test]
    fn recognizes_published_packages() {
        let metadata = metadata();
        let published: Vec<_> = metadata.packages.iter().filter(|it| it.is_published()).map(|it| &it.name).collect();
        assert_eq!(published, ["program"]);
    }
}
