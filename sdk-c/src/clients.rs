//! The clients of a process or of a WebAssembly module, by number.
//!
//! A number is used once, so a call for a closed client fails instead of reaching another client. Calls for one client wait
//! for each other, and calls for different clients do not. A panic ends the client in which it happens.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Why a call did not reach a client, or did not return from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There are as many clients as there can be.
    Full,
    /// There is no client with this number.
    NoClient,
    /// The call panicked, and the client has ended.
    Panicked,
}

/// Clients in the order of their numbers.
pub(crate) struct Clients<C> {
    entries: Mutex<Entries<C>>,
    limit: usize,
}

struct Entries<C> {
    last: i32,
    /// In the order of their numbers, which is the order in which they were added.
    clients: Vec<(i32, Arc<Mutex<C>>)>,
}

impl<C> Clients<C> {
    /// Creates an empty table for at most this many clients.
    pub(crate) const fn new(limit: usize) -> Self {
        Self { entries: Mutex::new(Entries { last: 0, clients: Vec::new() }), limit }
    }

    /// Adds a client and returns its number, which is positive.
    ///
    /// # Errors
    /// [`Failure::Full`] if there are too many clients.
    pub(crate) fn add(&self, client: C) -> Result<i32, Failure> {
        let mut entries = self.entries();
        let number = entries.last.checked_add(1).filter(|_| entries.clients.len() < self.limit);
        let number = number.ok_or(Failure::Full)?;
        entries.last = number;
        entries.clients.push((number, Arc::new(Mutex::new(client))));
        Ok(number)
    }

    /// Calls a function with a client. If the function panics, the client is removed.
    ///
    /// # Errors
    /// [`Failure::NoClient`] if there is no such client; [`Failure::Panicked`] if this call panicked, or one for which it
    /// has waited.
    pub(crate) fn with<R>(&self, number: i32, call: impl FnOnce(&mut C) -> R) -> Result<R, Failure> {
        let client = self.entries().find(number).cloned().ok_or(Failure::NoClient)?;
        // Unwind safety: no call uses the client after a panic, because its mutex is poisoned.
        let result = panic::catch_unwind(AssertUnwindSafe(|| client.lock().map(|mut client| call(&mut client)).ok()));
        if let Ok(Some(returned)) = result {
            return Ok(returned);
        }
        self.remove(number).ok();
        Err(Failure::Panicked)
    }

    /// Removes a client. It is dropped when the call that it is in has returned.
    ///
    /// # Errors
    /// [`Failure::NoClient`] if there is no such client.
    pub(crate) fn remove(&self, number: i32) -> Result<(), Failure> {
        let mut entries = self.entries();
        let at = entries.clients.binary_search_by_key(&number, |(number, _)| *number);
        let removed = at.map(|at| entries.clients.remove(at)).map_err(|_| Failure::NoClient)?;
        // Dropping a client takes time that other clients need not wait for.
        drop(entries);
        drop(removed);
        Ok(())
    }

    fn entries(&self) -> MutexGuard<'_, Entries<C>> {
        // No code that can panic runs under this lock.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Entries<C> {
    fn find(&self, number: i32) -> Option<&Arc<Mutex<C>>> {
        let at = self.clients.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.clients.get(at).map(|(_, client)| client)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    #[test]
    fn number_is_used_once() {
        let clients = Clients::new(2);
        let (first, second) = (clients.add("a").unwrap(), clients.add("b").unwrap());
        assert_eq!(clients.add("c"), Err(Failure::Full));
        assert_eq!((clients.remove(first), clients.remove(first)), (Ok(()), Err(Failure::NoClient)));
        let third = clients.add("c").unwrap();
        assert_eq!((first, second, third), (1, 2, 3));
        assert_eq!(clients.with(first, |client| *client), Err(Failure::NoClient));
        assert_eq!(clients.with(second, |client| *client), Ok("b"));
        assert_eq!(clients.with(third, |client| *client), Ok("c"));
        for number in [0, -1, i32::MIN, i32::MAX] {
            assert_eq!(clients.with(number, |client| *client), Err(Failure::NoClient));
        }
    }

    #[test]
    fn panic_ends_one_client() {
        let clients = Clients::new(2);
        let (first, second) = (clients.add(1).unwrap(), clients.add(2).unwrap());
        // `resume_unwind` instead of `panic!`: it does not print.
        let result = clients.with(first, |_| -> () { panic::resume_unwind(Box::new("a test")) });
        assert_eq!(result, Err(Failure::Panicked));
        assert_eq!(clients.with(first, |client| *client), Err(Failure::NoClient));
        assert_eq!(clients.with(second, |client| *client), Ok(2));
        assert!(clients.add(3).is_ok(), "the ended client does not count");
    }

    #[test]
    fn call_that_waits_for_a_panicking_one_fails_too() {
        let (clients, inside) = (Clients::new(1), Barrier::new(2));
        let number = clients.add(0).unwrap();
        thread::scope(|scope| {
            let panicking = scope.spawn(|| {
                clients.with(number, |_| -> () {
                    inside.wait();
                    // Until the other call has found the client and waits for it.
                    while clients.entries().find(number).is_none_or(|client| Arc::strong_count(client) < 3) {
                        thread::yield_now();
                    }
                    panic::resume_unwind(Box::new("a test"))
                })
            });
            inside.wait();
            assert_eq!(clients.with(number, |_| ()), Err(Failure::Panicked));
            assert_eq!(panicking.join().unwrap(), Err(Failure::Panicked));
        });
    }

    #[test]
    fn client_can_be_removed_during_a_call_for_it() {
        let clients = Clients::new(1);
        let number = clients.add(vec![1]).unwrap();
        let result = clients.with(number, |client| {
            assert_eq!(clients.remove(number), Ok(()));
            client.push(2);
            client.len()
        });
        assert_eq!(result, Ok(2));
        assert_eq!(clients.with(number, |client| client.len()), Err(Failure::NoClient));
    }
}
