//! Writes the types of the built-in messages, those of the SDKs and those of the tests in Rust, and the operations of the
//! HTTP API for the packages for backends:
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
        (Language::Kotlin, "../sdk-kotlin/src/main/kotlin/io/github/realtimegateway/protocol"),
    ] {
        let mut generator = Generator::new(language).command(command);
        if language == Language::Kotlin {
            generator = generator.package("io.github.realtimegateway.protocol");
        }
        let generated = generator.generate_messages()?;
        for file in generated.files {
            fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(file.name), file.content)?;
        }
    }
    let openapi = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi.json"))?;
    for (language, folder) in [
        (Language::Go, "../sdk-go/publish"),
        (Language::TypeScript, "../sdk-wasm/js/publish"),
        (Language::Python, "../sdk-python/gateway/publish"),
        (Language::Kotlin, "../sdk-kotlin/src/main/kotlin/io/github/realtimegateway/publish"),
    ] {
        let mut generator = Generator::new(language).command(command);
        if language == Language::Kotlin {
            generator = generator.package("io.github.realtimegateway.publish");
        }
        for file in generator.generate_publishing(&openapi)?.files {
            fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(file.name), file.content)?;
        }
    }
    Ok(())
}
