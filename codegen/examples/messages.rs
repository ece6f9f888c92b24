//! Writes the types of the built-in messages, those of the SDKs and those of the tests in Rust:
//! `cargo run -p realtime-gateway-codegen --example messages`.

use std::{error::Error, fs, path::Path};

use gateway_codegen::{Generator, Language};

fn main() -> Result<(), Box<dyn Error>> {
    let command = "cargo run -p realtime-gateway-codegen --example messages";
    for (language, folder) in [
        (Language::TypeScript, "../sdk-wasm/js"),
        (Language::Rust, "tests/messages"),
        (Language::Go, "../sdk-go"),
        (Language::Python, "../sdk-python/gateway"),
    ] {
        let generated = Generator::new(language).command(command).generate_messages()?;
        for file in generated.files {
            fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(file.name), file.content)?;
        }
    }
    Ok(())
}
