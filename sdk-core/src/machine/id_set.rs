//! A set of notification ids in a sorted list.
//!
//! A hash set would be as fast, but adds about a kilobyte of code to the browser module. Ids that
//! the gateway makes rise with time, so most of them are added at the end of the list.

use realtime_gateway_protocol::NotificationId;

/// Notification ids, each once.
#[derive(Debug, Default)]
pub struct IdSet(Vec<NotificationId>);

impl IdSet {
    /// Adds an id; false when the set had it already.
    pub fn insert(&mut self, id: NotificationId) -> bool {
        match self.place(id.as_str()) {
            Ok(_) => false,
            Err(place) => {
                self.0.insert(place, id);
                true
            }
        }
    }

    /// Removes an id; false when the set did not have it.
    pub fn remove(&mut self, id: &str) -> bool {
        let place = self.place(id);
        if let Ok(place) = place {
            self.0.remove(place);
        }
        place.is_ok()
    }

    /// Whether the set has an id.
    pub fn contains(&self, id: &str) -> bool {
        self.place(id).is_ok()
    }

    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes all ids.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Where an id is, or where it belongs.
    fn place(&self, id: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|other| other.as_str().cmp(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_each_id_once_whatever_the_order() {
        let mut set = IdSet::default();
        for id in ["b", "a", "c"] {
            assert!(set.insert(NotificationId::new(id).unwrap()));
            assert!(!set.insert(NotificationId::new(id).unwrap()));
        }
        assert_eq!(set.len(), 3);
        assert!(set.contains("a") && set.contains("b") && set.contains("c") && !set.contains("d"));
        assert!(set.remove("b") && !set.remove("b") && !set.contains("b"));
        set.clear();
        assert!(set.is_empty());
    }
}
