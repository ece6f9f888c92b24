//! The committed examples are fresh, complete, and can be used once the `#` is taken away.

use std::path::Path;

use super::*;
use crate::config::{Environment, Flags, Loaded};

/// Takes the `#` from every line that is a value and not a comment in words.
fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(value) if !value.starts_with(' ') => value.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The secrets of the samples are too short for anything else, so that nobody goes live with them.
const DEV: Flags = Flags { config: None, listen: None, dev: true };

fn assert_complete(loaded: &Loaded) {
    for key in KEYS {
        assert!(loaded.sources.contains_key(key.name), "{} is missing", key.name);
        let mut draft = loaded.draft.clone();
        let mut defaults = Draft::default();
        if key.default.is_some() {
            let shown = (key.field)(&mut draft).show(key.kind);
            assert_eq!(shown, (key.field)(&mut defaults).show(key.kind), "{}", key.name);
        }
    }
}

#[test]
fn the_toml_example_is_complete_and_has_the_defaults() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.toml");
    std::fs::write(&path, uncommented(&toml())).unwrap();
    let flags = Flags { config: Some(path), ..DEV };
    let loaded = Loaded::layers(&flags, &Environment::default(), directory.path(), &[]).unwrap();
    assert_complete(&loaded);
}

#[test]
fn the_env_example_is_complete_and_has_the_defaults() {
    let mut environment = Environment::default();
    environment.add_file(&uncommented(&env())).unwrap();
    let loaded = Loaded::layers(&DEV, &environment, Path::new("/does/not/exist"), &[]).unwrap();
    assert_complete(&loaded);
    assert_eq!(loaded.config.auth.api_keys[0].name, "backend");
}

#[test]
fn nobody_goes_live_with_the_secrets_of_the_examples() {
    let mut environment = Environment::default();
    environment.add_file(&uncommented(&env())).unwrap();
    let flags = Flags { dev: false, ..DEV };
    let refusal = Loaded::layers(&flags, &environment, Path::new("/does/not/exist"), &[]).unwrap_err();
    assert!(refusal.to_string().contains("shorter than 32 bytes"));
}

#[test]
fn the_examples_are_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (name, kind, text) in [("gateway.example.toml", "toml", toml()), ("env.example", "env", env())] {
        let committed = std::fs::read_to_string(root.join(name)).unwrap_or_default();
        assert_eq!(
            committed, text,
            "{name} is stale: cargo run -p realtime-gateway-server -- config --example {kind} > {name}"
        );
    }
}

#[test]
fn the_readme_has_the_table() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let Ok(readme) = std::fs::read_to_string(readme) else { return };
    let Some((_, rest)) = readme.split_once("<!-- configuration -->\n") else { return };
    let (committed, _) = rest.split_once("<!-- /configuration -->").unwrap();
    assert_eq!(committed, table(), "README.md is stale: gateway config --example markdown");
}
