//! Subscriptions to channels and patterns.

use crate::redis_io::glob;
use crate::redis_io::world::map::HashMap;

use crate::embedded::clients::client_id::ClientId;
use crate::embedded::key::Key;

/// Subscribers by channel, and by pattern in the order in which the patterns came.
#[derive(Debug, Default)]
pub struct Channels {
    exact: HashMap<Key, Vec<ClientId>>,
    patterns: Vec<(Key, Vec<ClientId>)>,
}

impl Channels {
    /// Subscribes to a channel.
    pub fn subscribe(&mut self, channel: Key, client: ClientId) {
        self.exact.entry(channel).or_default().push(client);
    }

    /// Ends that.
    pub fn unsubscribe(&mut self, channel: &[u8], client: ClientId) {
        if let Some(clients) = self.exact.get_mut(channel) {
            clients.retain(|&one| one != client);
            if clients.is_empty() {
                self.exact.remove(channel);
            }
        }
    }

    /// Subscribes to all channels that match.
    pub fn subscribe_pattern(&mut self, pattern: Key, client: ClientId) {
        match self.patterns.iter_mut().find(|(known, _)| *known == pattern) {
            Some((_, clients)) => clients.push(client),
            None => self.patterns.push((pattern, vec![client])),
        }
    }

    /// Ends that.
    pub fn unsubscribe_pattern(&mut self, pattern: &[u8], client: ClientId) {
        for (_, clients) in self.patterns.iter_mut().filter(|(known, _)| **known == *pattern) {
            clients.retain(|&one| one != client);
        }
        self.patterns.retain(|(_, clients)| !clients.is_empty());
    }

    /// Returns the receivers of a message, each with the pattern that matched.
    pub fn audience<'a>(
        &'a self,
        channel: &'a [u8],
    ) -> impl Iterator<Item = (Option<&'a Key>, &'a [ClientId])> {
        let exact = self.exact.get(channel).map(|clients| (None, clients.as_slice()));
        let matching = self.patterns.iter().filter(|(pattern, _)| glob::matches(pattern, channel));
        exact.into_iter().chain(matching.map(|(pattern, clients)| (Some(pattern), clients.as_slice())))
    }

    /// Channels with a subscriber by name.
    pub fn names(&self) -> impl Iterator<Item = &Key> {
        self.exact.keys()
    }

    /// Number of subscribers to a channel by its name.
    pub fn subscribers(&self, channel: &[u8]) -> usize {
        self.exact.get(channel).map_or(0, Vec::len)
    }

    /// Number of patterns.
    pub fn pattern_count(&self) -> usize {
        self.patterns.len()
    }

    /// Number of channels.
    pub fn channel_count(&self) -> usize {
        self.exact.len()
    }
}
