//! The code of the contracts in `tests/contracts` is that in `tests/golden`. To write it again after a change:
//! `REFRESH=1 cargo test -p realtime-gateway-codegen --test golden`
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{env, fs, path::Path, process::Command};

use gateway_codegen::{Generated, Generator, Language};
use gateway_contracts::Contract;

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
const REFRESH: &str = "REFRESH=1 cargo test -p realtime-gateway-codegen --test golden";

/// A folder of golden files.
struct Case {
    folder: &'static str,
    contracts: &'static [&'static str],
    has_calls: bool,
}

const CASES: [Case; 3] = [
    Case { folder: "orders", contracts: &["orders"], has_calls: true },
    Case { folder: "hostile", contracts: &["hostile"], has_calls: true },
    Case { folder: "without_calls", contracts: &["orders", "status"], has_calls: false },
];

fn contract(name: &str) -> Contract {
    Contract::read(Path::new(&format!("{TESTS}/contracts/{name}.service.toml"))).unwrap()
}

fn generate(case: &Case, contracts: &[Contract], language: Language) -> Generated {
    let generator = Generator::new(language).command(REFRESH);
    let generator = if case.has_calls { generator } else { generator.without_calls() };
    generator.generate(contracts).unwrap()
}

fn contracts(case: &Case) -> Vec<Contract> {
    case.contracts.iter().map(|name| contract(name)).collect()
}

#[test]
fn generated_code_is_up_to_date() {
    for case in &CASES {
        for language in Language::ALL {
            for file in generate(case, &contracts(case), language).files {
                let folder = format!("{TESTS}/golden/{}", case.folder);
                let path = format!("{folder}/{}", file.name);
                if env::var_os("REFRESH").is_some() {
                    fs::create_dir_all(&folder).unwrap();
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
    for case in &CASES {
        let contracts = contracts(case);
        let document = Contract::document(&contracts);
        let read = Contract::read_document(&document, Path::new("https://gateway.test/contracts.json")).unwrap();
        for language in Language::ALL {
            let files = generate(case, &contracts, language).files;
            assert_eq!(generate(case, &read, language).files, files);
        }
    }
}

#[test]
fn generated_rust_has_the_form_of_rustfmt() {
    // An empty configuration: that of the repository does not apply.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rustfmt.toml"), "").unwrap();
    for case in &CASES {
        let file = format!("{TESTS}/golden/{}/gateway_gen.rs", case.folder);
        let output = Command::new("rustfmt")
            .args(["--check", "--edition", "2024", "--config-path"])
            .arg(folder.path())
            .arg(&file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
