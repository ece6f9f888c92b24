//! Packs a folder into a reproducible `.tar.gz`.

use std::{path::Path, process::Command};

use anyhow::Context as _;

use crate::command;

/// Packs a folder, under its own name, into an archive. Every file has the same time and belongs to root, so that equal
/// folders give equal archives.
///
/// # Errors
/// If there is no GNU tar, or it fails.
pub(crate) fn pack(folder: &Path, archive: &Path, time: &str) -> anyhow::Result<()> {
    let parent = folder.parent().context("the folder is in another one")?;
    let name = folder.file_name().context("the folder has a name")?;
    let mut tar = Command::new("tar");
    // gzip writes no time and no name with `-n`.
    tar.args(["--create", "--use-compress-program=gzip -9 -n", "--sort=name", "--format=ustar"]);
    tar.args(["--owner=root:0", "--group=root:0", "--mode=u=rwX,go=rX", &format!("--mtime={time}")]);
    command::run(tar.arg("--file").arg(archive).arg("--directory").arg(parent).arg(name))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn folder(parent: &Path) -> std::path::PathBuf {
        let folder = parent.join("gateway-1.0.0");
        fs::create_dir_all(folder.join("docs")).expect("create the folder");
        fs::write(folder.join("gateway"), "program").expect("write the file");
        fs::set_permissions(folder.join("gateway"), fs::Permissions::from_mode(0o700)).expect("make it executable");
        fs::write(folder.join("docs/page.md"), "page").expect("write the file");
        folder
    }

    #[test]
    fn equal_folders_give_equal_archives_of_files_that_everyone_may_read() {
        let archives = [(); 2].map(|()| {
            let parent = tempfile::tempdir().expect("a temporary directory");
            let archive = parent.path().join("a.tar.gz");
            pack(&folder(parent.path()), &archive, "2026-01-31T12:00:00Z").expect("pack the folder");
            let listed = command::output(Command::new("tar").args(["--list", "--verbose", "--file"]).arg(&archive));
            let listed = String::from_utf8(listed.expect("list the archive")).expect("the list is text");
            let parts =
                |line: &str| (line.split(' ').next().unwrap_or_default().to_owned(), line.contains("root/root"));
            let names: Vec<_> =
                listed.lines().filter_map(|line| line.split(' ').next_back()).map(str::to_owned).collect();
            let parts: Vec<_> = listed.lines().map(parts).collect();
            (names, parts, fs::read(archive).expect("read the archive"))
        });
        let [one, other] = archives;
        assert!(one == other, "the archives differ");
        let (names, parts, _) = one;
        assert_eq!(
            names,
            ["gateway-1.0.0/", "gateway-1.0.0/docs/", "gateway-1.0.0/docs/page.md", "gateway-1.0.0/gateway"]
        );
        assert_eq!(parts.last(), Some(&("-rwxr-xr-x".to_owned(), true)));
    }
}
