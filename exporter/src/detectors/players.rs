//! Who plays: stays from a join to its leave, and who has been here before. Players' addresses are no attackers'.

use serde::{Deserialize, Serialize};

use super::window::{Table, Weigh, rank, seconds};
use crate::event::{PlayerChange, PlayerEvent, Timestamp};
use crate::privacy::SenderKey;
use crate::snapshot::{Section, Write};
use crate::subject::Client;

/// Nobody plays longer than this without a leave in the log, in seconds: the server was stopped.
const MAX_STAY_SECS: i64 = 86_400;
/// The least time between two sweeps, in seconds.
const SWEEP_SECS: i64 = 60;

/// Settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Who has not played for this long is forgotten, in seconds.
    pub forget_after_secs: u64,
    /// The most players remembered.
    pub max_players: usize,
}

/// Who is and was there.
pub struct Players {
    config: Config,
    players: Table<SenderKey, Player>,
    swept: Timestamp,
}

#[derive(Default, Serialize, Deserialize)]
struct Player {
    /// The number of the server they are on.
    online: Option<usize>,
    client: Option<Client>,
    last: Timestamp,
}

impl Weigh for Player {
    fn weight(&self, _now: u32) -> u64 {
        rank(u64::from(self.online.is_some()), seconds(self.last))
    }
}

impl Players {
    /// Takes up what was saved in `section`.
    pub fn new(config: Config, section: String, saved: Option<&Section>) -> Self {
        Self { players: Table::new(config.max_players, section, saved), swept: Timestamp::default(), config }
    }

    /// Takes a record of the server with this number; gives whether it is a player who comes and has been here before.
    pub fn observe(&mut self, at: Timestamp, event: &PlayerEvent<'_>, server: usize) -> bool {
        let Some(player) = event.player.filter(|_| event.change != PlayerChange::Restart) else {
            self.players.update(|player| player.online.take_if(|online| *online == server).is_some());
            return false;
        };
        let player = self.players.entry(player.key(), seconds(at), Player::default);
        let is_known = player.last != Timestamp::default();
        player.last = player.last.max(at);
        player.client = Client::parse(event.client).or(player.client);
        let was_online = std::mem::replace(&mut player.online, (event.change == PlayerChange::Join).then_some(server));
        is_known && event.change == PlayerChange::Join && was_online.is_none()
    }

    /// How many are on the server with this number.
    pub fn online(&self, server: usize) -> usize {
        self.players.iter().filter(|(_, player)| player.online == Some(server)).count()
    }

    /// Where those come from who are there now.
    pub fn online_clients(&self) -> impl Iterator<Item = Client> {
        self.players.iter().filter(|(_, player)| player.online.is_some()).filter_map(|(_, player)| player.client)
    }

    /// Where players came from last, and when they last came or left, as far back as they are remembered.
    pub fn recent_players(&self) -> impl Iterator<Item = (Client, Timestamp)> {
        self.players.iter().filter_map(|(_, player)| Some((player.client?, player.last)))
    }

    /// Ends stays that cannot last, and forgets who has long been away.
    pub fn on_tick(&mut self, now: Timestamp) {
        if now.secs() - self.swept.secs() < SWEEP_SECS {
            return;
        }
        self.swept = now;
        let age = |player: &Player| now.secs() - player.last.secs();
        self.players.update(|player| age(player) > MAX_STAY_SECS && player.online.take().is_some());
        let forget_after = i64::try_from(self.config.forget_after_secs).unwrap_or(i64::MAX);
        self.players.retain(|player| age(player) <= forget_after);
    }

    /// Players remembered, and how many were dropped for others.
    pub fn fill(&self) -> (usize, u64) {
        (self.players.len(), self.players.evicted())
    }

    /// What changed since the last call.
    pub fn save(&mut self) -> Option<Write> {
        self.players.save()
    }

    /// After a commit that failed.
    pub fn save_all_again(&mut self) {
        self.players.save_all_again();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::{ClientMode, Privacy, SenderMode};

    fn players(max_players: usize, saved: Option<&Section>) -> Players {
        Players::new(Config { forget_after_secs: 30 * 86_400, max_players }, "t".into(), saved)
    }

    fn play(players: &mut Players, secs: i64, change: PlayerChange, key: &str, server: usize) -> bool {
        let privacy = Privacy::new(SenderMode::Hash, ClientMode::Full, b"0123456789abcdef", 160);
        let player = privacy.player(key.as_bytes());
        let event = PlayerEvent { change, server: b"", name: b"", client: b"203.0.113.7", player };
        players.observe(Timestamp::from_secs(1_795_255_200 + secs), &event, server)
    }

    use PlayerChange::{Join, Leave, Restart};

    #[test]
    fn stays_last_from_join_to_leave_or_restart() {
        let mut players = players(10, None);
        let returned: Vec<bool> =
            [(0, Join, "a", 1), (1, Join, "b", 2), (2, Leave, "a", 1), (3, Join, "a", 1), (4, Join, "a", 1), (5, Leave, "c", 1)]
                .into_iter()
                .map(|(secs, change, key, server)| play(&mut players, secs, change, key, server))
                .collect();
        assert_eq!(returned, [false, false, false, true, false, false]);
        assert_eq!(
            [players.online(1), players.online(2), players.online_clients().count(), players.recent_players().count()],
            [1, 1, 2, 3]
        );
        play(&mut players, 6, Restart, "", 1);
        assert_eq!([players.online(1), players.online(2)], [0, 1]);
        players.on_tick(Timestamp::from_secs(1_795_255_200 + 90_000));
        assert_eq!((players.online(2), players.fill()), (0, (3, 0)));
        players.on_tick(Timestamp::from_secs(1_795_255_200 + 31 * 86_400));
        assert_eq!(players.fill(), (0, 0));
    }

    #[test]
    fn a_flood_of_players_is_bounded_and_saved() {
        let mut players = players(100, None);
        play(&mut players, 0, Join, "stays", 1);
        for n in 0..1_000 {
            play(&mut players, n, Join, &format!("p{n}"), 2);
            play(&mut players, n, Leave, &format!("p{n}"), 2);
        }
        assert!(players.fill().0 <= 100 && players.online(1) == 1 && players.online(2) == 0);
        let Some(Write::Put { pieces, .. }) = players.save() else { panic!("a new table is written whole") };
        let again = self::players(100, Some(&pieces));
        assert_eq!((again.fill(), again.online(1)), (players.fill(), 1));
    }
}
