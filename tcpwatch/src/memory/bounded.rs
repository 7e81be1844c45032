use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use crate::event::Time;

/// A map of short histories that forgets its oldest entries beyond a number: one key may hold several values,
/// kept in the order they came.
pub(super) struct History<K, V> {
    by_key: HashMap<K, VecDeque<V>>,
    /// Keys in the order their values came; the front is forgotten first.
    order: VecDeque<(Time, K)>,
    capacity: usize,
    age: Duration,
}

impl<K: Copy + Eq + Hash, V> History<K, V> {
    /// Forgets what is older than `age` too.
    pub(super) fn new(capacity: usize, age: Duration) -> Self {
        Self { by_key: HashMap::new(), order: VecDeque::new(), capacity, age }
    }

    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self::new(capacity, Duration::MAX)
    }

    pub(super) fn push(&mut self, time: Time, key: K, value: V) {
        let old = time.minus(self.age);
        while self.order.len() == self.capacity
            || self.order.front().is_some_and(|(at, _)| *at < old)
        {
            self.forget_oldest();
        }
        self.order.push_back((time, key));
        self.by_key.entry(key).or_default().push_back(value);
    }

    /// What is remembered under a key, oldest first.
    pub(super) fn of(&self, key: K) -> impl DoubleEndedIterator<Item = &V> + use<'_, K, V> {
        self.by_key.get(&key).into_iter().flatten()
    }

    /// Everything since then is still here: nothing younger had to go for want of room.
    pub(super) fn reaches_back_to(&self, time: Time) -> bool {
        let oldest = self.order.front();
        self.order.len() < self.capacity || oldest.is_some_and(|(at, _)| *at <= time)
    }

    pub(super) fn latest_mut(&mut self, key: &K) -> Option<&mut V> {
        self.by_key.get_mut(key)?.back_mut()
    }

    fn forget_oldest(&mut self) {
        let Some((_, key)) = self.order.pop_front() else { return };
        if let Some(values) = self.by_key.get_mut(&key) {
            values.pop_front();
            if values.is_empty() {
                self.by_key.remove(&key);
            }
        }
    }
}
