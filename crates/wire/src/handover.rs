//! How an agent hands over connections to the ports of its sandbox.
//!
//! Ours, between our gateway and our agent: over the agent's unix socket, `GET /port` with `Upgrade:
//! reveille-descriptor`. After `101` the connection carries questions and answers in turn: a port in two bytes, most
//! significant first, and one byte that says how it went, with the descriptor of the connection beside it
//! (`SCM_RIGHTS`) where there is one. An agent that knows nothing of it answers anything else, and the gateway asks
//! it for `/port/{port}/...` as anybody would.

use crate::Port;

/// Where it is asked for.
pub const PATH: &str = "/port";
/// The protocol that the connection changes over to.
pub const PROTOCOL: &str = "reveille-descriptor";
/// How many bytes a question has.
pub const QUESTION: usize = 2;

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Here is the connection.
    Connected,
    /// Nothing listens on the port.
    NotListening,
    /// What listens on the port takes no connections.
    NotAccepting,
}

impl Outcome {
    /// As it goes over the socket.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Connected => 0,
            Self::NotListening => 1,
            Self::NotAccepting => 2,
        }
    }

    /// What a byte means; nothing where it means nothing.
    #[must_use]
    pub const fn of(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Connected),
            1 => Some(Self::NotListening),
            2 => Some(Self::NotAccepting),
            _ => None,
        }
    }
}

/// The question for a port.
#[must_use]
pub fn question(port: Port) -> [u8; QUESTION] {
    port.get().to_be_bytes()
}

/// The port that is asked for; none where it is no port.
#[must_use]
pub fn port(question: [u8; QUESTION]) -> Option<Port> {
    Port::new(u16::from_be_bytes(question)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_understood() {
        for number in [1_u16, 80, 3000, 65535] {
            let asked = Port::new(number).unwrap();
            assert_eq!(port(question(asked)), Some(asked));
        }
        assert_eq!(port([0, 0]), None);
        for outcome in [Outcome::Connected, Outcome::NotListening, Outcome::NotAccepting] {
            assert_eq!(Outcome::of(outcome.byte()), Some(outcome));
        }
        assert_eq!(Outcome::of(9), None);
    }
}
