//! A table whose keys and values are counted in bytes as they are inserted and removed, because redb knows only by
//! reading all pages how much of the file is in use.

use std::{borrow::Borrow, cell::Cell, ops::Deref, rc::Rc};

use redb::{AccessGuard, Key, StorageError, Table, Value};

use super::fault::guard;

/// A table, and by how many bytes the tables of its transaction have grown.
pub(super) struct CountedTable<'t, K: Key + 'static, V: Value + 'static> {
    table: Table<'t, K, V>,
    growth: Rc<Cell<i64>>,
}

impl<'t, K: Key + 'static, V: Value + 'static> CountedTable<'t, K, V> {
    /// A table that adds to a count.
    pub(super) fn new(table: Table<'t, K, V>, growth: &Rc<Cell<i64>>) -> Self {
        Self { table, growth: growth.clone() }
    }

    /// Inserts a row, and returns the value that it replaces.
    pub(super) fn insert<'k, 'v>(
        &mut self,
        key: impl Borrow<K::SelfType<'k>>,
        value: impl Borrow<V::SelfType<'v>>,
    ) -> Result<Option<AccessGuard<'_, V>>, StorageError> {
        let key_bytes = key_length::<K>(key.borrow());
        let value_bytes = length(V::as_bytes(value.borrow()));
        let replaced = self.table.insert(key, value)?;
        let before = replaced.as_ref().map_or(0, |replaced| key_bytes + value_length(replaced));
        self.growth.set(self.growth.get() + key_bytes + value_bytes - before);
        Ok(replaced)
    }

    /// Removes a row, and returns its value.
    pub(super) fn remove<'k>(
        &mut self,
        key: impl Borrow<K::SelfType<'k>>,
    ) -> Result<Option<AccessGuard<'_, V>>, StorageError> {
        let key_bytes = key_length::<K>(key.borrow());
        let removed = self.table.remove(key)?;
        let before = removed.as_ref().map_or(0, |removed| key_bytes + value_length(removed));
        self.growth.set(self.growth.get() - before);
        Ok(removed)
    }
}

impl<'t, K: Key + 'static, V: Value + 'static> Deref for CountedTable<'t, K, V> {
    type Target = Table<'t, K, V>;

    fn deref(&self) -> &Self::Target {
        &self.table
    }
}

fn key_length<K: Key + 'static>(key: &K::SelfType<'_>) -> i64 {
    length(K::as_bytes(key))
}

/// The length of a value; nothing, when it is damaged so that it is no value of its type, for which redb panics.
fn value_length<V: Value + 'static>(row: &AccessGuard<'_, V>) -> i64 {
    guard(|| {
        let value = row.value();
        Ok(length(V::as_bytes(&value)))
    })
    .unwrap_or_default()
}

fn length(bytes: impl AsRef<[u8]>) -> i64 {
    i64::try_from(bytes.as_ref().len()).unwrap_or(i64::MAX)
}
