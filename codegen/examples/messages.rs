//! Writes the types of the built-in messages, those of the npm package, of the SDK for Kotlin, and of the tests in Rust:
//! `cargo run -p realtime-gateway-codegen --example messages`.

use std::{error::Error, fs, path::Path};

use gateway_codegen::{Generator, Language};

fn main() -> Result<(), Box<dyn Error>> {
    let command = "cargo run -p realtime-gateway-codegen --example messages";
    let kotlin = "../sdk-kotlin/src/main/kotlin/io/github/realtimegateway/protocol";
    for (language, folder) in
        [(Language::TypeScript, "../sdk-wasm/js"), (Language::Rust, "tests/messages"), (Language::Kotlin, kotlin)]
    {
        let generator = Generator::new(language).command(command).package("io.github.realtimegateway.protocol");
        let generated = generator.generate_messages()?;
        for file in generated.files {
            fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(file.name), file.content)?;
        }
    }
    Ok(())
}
