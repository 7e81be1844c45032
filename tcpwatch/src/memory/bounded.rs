use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// A map of short histories that forgets its oldest entries beyond a number: one key may hold several values,
/// kept in the order they came.
pub(super) struct History<K, V> {
    by_key: HashMap<K, VecDeque<V>>,
    /// Keys in the order their values came; the front is forgotten first.
    order: VecDeque<K>,
    capacity: usize,
}

impl<K: Copy + Eq + Hash, V> History<K, V> {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { by_key: HashMap::new(), order: VecDeque::new(), capacity }
    }

    pub(super) fn push(&mut self, key: K, value: V) {
        if self.order.len() == self.capacity {
            self.forget_oldest();
        }
        self.order.push_back(key);
        self.by_key.entry(key).or_default().push_back(value);
    }

    /// What is remembered under a key, oldest first.
    pub(super) fn of(&self, key: K) -> impl DoubleEndedIterator<Item = &V> + use<'_, K, V> {
        self.by_key.get(&key).into_iter().flatten()
    }

    pub(super) fn latest_mut(&mut self, key: &K) -> Option<&mut V> {
        self.by_key.get_mut(key)?.back_mut()
    }

    fn forget_oldest(&mut self) {
        let Some(key) = self.order.pop_front() else { return };
        if let Some(values) = self.by_key.get_mut(&key) {
            values.pop_front();
            if values.is_empty() {
                self.by_key.remove(&key);
            }
        }
    }
}
