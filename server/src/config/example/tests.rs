//! Tests that the committed examples are up to date, complete, and valid after removing the `#`.

use std::path::Path;

use super::*;
use crate::config::{Environment, Flags, Loaded};

/// Removes the `#` of every line with a value, but not of comments.
fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(value) if !value.starts_with(' ') => value.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The flags for the samples. Their secrets are intentionally too short to be used without `--dev`.
const DEV: Flags = Flags { config: None, listen: None, dev: true };

fn assert_complete(loaded: &Loaded) {
    for key in SERVICE_KEYS {
        let name = format!("{SAMPLE_SERVICE}.{}", key.name);
        assert!(loaded.sources.contains_key(&name), "{name} is missing");
        if let Some(default) = key.default {
            let draft = &mut loaded.draft.clone().services.pop_first().unwrap().1;
            assert_eq!(
                (key.field)(draft).show(key.kind),
                Some(default.into())
                    .map(|shown: toml::Value| { default.parse::<i64>().map_or(shown, toml::Value::Integer) }),
                "{name}"
            );
        }
    }
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
fn toml_example_is_complete_and_has_the_defaults() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.toml");
    std::fs::write(&path, uncommented(&toml())).unwrap();
    let flags = Flags { config: Some(path), ..DEV };
    let loaded = Loaded::layers(&flags, &Environment::default(), directory.path(), &[]).unwrap();
    assert_complete(&loaded);
}

#[test]
fn env_example_is_complete_and_has_the_defaults() {
    let mut environment = Environment::default();
    environment.add_file(&uncommented(&env())).unwrap();
    let loaded = Loaded::layers(&DEV, &environment, Path::new("/does/not/exist"), &[]).unwrap();
    assert_complete(&loaded);
    assert_eq!(loaded.config.auth.api_keys[0].name, "backend");
}

#[test]
fn rejects_secrets_of_the_examples_without_dev() {
    let mut environment = Environment::default();
    environment.add_file(&uncommented(&env())).unwrap();
    let flags = Flags { dev: false, ..DEV };
    let refusal = Loaded::layers(&flags, &environment, Path::new("/does/not/exist"), &[]).unwrap_err();
    assert!(refusal.to_string().contains("shorter than 32 bytes"));
}

#[test]
fn committed_files_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let generated = [("gateway.example.toml", toml()), ("env.example", env()), ("docs/configuration.md", markdown())];
    for (name, text) in generated {
        let committed = std::fs::read_to_string(root.join(name)).unwrap_or_default();
        assert!(committed == text, "{name} is stale: run `cargo xtask codegen`");
    }
}

#[test]
fn keys_of_readme_exist_and_have_the_stated_defaults() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, section) = readme.split_once("\n### Configuration\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows: Vec<_> = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | ")).collect();
    assert!(rows.len() >= 5, "{rows:?}");
    for (name, rest) in rows {
        let key = KEYS.iter().find(|key| key.name == name).unwrap_or_else(|| panic!("README.md: no key {name}"));
        let default = key.default.map_or_else(|| "none |".to_owned(), |default| format!("`{default}` |"));
        assert!(rest.starts_with(&default), "README.md: the default of {name} is {default}");
    }
}
