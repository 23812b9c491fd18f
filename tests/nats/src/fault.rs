//! What befalls three servers while a log on them is loaded. It is over when all three are there again.

use std::thread;
use std::time::Duration;

use crate::{Raw, Servers};

/// How long a load may take to go on.
const PATIENCE: Duration = Duration::from_mins(3);

/// How long a leader that was cut off may take to catch up by itself: nearly always seconds, but more than two minutes were
/// seen.
const CATCHES_UP: Duration = Duration::from_secs(30);

/// A fault of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The leader is killed, and started again.
    LeaderKilled,
    /// One that follows is killed, and started again.
    FollowerKilled,
    /// The leader stands still, and goes on.
    LeaderStopped,
    /// One that follows stands still, and goes on.
    FollowerStopped,
    /// All are killed, and started again.
    AllKilled,
    /// The leader is cut off from the others, but not from its clients. Only for servers that are divisible.
    LeaderCutOff,
}

impl Fault {
    /// Each of them.
    pub const ALL: [Self; 6] = [
        Self::LeaderKilled,
        Self::FollowerKilled,
        Self::LeaderStopped,
        Self::FollowerStopped,
        Self::AllKilled,
        Self::LeaderCutOff,
    ];

    /// Does it to the servers of a stream. `more` waits until the load has been acknowledged more, but no longer than it
    /// is told to; it answers whether it was.
    pub fn strike(self, servers: &mut Servers, stream: &str, more: impl Fn(Duration) -> bool) {
        let leader = servers.index_of(&servers.leader(&Raw::connect(servers.port(0)), stream));
        let follower = (leader + 1) % servers.count();
        let goes_on = || assert!(more(PATIENCE), "{self:?}: the log takes no more");
        match self {
            Self::LeaderKilled => {
                servers.kill(leader);
                goes_on();
                servers.start_node(leader);
            }
            Self::FollowerKilled => {
                servers.kill(follower);
                goes_on();
                servers.start_node(follower);
            }
            Self::LeaderStopped => {
                servers.signal(leader, "STOP");
                goes_on();
                servers.signal(leader, "CONT");
            }
            Self::FollowerStopped => {
                servers.signal(follower, "STOP");
                goes_on();
                servers.signal(follower, "CONT");
            }
            Self::AllKilled => {
                (0..servers.count()).for_each(|index| servers.kill(index));
                (0..servers.count()).for_each(|index| servers.start_node(index));
            }
            Self::LeaderCutOff => {
                servers.isolate(leader);
                // What was on its way was acknowledged before it was cut off, and counts for nothing.
                thread::sleep(Duration::from_secs(1));
                goes_on();
                servers.rejoin(leader);
                goes_on();
                let caught_up = servers.is_whole_within(stream, CATCHES_UP);
                if !caught_up {
                    // What the operator's guide says to do.
                    servers.kill(leader);
                    servers.start_node(leader);
                }
                println!("a leader was cut off: caught up without a restart: {caught_up}");
            }
        }
    }
}
