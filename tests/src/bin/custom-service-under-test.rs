//! The example of a gateway with a service of its own, built beside the tests.

#[path = "../../../server/examples/custom_service.rs"]
mod custom_service;

fn main() -> std::process::ExitCode {
    custom_service::main()
}
