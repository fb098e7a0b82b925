//! Players: who came and went, by game server.

use serde_json::{Value, json};

use super::names::{LABEL_OVERFLOW, PLAYER_JOINS, PLAYER_LEAVES, PLAYER_RETURNS, PLAYERS_ONLINE};
use super::page::Page;

/// The most servers told apart: each is a label value. Further ones count as `other`.
pub const MAX_SERVERS: usize = 32;
/// The longest name of a server, in characters.
const MAX_NAME_CHARS: usize = 64;
const OTHER: &str = "other";

/// Counters of the game servers of one log.
pub struct Players {
    /// In the order of their first record; behind them, all others.
    servers: Vec<Server>,
    overflows: u64,
}

#[derive(Default)]
struct Server {
    name: String,
    joins: u64,
    leaves: u64,
    returns: u64,
}

impl Default for Players {
    fn default() -> Self {
        Self { servers: vec![Server { name: OTHER.to_owned(), ..Server::default() }], overflows: 0 }
    }
}

impl Players {
    /// Counts a player who came; `returned` if they had been here before.
    pub fn join(&mut self, server: usize, returned: bool) {
        if let Some(server) = self.servers.get_mut(server) {
            server.joins += 1;
            server.returns += u64::from(returned);
        }
    }

    /// Counts a player who left.
    pub fn leave(&mut self, server: usize) {
        if let Some(server) = self.servers.get_mut(server) {
            server.leaves += 1;
        }
    }

    /// The number of the server with this name, for the other calls: a new one if there is room, else 0, which stands for all others.
    pub fn server(&mut self, name: &[u8]) -> usize {
        let name = cleaned(name);
        if let Some(known) = self.servers.iter().position(|server| server.name == name) {
            return known;
        }
        if name.is_empty() {
            return 0;
        }
        if self.servers.len() > MAX_SERVERS {
            self.overflows += 1;
            return 0;
        }
        self.servers.push(Server { name, ..Server::default() });
        self.servers.len() - 1
    }

    /// The name of the server with this number; empty for the log's only one without a name.
    pub fn name(&self, server: usize) -> &str {
        self.servers.get(server).map(|server| server.name.as_str()).filter(|name| *name != OTHER).unwrap_or_default()
    }

    /// Joins, leaves, and joins of who had been here before.
    pub fn totals(&self) -> [u64; 3] {
        self.servers
            .iter()
            .fold([0; 3], |[joins, leaves, returns], server| [joins + server.joins, leaves + server.leaves, returns + server.returns])
    }

    /// Writes these rows, or adds to those of other logs; `online` is how many are there now, by the server's number.
    pub fn show(&self, online: impl Fn(usize) -> usize, page: &mut Page) {
        for (number, server) in self.servers.iter().enumerate() {
            let labels = [server.name.as_str()];
            page.add_gauge(&PLAYERS_ONLINE, &labels, online(number) as f64);
            page.add_counter(&PLAYER_JOINS, &labels, server.joins);
            page.add_counter(&PLAYER_LEAVES, &labels, server.leaves);
            page.add_counter(&PLAYER_RETURNS, &labels, server.returns);
        }
        page.add_counter(&LABEL_OVERFLOW, &[PLAYER_JOINS.name], self.overflows);
    }

    /// For [`Players::load`].
    pub fn save(&self) -> Value {
        let server = |server: &Server| json!([server.name, server.joins, server.leaves, server.returns]);
        json!({ "servers": self.servers.iter().map(server).collect::<Vec<_>>(), "overflows": self.overflows })
    }

    /// Takes up what [`Players::save`] gave.
    pub fn load(&mut self, saved: &Value) {
        for server in saved["servers"].as_array().into_iter().flatten().take(MAX_SERVERS + 1) {
            let place = self.server(server[0].as_str().unwrap_or_default().as_bytes());
            let number = |index: usize| server[index].as_u64().unwrap_or(0);
            (self.servers[place].joins, self.servers[place].leaves, self.servers[place].returns) = (number(1), number(2), number(3));
        }
        self.overflows = saved["overflows"].as_u64().unwrap_or(0);
    }
}

/// A server's name as a label: printable, without quotes and backslashes, not too long.
fn cleaned(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    text.trim().chars().take(MAX_NAME_CHARS).map(|c| if c.is_control() || matches!(c, '"' | '\\') { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_bounded_and_their_names_clean() {
        let mut players = Players::default();
        for number in 0..40 {
            let server = players.server(format!("arena {number}").as_bytes());
            players.join(server, number % 2 == 0);
            players.leave(server);
        }
        assert_eq!((players.servers.len(), players.overflows, players.totals()), (MAX_SERVERS + 1, 8, [40, 40, 20]));
        assert_eq!((players.servers[0].joins, players.server(b"arena 3"), players.server(b"")), (8, 4, 0));
        let mut again = Players::default();
        again.load(&players.save());
        assert_eq!(again.save(), players.save());
        assert_eq!(cleaned(b" a\"\\\n\xff "), "a___\u{fffd}");
        assert_eq!(cleaned(&[b'x'; 100]).len(), MAX_NAME_CHARS);
    }
}
