//! Prints one line of figures for each case, and appends it to `test-output/faults.txt`, which xtask shows at the end.

use std::{fs::File, io::Write, path::Path};

use crate::ledger::Figures;

/// Prints the figures of a case.
pub(crate) fn print(case: &str, figures: &Figures) {
    let Figures { confirmed, delivered, lost, doubled, longest_gap, recovery } = figures;
    let line = format!(
        "{case:<34} confirmed {confirmed:>6}  delivered {delivered:>6}  lost {lost}  doubled {doubled}  longest gap \
         {:>6.2} s  recovered in {:>6.2} s",
        longest_gap.as_secs_f64(),
        recovery.as_secs_f64()
    );
    println!("{line}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../test-output");
    std::fs::create_dir_all(&folder).unwrap();
    let mut file = File::options().create(true).append(true).open(folder.join("faults.txt")).unwrap();
    writeln!(file, "{line}").unwrap();
}
