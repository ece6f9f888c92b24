//! The C library for one target: an archive with the libraries, the header, a file for pkg-config, the WebAssembly module
//! for drivers in other languages, the examples, licences and a bill of materials. Programs are built with it wherever it is
//! unpacked.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};

use super::{Release, archive, copy_into, program, sbom};
use crate::{command, core_module, project::Project, python::Environment};

/// The crate of the library.
const PACKAGE: &str = "realtime-gateway-c";
/// The file with the version of the interface.
const INTERFACE: &str = "sdk-c/src/abi.rs";
/// The package URL.
const PURL: &str = concat!("pkg:generic/gateway_core@", env!("CARGO_PKG_VERSION"));
/// The names of the libraries.
const SHARED: &str = "libgateway_core.so";
const STATIC: &str = "libgateway_core.a";
/// The oldest glibc that the shared library runs with, which is that of the Python wheels.
const GLIBC: &str = "2.17";
/// What a program needs in addition when it is linked with the static library, as `rustc --print native-static-libs` says.
const STATIC_LIBRARIES: &str = "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc";

/// Compiles the library for the targets, and packs it.
///
/// # Errors
/// If it cannot be compiled or packed.
pub(super) fn make(release: &Release) -> anyhow::Result<Vec<PathBuf>> {
    core_module::ensure(release.project)?;
    let mut files = Vec::new();
    for architecture in ["x86_64", "aarch64"] {
        let target = format!("{architecture}-unknown-linux-gnu");
        let libraries = compile(release.project, &target)?;
        let name = format!("realtime-gateway-c-{}-{target}", release.version);
        let folder = release.staging(&name)?;
        gather(release.project, &libraries, &folder)?;
        let shared = fs::read(folder.join("lib").join(SHARED)).context("read the shared library")?;
        let soname = soname(release.project)?;
        let names_itself = shared.windows(soname.len()).any(|part| part == soname.as_bytes());
        ensure!(names_itself, "the shared library for {target} does not have the name {soname}");
        copy_into(&core_module::module(release.project), &folder.join("lib"))?;
        let published = sbom::Artefact { purl: PURL, name: "gateway_core", components: Vec::new() };
        let published = sbom::Published::Artefact(&published);
        let subject = sbom::Subject { package: PACKAGE, target: Some(&target), time: Some(&release.time), published };
        let (bill, archive) = (release.file(&format!("{name}.cdx.json")), release.file(&format!("{name}.tar.gz")));
        fs::write(&bill, sbom::write(release.project, &subject)?).context("write the bill of materials")?;
        fs::copy(&bill, folder.join("gateway_core.cdx.json")).context("copy the bill of materials")?;
        archive::pack(&folder, &archive, &release.time)?;
        files.extend([archive, bill]);
    }
    Ok(files)
}

/// Compiles the libraries with zig as the linker, for every glibc from [`GLIBC`] on, and returns their folder.
fn compile(project: &Project, target: &str) -> anyhow::Result<PathBuf> {
    let environment = Environment::of_release(project);
    let mut build = project.with_target(std::process::Command::new(environment.program("cargo-zigbuild")));
    build.args([
        "rustc",
        "--release",
        "--locked",
        "--target",
        &format!("{target}.{GLIBC}"),
        "--package",
        PACKAGE,
        "--lib",
    ]);
    // Programs look for this name, so that a library with another interface is not taken for it.
    build.args(["--", &format!("-Clink-arg=-Wl,-soname,{}", soname(project)?)]);
    build.env("CARGO_PROFILE_RELEASE_STRIP", "symbols").env("CARGO_PROFILE_RELEASE_DEBUG", "false");
    command::run(build.env("PATH", program::zigbuild_path(&environment)?)).context("compile the C library")?;
    Ok(project.target().join(target).join("release"))
}

/// Returns the name by which programs find the shared library: with the version of the interface, `GW_ABI`.
fn soname(project: &Project) -> anyhow::Result<String> {
    let interface = fs::read_to_string(project.root().join(INTERFACE)).with_context(|| format!("read {INTERFACE}"))?;
    let version = interface.lines().find_map(|line| line.strip_prefix("pub const GW_ABI: u32 = ")?.strip_suffix(';'));
    Ok(format!("{SHARED}.{}", version.with_context(|| format!("{INTERFACE} has no GW_ABI"))?))
}

/// Puts the content of the archive into a folder, without the bill of materials. `libraries` has the compiled libraries.
///
/// # Errors
/// If a file cannot be copied or written.
pub(crate) fn gather(project: &Project, libraries: &Path, folder: &Path) -> anyhow::Result<()> {
    let create = |name: &str| -> anyhow::Result<PathBuf> {
        let path = folder.join(name);
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(path)
    };
    let (include, lib, pkgconfig) = (create("include")?, create("lib")?, create("lib/pkgconfig")?);
    let sdk = project.root().join("sdk-c");
    copy_into(&sdk.join("include/gateway_core.h"), &include)?;
    copy_into(&libraries.join(STATIC), &lib)?;
    let soname = soname(project)?;
    fs::copy(libraries.join(SHARED), lib.join(&soname)).with_context(|| format!("copy {SHARED}"))?;
    symlink(&soname, lib.join(SHARED)).with_context(|| format!("link {SHARED}"))?;
    fs::write(pkgconfig.join("gateway_core.pc"), description()).context("write gateway_core.pc")?;
    for name in ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "LICENSES.md"] {
        copy_into(&sdk.join(name), folder)?;
    }
    let examples = create("examples")?;
    for entry in fs::read_dir(sdk.join("examples")).context("read sdk-c/examples")? {
        copy_into(&entry?.path(), &examples)?;
    }
    Ok(())
}

/// Returns the file for pkg-config. Its paths begin where the file is.
fn description() -> String {
    format!(
        "prefix=${{pcfiledir}}/../..\nlibdir=${{prefix}}/lib\nincludedir=${{prefix}}/include\n\n\
         Name: gateway_core\n\
         Description: The core of the client SDKs of the realtime gateway\n\
         URL: https://github.com/realtime-gateway/realtime-gateway\n\
         Version: {}\n\
         Libs: -L${{libdir}} -lgateway_core\n\
         Libs.private: {STATIC_LIBRARIES}\n\
         Cflags: -I${{includedir}}\n",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_the_shared_library_has_the_version_of_the_interface() {
        let project = Project::find().expect("the tests run in cargo's target directory");
        let header = include_str!("../../../sdk-c/include/gateway_core.h");
        let version = header.lines().find_map(|line| line.strip_prefix("#define GW_ABI ")).expect("a version");
        assert_eq!(soname(&project).expect("read the version"), format!("libgateway_core.so.{version}"));
    }

    #[test]
    fn archive_has_what_a_c_program_is_built_with() {
        let project = Project::find().expect("the tests run in cargo's target directory");
        let folder = tempfile::tempdir().expect("a temporary directory");
        let libraries = folder.path().join("libraries");
        fs::create_dir(&libraries).expect("create the folder");
        for name in [SHARED, STATIC] {
            fs::write(libraries.join(name), "a library").expect("write the library");
        }
        let gathered = folder.path().join("gathered");
        gather(&project, &libraries, &gathered).expect("gather the files");
        for file in [
            "include/gateway_core.h",
            "lib/libgateway_core.a",
            "lib/libgateway_core.so",
            "lib/pkgconfig/gateway_core.pc",
            "examples/chat.c",
            "LICENSES.md",
            "LICENSE-MIT",
            "LICENSE-APACHE",
            "README.md",
        ] {
            assert!(fs::metadata(gathered.join(file)).is_ok_and(|file| file.len() > 0), "{file}");
        }
    }
}
