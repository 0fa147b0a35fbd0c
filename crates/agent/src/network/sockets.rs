//! The sockets of processes, as the kernel lists them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reveille_wire::SocketState;

/// A socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    pub(crate) protocol: &'static str,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) state: Option<SocketState>,
    inode: u64,
}

/// The sockets of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) pid: i32,
    pub(crate) process: String,
    pub(crate) socket: Socket,
}

/// The sockets of `pid` and of all processes that came from it. A process that is not there has none.
///
/// # Errors
/// When the kernel's tables cannot be read.
pub(crate) fn of(pid: i32) -> io::Result<Vec<Owned>> {
    let mut sockets = BTreeMap::new();
    for (table, protocol) in [
        ("/proc/net/tcp", "tcp"),
        ("/proc/net/tcp6", "tcp"),
        ("/proc/net/udp", "udp"),
        ("/proc/net/udp6", "udp"),
    ] {
        let text = read(table)?;
        let read = text.lines().skip(1).filter_map(|line| socket(line, protocol));
        sockets.extend(read.map(|socket| (socket.inode, socket)));
    }
    let mut owned = Vec::new();
    let mut seen = BTreeSet::new();
    for pid in family(pid)? {
        // What ends meanwhile has none any more.
        let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for file in files.flatten() {
            let Ok(leads) = fs::read_link(file.path()) else { continue };
            let leads = leads.to_string_lossy().into_owned();
            let inode =
                leads.strip_prefix("socket:[").and_then(|rest| rest.trim_end_matches(']').parse().ok());
            let Some(socket) = inode.and_then(|inode: u64| sockets.get(&inode)) else { continue };
            // A child has its parent's, too.
            if seen.insert(socket.inode) {
                owned.push(Owned { pid, process: name(pid), socket: socket.clone() });
            }
        }
    }
    owned.sort_by_key(|owned| (owned.socket.local.port(), owned.pid, owned.socket.remote));
    Ok(owned)
}

/// Whether there is such a process.
pub(crate) fn exists(pid: i32) -> bool {
    fs::metadata(format!("/proc/{pid}")).is_ok()
}

/// A process and all that came from it, parents first.
fn family(pid: i32) -> io::Result<Vec<i32>> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let Some(child) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Some(parent) = parent(child) else { continue };
        children.entry(parent).or_default().push(child);
    }
    let mut family = vec![pid];
    let mut at = 0;
    while let Some(one) = family.get(at).copied() {
        family.extend(children.remove(&one).unwrap_or_default());
        at += 1;
    }
    Ok(family)
}

fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // A name may hold anything, also a bracket.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn name(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// The lines of one of the kernel's tables.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read(table: &str) -> io::Result<String> {
    match fs::read_to_string(table) {
        // A kernel without IPv6 has no table for it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

/// Reads one line of a table.
fn socket(line: &str, protocol: &'static str) -> Option<Socket> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (local, remote) = (address(words.next()?)?, address(words.next()?)?);
    let state = u8::from_str_radix(words.next()?, 16).ok()?;
    let inode = words.nth(5)?.parse().ok()?;
    let state = (protocol == "tcp").then(|| SocketState::of_linux(state)).flatten();
    Some(Socket { protocol, local, remote, state, inode })
}

/// An address with its port, as the tables have it.
pub(crate) fn address(word: &str) -> Option<SocketAddr> {
    let (ip, port) = word.split_once(':')?;
    Some(SocketAddr::new(self::ip(ip)?, u16::from_str_radix(port, 16).ok()?))
}

/// An address as the kernel prints it: its 32-bit words in hexadecimal, each in the byte order of the machine.
fn ip(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (at, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(at * 8)?);
            }
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn the_kernels_lines_are_understood() {
        let line =
            "   3: 0100007F:1F90 0200007F:0050 01 00000000:00000000 00:00000000 00000000  1000  0 4711 1 0";
        let read = socket(line, "tcp").unwrap();
        assert_eq!(
            (read.local.to_string(), read.remote.to_string()),
            ("127.0.0.1:8080".into(), "127.0.0.2:80".into())
        );
        assert_eq!((read.state, read.inode), (Some(SocketState::Established), 4711));
        assert_eq!(socket("  sl  local_address rem_address   st tx_queue", "tcp"), None);
        assert_eq!(ip("00000000000000000000000001000000").unwrap().to_string(), "::1");
    }

    #[test]
    fn the_sockets_of_this_process_are_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let pid = std::process::id().cast_signed();
        let here = of(pid).unwrap();
        let own = here.iter().find(|owned| owned.socket.local == listener.local_addr().unwrap()).unwrap();
        assert_eq!((own.pid, own.socket.state), (pid, Some(SocketState::Listen)));
    }
}
