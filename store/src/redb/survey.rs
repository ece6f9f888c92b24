//! Scans a data file without changing it, and reports which rows are readable, damaged or missing.

use std::{collections::BTreeMap, fmt, path::Path};

use redb::{ReadTransaction, ReadableTable, TableDefinition};

use super::{
    blocks,
    bodies::{BODIES, BODY_USES, BodyRow, UsesRow},
    escalations::{self, ESCALATIONS, EscalationRow},
    fault::{Fault, guard},
    format::{
        BLOCKS, ENTRIES, FORMAT, IDS, IdRow, KEYS, KNOWN, KeyRow, KnownKind, KnownRow, LOGS, LogRow, META, NumbersRow,
        OPEN_SESSIONS, OUTBOX, OpenSessionRow, OutboxRow, Pair, SUBSCRIPTIONS, USERS, UserRow,
    },
    log_page, migrations,
    overlay::{self, ReadOnlyFile},
    pending_page::PendingTables,
    reader::PageStart,
    server_subscriptions,
    webhooks::{self, DEAD, DeadRow, WAITING, WaitingRow},
};
use crate::{LogBounds, Lost, PageLimit, open::OpenError};

/// The retention of a log whose own row is lost, until the next append sets it: ten years, in milliseconds.
const UNKNOWN_AGE: u64 = 10 * 365 * 24 * 3_600_000;
/// The size of the pages in which rows are read.
const PAGE: PageLimit = PageLimit { entries: 1_024, bytes: 4 * 1024 * 1024 };

/// How thoroughly a file is scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The rows of logs and users, and whether they are consistent.
    Quick,
    /// Every row with its checksum, and the pages of redb.
    Deep,
}

/// The result of a survey.
#[derive(Debug, Default)]
pub struct Survey {
    /// The format of the file before it was migrated in memory.
    pub format: u32,
    /// The logs by topic.
    pub(super) logs: BTreeMap<String, FoundLog>,
    /// The users.
    pub(super) users: BTreeMap<String, FoundUser>,
    /// The number of readable rows of each table.
    pub read: BTreeMap<&'static str, u64>,
    /// The minimum number of damaged rows of tables other than those of logs and users.
    pub damaged: BTreeMap<&'static str, u64>,
    /// The error that redb reports about its pages, if they are damaged.
    pub pages: Option<String>,
}

/// A log that was found.
#[derive(Debug)]
pub(super) struct FoundLog {
    pub(super) row: LogRow,
    /// Whether the row was lost and reconstructed from the entries.
    pub(super) is_reconstructed: bool,
    pub(super) lost: Vec<Lost>,
}

/// A user that was found.
#[derive(Debug)]
pub(super) struct FoundUser {
    pub(super) row: UserRow,
    pub(super) is_reconstructed: bool,
    pub(super) lost: u64,
}

impl Survey {
    /// Returns whether nothing is damaged or missing.
    pub fn is_sound(&self) -> bool {
        self.pages.is_none() && self.losses().is_empty()
    }

    /// Describes the damaged or missing rows, one per line.
    pub fn losses(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (topic, log) in &self.logs {
            if log.is_reconstructed {
                lines.push(format!("{topic}: its own row; offsets are those of the entries that are left"));
            }
            if !log.lost.is_empty() {
                let count: u64 = log.lost.iter().map(|lost| lost.count()).sum();
                let offsets: Vec<String> = log.lost.iter().map(ToString::to_string).collect();
                lines.push(format!("{topic}: {count} entries, at offsets {}", offsets.join(", ")));
            }
        }
        for (name, user) in &self.users {
            if user.is_reconstructed {
                lines.push(format!("user:{name}: the user's own row, which knew how many notifications were pending"));
            }
            if user.lost > 0 {
                lines.push(format!("user:{name}: {} pending notifications", user.lost));
            }
        }
        lines.extend(self.damaged.iter().map(|(table, rows)| format!("{rows} or more rows of the table {table}")));
        lines
    }

    fn record(&mut self, table: &'static str, rows: u64) {
        *self.damaged.entry(table).or_default() += rows;
    }

    fn count(&mut self, table: &'static str, rows: u64) {
        *self.read.entry(table).or_default() += rows;
    }
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read: Vec<String> = self.read.iter().map(|(table, rows)| format!("{rows} {table}")).collect();
        write!(f, "format {}, rows read: {}", self.format, read.join(", "))
    }
}

/// Scans a file.
///
/// # Errors
/// If the file is in use, has a newer format, or is so damaged that no data can be found in it.
pub fn survey(path: &Path, depth: Depth) -> Result<Survey, OpenError> {
    let (mut file, mut survey) = open(path)?;
    let damaged = |fault: Fault| OpenError::Damaged { path: path.into(), reason: fault.to_string() };
    guard(|| survey.scan(&file, depth)).map_err(damaged)?;
    if let (Depth::Deep, ReadOnlyFile::Intact(database)) = (depth, &mut file) {
        survey.pages = match guard(|| database.check_integrity().map_err(|error| Fault::Page(error.to_string()))) {
            Ok(true) => None,
            Ok(false) => Some("redb finds pages that are neither used nor free".into()),
            Err(fault) => Some(fault.to_string()),
        };
    }
    Ok(survey)
}

/// Opens a file without changing it, and migrates it in memory to the current format.
pub(super) fn open(path: &Path) -> Result<(ReadOnlyFile, Survey), OpenError> {
    let file = overlay::open(path)?;
    let mut survey = Survey { format: FORMAT, ..Survey::default() };
    match &file {
        ReadOnlyFile::Intact(database) => survey.format = migrations::prepare(database, path)?.unwrap_or(FORMAT),
        ReadOnlyFile::Damaged(_) => survey.pages = Some("redb refuses to open it".to_owned()),
    }
    Ok((file, survey))
}

impl Survey {
    /// Reads all rows that the depth includes.
    pub(super) fn scan(&mut self, file: &ReadOnlyFile, depth: Depth) -> Result<(), Fault> {
        let transaction = file.begin_read()?;
        self.meta(&transaction);
        self.names(&transaction)?;
        self.entries(&transaction, depth)?;
        self.pending(&transaction)?;
        if depth == Depth::Deep {
            self.rows(&transaction, "shared bodies", BODIES, |key: u64, row| BodyRow::decode(key, row).is_ok());
            self.rows(&transaction, "uses of bodies", BODY_USES, |key: u64, row| UsesRow::decode(key, row).is_ok());
            self.rows(&transaction, "idempotency keys", KEYS, |key: &[u8], row| KeyRow::decode(key, row).is_ok());
            self.rows(&transaction, "notification ids", IDS, |key: &[u8], row| IdRow::decode(key, row).is_ok());
            self.rows(&transaction, "blocks of users", BLOCKS, |key: &str, row| blocks::decode(key, row).is_ok());
            self.rows(&transaction, "server-side subscriptions", SUBSCRIPTIONS, |key: &str, row| {
                server_subscriptions::decode(key, row).is_ok()
            });
            // A file of an earlier version does not have this table.
            if !matches!(escalations::table(&transaction), Ok(None)) {
                self.rows(&transaction, "escalations", ESCALATIONS, |key: Pair, row| {
                    EscalationRow::decode(key, row).is_ok()
                });
            }
            self.rows(&transaction, "events", OUTBOX, |key: u64, row| OutboxRow::decode(key, row).is_ok());
            // The same holds for these tables.
            if !webhooks::names(&transaction).is_ok_and(|names| names.is_empty()) {
                self.rows(&transaction, "events of webhooks", WAITING, |key, row| WaitingRow::decode(key, row).is_ok());
                self.rows(&transaction, "dead letters of webhooks", DEAD, |key, row| DeadRow::decode(key, row).is_ok());
            }
            self.rows(&transaction, "open sessions", OPEN_SESSIONS, |key: &str, row| {
                OpenSessionRow::decode(key, row).is_ok()
            });
        }
        Ok(())
    }

    fn meta(&mut self, transaction: &ReadTransaction) {
        let read = guard(|| {
            migrations::epoch(transaction)?;
            let meta = transaction.open_table(META)?;
            NumbersRow::decode(meta.get(NumbersRow::NAME)?.ok_or(Fault::Damaged)?.value())
        });
        if read.is_err() {
            self.record("meta", 1);
        }
    }

    /// Finds all logs and users by their rows and by the table `known`.
    fn names(&mut self, transaction: &ReadTransaction) -> Result<(), Fault> {
        let mut known = Vec::new();
        self.rows(transaction, "names", KNOWN, |key: u64, row| match KnownRow::decode(key, row) {
            Ok((kind, number, name)) => {
                known.push((kind, number, name.to_owned()));
                true
            }
            Err(_) => false,
        });
        let (mut logs, mut users) = (Vec::new(), Vec::new());
        self.rows(transaction, "logs", LOGS, |topic: &str, row| match LogRow::decode(topic, row) {
            Ok(row) => {
                logs.push((topic.to_owned(), row));
                true
            }
            // The loss is counted below, if the name is in `known`.
            Err(_) => true,
        });
        self.rows(transaction, "users", USERS, |user: &str, row| match UserRow::decode(user, row) {
            Ok(row) => {
                users.push((user.to_owned(), row));
                true
            }
            Err(_) => true,
        });
        self.logs.extend(
            logs.into_iter().map(|(topic, row)| (topic, FoundLog { row, is_reconstructed: false, lost: Vec::new() })),
        );
        self.users
            .extend(users.into_iter().map(|(user, row)| (user, FoundUser { row, is_reconstructed: false, lost: 0 })));
        let (entries, pending) = (transaction.open_table(ENTRIES)?, PendingTables::open(transaction)?);
        for (kind, number, name) in known {
            match kind {
                KnownKind::Log if !self.logs.contains_key(&name) => {
                    let row = LogRow { number, head: 0, floor: 1, first: 1, max_age: UNKNOWN_AGE, due: 0 };
                    let series = log_page::entries(&entries, &row);
                    let first = series.next_readable(0, u64::MAX)?;
                    let head = series.next_readable(u64::MAX, 0)?.unwrap_or(0);
                    let floor = first.unwrap_or(head + 1);
                    self.logs.insert(
                        name,
                        FoundLog { row: LogRow { head, floor, ..row }, is_reconstructed: true, lost: Vec::new() },
                    );
                }
                KnownKind::User if !self.users.contains_key(&name) => {
                    let row = UserRow { number, head: 0, count: 0, soonest: u64::MAX };
                    let head = pending.series(&row).next_readable(u64::MAX, 0)?.unwrap_or(0);
                    self.users
                        .insert(name, FoundUser { row: UserRow { head, ..row }, is_reconstructed: true, lost: 0 });
                }
                KnownKind::Log | KnownKind::User => {}
            }
        }
        Ok(())
    }

    fn entries(&mut self, transaction: &ReadTransaction, depth: Depth) -> Result<(), Fault> {
        let table = guard(|| Ok(transaction.open_table(ENTRIES)?))?;
        let mut read = 0;
        for log in self.logs.values_mut() {
            let bounds = LogBounds { head: log.row.head, floor: log.row.floor };
            let mut position = bounds.floor.saturating_sub(1);
            while position < bounds.head {
                let page = log_page::page(&table, &log.row, bounds, PageStart::After(position), PAGE)?;
                read += page.entries.len() as u64;
                log.lost.extend(page.lost);
                position = page.next;
                if depth == Depth::Quick && page.next < bounds.head {
                    // A quick scan reads the first page and the newest entry.
                    position = position.max(bounds.head - 1);
                }
            }
        }
        self.count("entries", read);
        Ok(())
    }

    fn pending(&mut self, transaction: &ReadTransaction) -> Result<(), Fault> {
        let pending = guard(|| PendingTables::open(transaction))?;
        let mut all = 0;
        for user in self.users.values_mut() {
            let (mut position, mut read, mut lost) = (0, 0, 0);
            while position < user.row.head {
                let page = pending.page(&user.row, PageStart::After(position), PAGE, 0)?;
                read += page.entries.len() as u64;
                lost += u64::from(page.lost.is_some());
                position = page.next;
            }
            user.lost = if user.is_reconstructed { lost } else { user.row.count.saturating_sub(read) };
            all += read;
        }
        self.count("pending notifications", all);
        Ok(())
    }

    /// Reads all rows of a table, up to a damaged page.
    fn rows<K: redb::Key + 'static>(
        &mut self,
        transaction: &ReadTransaction,
        name: &'static str,
        definition: TableDefinition<'static, K, &'static [u8]>,
        mut readable: impl for<'k> FnMut(K::SelfType<'k>, &[u8]) -> bool,
    ) {
        let (mut read, mut damaged) = (0, 0);
        let walked = guard(|| {
            for row in transaction.open_table(definition)?.iter()? {
                let (key, row) = row?;
                let is_readable = guard(|| Ok(readable(key.value(), row.value()))).unwrap_or(false);
                read += u64::from(is_readable);
                damaged += u64::from(!is_readable);
            }
            Ok(())
        });
        self.count(name, read);
        let damaged = damaged + u64::from(walked.is_err());
        if damaged > 0 {
            self.record(name, damaged);
        }
    }
}
