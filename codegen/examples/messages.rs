//! Writes the types of the built-in messages, those of the npm package, of the Go SDK and of the tests in Rust, and the
//! operations of the HTTP API for the Go package `publish`:
//! `cargo run -p realtime-gateway-codegen --example messages`.

use std::{error::Error, fs, path::Path};

use gateway_codegen::{Generator, Language};

fn main() -> Result<(), Box<dyn Error>> {
    let command = "cargo run -p realtime-gateway-codegen --example messages";
    for (language, folder) in
        [(Language::TypeScript, "../sdk-wasm/js"), (Language::Rust, "tests/messages"), (Language::Go, "../sdk-go")]
    {
        let generated = Generator::new(language).command(command).generate_messages()?;
        for file in generated.files {
            fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(file.name), file.content)?;
        }
    }
    let openapi = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi.json"))?;
    for (language, folder) in [(Language::Go, "../sdk-go/publish"), (Language::TypeScript, "../sdk-wasm/js/publish")] {
        for file in Generator::new(language).command(command).generate_publishing(&openapi)?.files {
            fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(file.name), file.content)?;
        }
    }
    Ok(())
}
