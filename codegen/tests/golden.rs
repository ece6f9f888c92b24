//! The code of the contracts in `tests/contracts` is that in `tests/golden`. To write it again after a change:
//! `REFRESH=1 cargo test -p realtime-gateway-codegen --test golden`
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use gateway_codegen::{Generated, Generator, Language};
use gateway_contracts::Contract;

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
const REFRESH: &str = "REFRESH=1 cargo test -p realtime-gateway-codegen --test golden";

/// A folder of golden files.
struct Case {
    folder: &'static str,
    /// The paths of the contracts from the folder of the tests, without `.service.toml`.
    contracts: &'static [&'static str],
    has_calls: bool,
    /// Whether the code publishes from a backend, which is not written in Rust.
    is_for_backends: bool,
}

const CASES: [Case; 5] = [
    Case { folder: "orders", contracts: &["contracts/orders"], has_calls: true, is_for_backends: false },
    Case { folder: "hostile", contracts: &["contracts/hostile"], has_calls: true, is_for_backends: false },
    Case {
        folder: "without_calls",
        contracts: &["contracts/orders", "contracts/status"],
        has_calls: false,
        is_for_backends: false,
    },
    // The contract of the example service. `tests/tests/stories/generated_code.rs` and `sdk-wasm/test/generated.test.js`
    // use its code with a running gateway.
    Case {
        folder: "example",
        contracts: &["../../docs/examples/orders/orders"],
        has_calls: true,
        is_for_backends: false,
    },
    Case { folder: "publishers", contracts: &["contracts/orders"], has_calls: true, is_for_backends: true },
];

fn contract(path: &str) -> Contract {
    Contract::read(Path::new(&format!("{TESTS}/{path}.service.toml"))).unwrap()
}

fn generate(case: &Case, contracts: &[Contract], language: Language) -> Generated {
    let mut generator = Generator::new(language).command(REFRESH);
    if language == Language::Kotlin {
        // The tests of `sdk-kotlin/` compile all files together.
        generator = generator.package(format!("golden.{}", case.folder));
    }
    let generator = if case.has_calls { generator } else { generator.without_calls() };
    let generated =
        if case.is_for_backends { generator.generate_publishers(contracts) } else { generator.generate(contracts) };
    generated.unwrap()
}

impl Case {
    fn languages(&self) -> impl Iterator<Item = Language> {
        Language::ALL.into_iter().filter(|language| !self.is_for_backends || language.publishing_file_name().is_some())
    }
}

fn contracts(case: &Case) -> Vec<Contract> {
    case.contracts.iter().map(|name| contract(name)).collect()
}

/// Returns the folder of the code of a case. That in Go is within the module of the SDK, whose tests compile and use it.
fn golden_folder(case: &Case, language: Language) -> PathBuf {
    let folder = if language == Language::Go { "../../sdk-go/internal/codegentest" } else { "golden" };
    Path::new(TESTS).join(folder).join(case.folder)
}

#[test]
fn generated_code_is_up_to_date() {
    for case in &CASES {
        for language in case.languages() {
            for file in generate(case, &contracts(case), language).files {
                let folder = golden_folder(case, language);
                let path = folder.join(&file.name);
                if env::var_os("REFRESH").is_some() {
                    fs::create_dir_all(&folder).unwrap();
                    fs::write(&path, &file.content).unwrap();
                }
                let committed = fs::read_to_string(&path).unwrap_or_default();
                assert!(
                    committed == file.content,
                    "{} is stale: run `{REFRESH}` and commit what it writes",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn generated_code_is_the_same_from_a_url() {
    for case in &CASES {
        let contracts = contracts(case);
        let document = Contract::document(&contracts, &serde_json::json!([]));
        let read = Contract::read_document(&document, Path::new("https://gateway.test/contracts.json")).unwrap();
        for language in case.languages() {
            let files = generate(case, &contracts, language).files;
            assert_eq!(generate(case, &read, language).files, files);
        }
    }
}

/// Returns the differences between a file and what rustfmt makes of it with an empty configuration: that of the
/// repository does not apply.
fn rustfmt_differences(file: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rustfmt.toml"), "").unwrap();
    let mut rustfmt = Command::new("rustfmt");
    let output = rustfmt.args(["--check", "--edition", "2024", "--config-path"]).arg(folder.path()).arg(file).output();
    let output = output.unwrap();
    let differences = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.success(), differences.is_empty(), "{differences}");
    differences
}

#[test]
fn generated_rust_has_the_form_of_rustfmt() {
    for case in CASES.iter().filter(|case| !case.is_for_backends) {
        assert_eq!(rustfmt_differences(&format!("{TESTS}/golden/{}/gateway_gen.rs", case.folder)), "");
    }
    assert_eq!(rustfmt_differences(&format!("{TESTS}/messages/gateway_messages.rs")), "");
}

/// Returns what gofmt changes in a file.
fn gofmt_differences(file: &Path) -> String {
    let usual = ["gofmt", "/usr/local/go/bin/gofmt"];
    let output = usual.into_iter().find_map(|gofmt| Command::new(gofmt).arg("-d").arg(file).output().ok());
    assert!(output.is_some(), "there is no gofmt: install Go");
    let output = output.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Returns what a formatter changes in the code of a contract with this schema and these tables.
fn differences(language: Language, schema: &str, tables: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s.json"), schema).unwrap();
    let path = folder.path().join("a.service.toml");
    fs::write(&path, format!("name = \"a\"\nschema = \"s.json\"\n{tables}")).unwrap();
    let generated = Generator::new(language).generate(&[Contract::read(&path).unwrap()]).unwrap();
    let file = folder.path().join(language.file_name());
    fs::write(&file, &generated.files.first().unwrap().content).unwrap();
    if language == Language::Go { gofmt_differences(&file) } else { rustfmt_differences(&file.display().to_string()) }
}

#[test]
fn generated_go_has_the_form_of_gofmt() {
    for case in &CASES {
        let file = golden_folder(case, Language::Go).join(Language::Go.file_name());
        assert_eq!(gofmt_differences(&file), "");
    }
    for length in [2, 17, 43, 44, 45, 46, 47, 64] {
        let (schema, tables) = with_names_of_length(length);
        assert_eq!(differences(Language::Go, &schema, &tables), "", "{length}");
    }
}

#[test]
fn comments_of_generated_go_have_the_form_of_gofmt() {
    let lines = [
        "Text.",
        "- item",
        "  * item",
        "1. item",
        "# Heading",
        "[link]: https://example.com",
        "",
        "\t indented",
        "'' `` \"\"",
        "```",
        "//go:build x",
        "Deprecated: x",
        "/* x */",
    ];
    for (index, first) in lines.iter().enumerate() {
        let others = lines.iter().cycle().skip(index * 5).take(4).copied();
        let about = [*first].into_iter().chain(others).collect::<Vec<_>>().join("\n");
        let schema = serde_json::json!({ "$defs": { "A": { "type": "object", "description": about, "properties": {
            "b": { "type": "string", "description": about, "deprecated": true }, "longer": { "type": "integer" } } } } });
        let tables = "[topics.a]\npattern = \"a\"\nevent = \"A\"\n";
        assert_eq!(differences(Language::Go, &schema.to_string(), tables), "", "{about}");
    }
}

/// Returns a schema and tables whose names have this length.
fn with_names_of_length(length: usize) -> (String, String) {
    let upper = |first: &str| format!("{first}{}", "x".repeat(length - 1));
    let lower = |first: &str| format!("{first}{}", "y".repeat(length.min(64) - 1));
    let (union, first, second, words) = (upper("U"), upper("F"), upper("S"), upper("W"));
    let branch = |name: &str, word: &str| {
        format!(
            r##""{name}": {{ "type": "object", "required": ["t", "{0}"], "properties": {{
                "t": {{ "const": "{word}" }}, "{0}": {{ "type": ["string", "null"] }},
                "{1}": {{ "$ref": "#/$defs/{union}" }}, "{2}": {{ "type": "object",
                "additionalProperties": {{ "$ref": "#/$defs/{words}" }} }} }} }}"##,
            lower("m"),
            lower("n"),
            upper("N")
        )
    };
    let schema = format!(
        r##"{{ "$defs": {{ "{union}": {{ "oneOf": [{{ "$ref": "#/$defs/{first}" }}, {{ "$ref": "#/$defs/{second}" }}] }},
            {}, {}, "{words}": {{ "enum": ["{}", "{}"] }},
            "L{union}": {{ "type": "array", "items": {{ "type": ["array", "null"], "items": {{ "$ref": "#/$defs/{first}" }} }} }} }} }}"##,
        branch(&first, &lower("a")),
        branch(&second, &lower("b")),
        upper("C"),
        lower("d"),
    );
    let tables = format!(
        "[topics.{0}]\npattern = \"{1}-{{{2}}}-{{{3}}}\"\nevent = \"{union}\"\npublish = \"{first}\"\n\
         [calls.{4}]\nrequest = \"{first}\"\nresponse = \"{second}\"\n",
        lower("t"),
        lower("p"),
        lower("v"),
        lower("w"),
        lower("c"),
    );
    (schema, tables)
}

#[test]
fn generated_rust_has_the_form_of_rustfmt_for_names_of_up_to_64_characters() {
    let mut wrong = Vec::new();
    for length in (2..=40).step_by(3).chain(41..=64) {
        let (schema, tables) = with_names_of_length(length);
        let differences = differences(Language::Rust, &schema, &tables);
        if !differences.is_empty() {
            wrong.push(format!("{length}: {differences}"));
        }
    }
    assert!(wrong.is_empty(), "{} lengths, the first is {}", wrong.len(), wrong.first().unwrap());
}
