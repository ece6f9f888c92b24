//! The code of the contracts in `tests/contracts` is that in `tests/golden`. To write it again after a change:
//! `REFRESH=1 cargo test -p realtime-gateway-codegen --test golden`
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{env, fs, path::Path, process::Command};

use gateway_codegen::{Generated, Generator, Language};
use gateway_contracts::Contract;

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
const REFRESH: &str = "REFRESH=1 cargo test -p realtime-gateway-codegen --test golden";

/// The folders of golden files, each with the contracts that it is generated from.
const CASES: [(&str, &[&str]); 1] = [("orders", &["orders"])];

fn contract(name: &str) -> Contract {
    Contract::read(Path::new(&format!("{TESTS}/contracts/{name}.service.toml"))).unwrap()
}

fn generate(names: &[&str], language: Language) -> Generated {
    let contracts: Vec<_> = names.iter().map(|name| contract(name)).collect();
    Generator::new(language).command(REFRESH).generate(&contracts).unwrap()
}

#[test]
fn generated_code_is_up_to_date() {
    for (case, contracts) in CASES {
        for language in Language::ALL {
            for file in generate(contracts, language).files {
                let path = format!("{TESTS}/golden/{case}/{}", file.name);
                if env::var_os("REFRESH").is_some() {
                    fs::create_dir_all(format!("{TESTS}/golden/{case}")).unwrap();
                    fs::write(&path, &file.content).unwrap();
                }
                let committed = fs::read_to_string(&path).unwrap_or_default();
                assert!(committed == file.content, "{path} is stale: run `{REFRESH}` and commit what it writes");
            }
        }
    }
}

#[test]
fn generated_code_is_the_same_from_a_url() {
    for (_, names) in CASES {
        let contracts: Vec<_> = names.iter().map(|name| contract(name)).collect();
        let document = Contract::document(&contracts);
        let read = Contract::read_document(&document, Path::new("https://gateway.test/contracts.json")).unwrap();
        for language in Language::ALL {
            let generated = Generator::new(language).command(REFRESH).generate(&read).unwrap();
            assert_eq!(generated.files, generate(names, language).files);
        }
    }
}

#[test]
fn generated_rust_has_the_form_of_rustfmt() {
    // An empty configuration: that of the repository does not apply.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rustfmt.toml"), "").unwrap();
    for (case, _) in CASES {
        let file = format!("{TESTS}/golden/{case}/gateway_gen.rs");
        let output = Command::new("rustfmt")
            .args(["--check", "--edition", "2024", "--config-path"])
            .arg(folder.path())
            .arg(&file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
