//! A table that counts the bytes of inserted and removed rows, because redb can determine the space in use only by reading
//! all pages.

use std::{borrow::Borrow, cell::Cell, ops::Deref, rc::Rc};

use redb::{AccessGuard, Key, StorageError, Table, Value};

use super::fault::guard;

/// A table with a counter of the growth of all tables of its transaction, in bytes.
pub(super) struct CountedTable<'t, K: Key + 'static, V: Value + 'static> {
    table: Table<'t, K, V>,
    growth: Rc<Cell<i64>>,
}

impl<'t, K: Key + 'static, V: Value + 'static> CountedTable<'t, K, V> {
    /// Creates a table that adds to the counter `growth`.
    pub(super) fn new(table: Table<'t, K, V>, growth: &Rc<Cell<i64>>) -> Self {
        Self { table, growth: growth.clone() }
    }

    /// Inserts a row and returns the value that it replaces.
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

    /// Removes a row and returns its value.
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

/// Returns the length of a value, or 0 if the value is so damaged that redb panics when it reads it.
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
