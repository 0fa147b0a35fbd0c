use serde::{Deserialize, Serialize};

use crate::page;

/// The answer of `GET /network/process/{pid}/ports`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessPorts {
    /// The process that was asked for.
    pub pid: i32,
    /// Its sockets, and those of all processes that came from it.
    #[serde(deserialize_with = "page::every")]
    pub ports: Vec<ProcessSocket>,
}

/// A socket of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ProcessSocket {
    /// Whose it is.
    pub pid: i32,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Its address in the sandbox.
    pub local_addr: String,
    /// Its port in the sandbox.
    pub local_port: u16,
    /// The address of the other end; empty where there is none.
    pub remote_addr: String,
    /// The port of the other end, or 0.
    pub remote_port: u16,
    /// Where a connection stands, as in [`SocketState`]; empty for UDP.
    pub state: String,
    /// The name of the process.
    pub process_name: String,
}

/// Where a TCP socket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketState {
    /// It waits for connections.
    Listen,
    /// It is connected.
    Established,
    /// It is about to be, or is no more; the name says how.
    Between(&'static str),
}

impl SocketState {
    /// The state that Linux gives this number (`include/net/tcp_states.h`).
    #[must_use]
    pub fn of_linux(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Established,
            2 => Self::Between("SYN_SENT"),
            3 => Self::Between("SYN_RECV"),
            4 => Self::Between("FIN_WAIT1"),
            5 => Self::Between("FIN_WAIT2"),
            6 => Self::Between("TIME_WAIT"),
            7 => Self::Between("CLOSE"),
            8 => Self::Between("CLOSE_WAIT"),
            9 => Self::Between("LAST_ACK"),
            10 => Self::Listen,
            11 => Self::Between("CLOSING"),
            _ => return None,
        })
    }

    /// Its name in the protocol.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listen => "LISTEN",
            Self::Established => "ESTABLISHED",
            Self::Between(name) => name,
        }
    }
}
