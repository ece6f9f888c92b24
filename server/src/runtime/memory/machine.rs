//! The memory that this process may use: the limit of its cgroup, or the memory of the machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The assumed memory, in bytes, if the system does not report it.
const UNKNOWN: u64 = 1024 * 1024 * 1024;

/// Returns a quarter of the memory that this process may use, in bytes.
pub fn quarter_of_memory() -> usize {
    let memory = memory_of(Path::new("/")).unwrap_or(UNKNOWN);
    usize::try_from(memory / 4).unwrap_or(usize::MAX)
}

/// Returns the minimum of the machine's memory and of the limits of this process's cgroups.
fn memory_of(root: &Path) -> Option<u64> {
    let cgroups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = cgroups.lines().flat_map(|line| limits_of(root, line));
    limits.chain(machine(root)).min()
}

/// Returns `MemTotal` of `/proc/meminfo`, in bytes.
fn machine(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Returns the limits for one line of `/proc/self/cgroup`, `id:controllers:path`: those of the group and of all its
/// ancestors. A container usually sees its own group as the root, regardless of the path in the line.
fn limits_of(root: &Path, line: &str) -> Vec<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { return Vec::new() };
    let (base, file) = if controllers.is_empty() {
        ("sys/fs/cgroup", "memory.max")
    } else if controllers.split(',').any(|controller| controller == "memory") {
        ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
    } else {
        return Vec::new();
    };
    let base = root.join(base);
    let group = base.join(path.trim_start_matches('/'));
    let groups: Vec<PathBuf> =
        group.ancestors().take_while(|group| group.starts_with(&base)).map(Path::to_owned).collect();
    // `max` does not parse and is skipped. Version 1 writes a very large number instead, which never is the minimum.
    let read = |group: PathBuf| fs::read_to_string(group.join(file)).ok()?.trim().parse().ok();
    groups.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates the root of a machine with 8 GiB and these files.
    fn machine_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files.iter().chain(&[("proc/meminfo", "MemTotal:        8388608 kB\nMemFree: 1 kB\n")]) {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn memory(files: &[(&str, &str)]) -> Option<u64> {
        memory_of(machine_with(files).path())
    }

    #[test]
    fn uses_memory_of_the_machine_without_a_limit() {
        assert_eq!(memory(&[]), Some(8 << 30));
        let files = [("proc/self/cgroup", "0::/a\n"), ("sys/fs/cgroup/a/memory.max", "max\n")];
        assert_eq!(memory(&files), Some(8 << 30));
    }

    #[test]
    fn uses_smallest_limit_of_nested_groups() {
        let files = [
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/memory.max", "1048576\n"),
            ("sys/fs/cgroup/a/b/memory.max", "2097152\n"),
        ];
        assert_eq!(memory(&files), Some(1 << 20));
    }

    #[test]
    fn uses_root_limit_in_a_container() {
        let files = [("proc/self/cgroup", "0::/../../kubepods/x\n"), ("sys/fs/cgroup/memory.max", "1048576\n")];
        assert_eq!(memory(&files), Some(1 << 20));
    }

    #[test]
    fn supports_cgroups_version_1() {
        let path = "sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes";
        let files = [("proc/self/cgroup", "3:cpu:/docker/x\n2:memory,misc:/docker/x\n"), (path, "4194304\n")];
        assert_eq!(memory(&files), Some(4 << 20));
        let unlimited = [
            ("proc/self/cgroup", "2:memory:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ];
        assert_eq!(memory(&unlimited), Some(8 << 30));
    }
}
