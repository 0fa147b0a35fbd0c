//! Which TCP ports something listens on.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reveille_wire::ProcessStatus;

use super::child::Process;
use crate::network::sockets;

/// How often the kernel's table is looked at. It tells nobody when a port opens.
const LOOK: Duration = Duration::from_millis(20);
/// The kernel's number for a socket that listens.
const LISTENS: &str = "0A";

/// How a wait for ports ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// Something listens on all of them.
    Open,
    /// The process failed or was ended, and nothing listens on these.
    Ended(Vec<u16>),
}

/// Waits until something listens on all of `ports` on an address that others can reach.
///
/// A listener on loopback does not count: nobody outside the sandbox would reach it on the platform. A process that
/// completes is waited for on: a shell that leaves its server in the background (`npm run dev &`) is over at once.
///
/// # Errors
/// When the kernel's table cannot be read.
pub(crate) async fn wait(process: &Arc<Process>, ports: &[u16]) -> io::Result<Waited> {
    loop {
        let status = process.standing().status();
        let open = tokio::task::spawn_blocking(routable).await.map_err(io::Error::other)??;
        let missing: Vec<u16> = ports.iter().copied().filter(|port| !open.contains(port)).collect();
        match status {
            _ if missing.is_empty() => return Ok(Waited::Open),
            ProcessStatus::Running => {
                // An end is looked at once more, and not waited out.
                let _end = tokio::time::timeout(LOOK, process.over()).await;
            }
            ProcessStatus::Completed => tokio::time::sleep(LOOK).await,
            _ => return Ok(Waited::Ended(missing)),
        }
    }
}

/// The ports with a listener that others can reach.
fn routable() -> io::Result<BTreeSet<u16>> {
    let mut ports = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let listeners = sockets::read(table)?;
        ports.extend(listeners.lines().filter_map(listener).filter_map(|(ip, port)| {
            let canonical = ip.to_canonical();
            (!canonical.is_loopback()).then_some(port)
        }));
    }
    Ok(ports)
}

/// Where the socket of one line listens; nothing for a line of another kind.
fn listener(line: &str) -> Option<(IpAddr, u16)> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (local, state) = (words.next()?, words.nth(1)?);
    let local = sockets::address(local).filter(|_| state == LISTENS)?;
    Some((local.ip(), local.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn the_kernels_lines_are_understood() {
        let line =
            |local: &str, state: &str| format!("   0: {local} 00000000:0000 {state} 00000000:00000000 00");
        let seen = |local: &str| listener(&line(local, "0A")).map(|(ip, port)| (ip.to_string(), port));
        assert_eq!(seen("0100007F:1F90"), Some(("127.0.0.1".to_owned(), 8080)));
        assert_eq!(seen("00000000:0016"), Some(("0.0.0.0".to_owned(), 22)));
        assert_eq!(seen("00000000000000000000000001000000:0050"), Some(("::1".to_owned(), 80)));
        assert_eq!(listener(&line("00000000:0016", "01")), None);
        assert_eq!(listener("  sl  local_address rem_address   st tx_queue"), None);
    }

    #[test]
    fn a_listener_on_loopback_does_not_count() {
        let everywhere = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let loopback = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let open = routable().unwrap();
        assert!(open.contains(&everywhere.local_addr().unwrap().port()));
        assert!(!open.contains(&loopback.local_addr().unwrap().port()));
    }
}
