//! A network of its own: loopback, and sockets on it that the host answers.
//!
//! They are made inside and handed out: a socket stays in the network that it was made in, wherever it is accepted on.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::libc;
use nix::sched::CloneFlags;
use nix::sys::wait::{WaitStatus, waitpid};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, bind, listen, recvmsg, sendmsg, socket_with,
    socketpair, sockopt,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::egress::Listeners;

/// Where the way out is, on a sandbox's own loopback. Above the ports that Linux gives to clients by itself, and
/// below none that anything is known by.
pub(in super::super) const PROXY_PORT: u16 = 61080;

/// How many connections wait until the host accepts them.
const WAITING: i32 = 128;

/// A pair of sockets for handing over the way out: the child's, and the parent's.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Lets programs without rights over a network do what root's usually may on it: listen on every port, and ping. The
/// network is the caller's own. System calls only.
pub(super) fn open_to_programs() -> Result<(), Errno> {
    for (setting, to) in [
        (c"/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"),
        (c"/proc/sys/net/ipv4/ping_group_range", "0 2147483647"),
    ] {
        match open(setting, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(file) => drop(rustix::io::write(&file, to.as_bytes())),
            // A kernel that lacks it, or a machine that shows it to read only: programs have less then.
            Err(Errno::NOENT | Errno::ACCESS | Errno::ROFS) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Brings up loopback, and hands the way out to the parent, with the doors where their port is free. System calls
/// only.
pub(super) fn set_up(parent: &OwnedFd, doors: Option<u16>) -> Result<(), Errno> {
    let way_out = socket()?;
    bring_up_loopback(&way_out)?;
    listen_on(&way_out, PROXY_PORT)?;
    // Something in a sandbox that was taken over may have the port by now.
    let doors = match doors {
        Some(port) => Some(socket()?).filter(|doors| listen_on(doors, port).is_ok()),
        None => None,
    };
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut message = SendAncillaryBuffer::new(&mut room);
    let both = [way_out.as_fd(), doors.as_ref().unwrap_or(&way_out).as_fd()];
    message.push(SendAncillaryMessage::ScmRights(&both[..1 + usize::from(doors.is_some())]));
    sendmsg(parent, &[IoSlice::new(b"w")], &mut message, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn socket() -> Result<OwnedFd, Errno> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // Connections that an earlier host has served may not have ended yet.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    Ok(socket)
}

fn listen_on(socket: &OwnedFd, port: u16) -> Result<(), Errno> {
    bind(socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    listen(socket, WAITING)
}

fn bring_up_loopback(any: &OwnedFd) -> Result<(), Errno> {
    let flags = libc::IFF_UP | libc::IFF_RUNNING;
    // SAFETY: an `ifreq` of zeros is a valid one; the name that is written into it is shorter than its room, and
    // the call reads the name and the flags only.
    #[expect(unsafe_code, reason = "there is no safe wrapper for this ioctl")]
    let done = unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = *from as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = flags as libc::c_short;
        libc::ioctl(any.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request)
    };
    if done == 0 { Ok(()) } else { Err(Errno::from_raw_os_error(nix::errno::Errno::last_raw())) }
}

/// Opens a way out once more in a network, which is a file of `/proc/PID/ns`.
pub(in super::super) fn reopen(network: &File, doors: Option<u16>) -> io::Result<Listeners> {
    let (sent, received) = pair()?;
    // The users of a sandbox's programs have no rights over its network; those of the namespace around them have.
    let users = users_over(network)?;
    let enter = || -> Result<(), Errno> {
        move_into_link_name_space(users.as_fd(), Some(LinkNameSpaceType::User))?;
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
        set_up(&sent, doors)
    };
    let child = || -> isize { enter().err().map_or(0, |errno| errno.raw_os_error() as isize) };
    let mut stack = vec![0; super::cloning::STACK];
    // SAFETY: as for a launch: without CLONE_VM the child runs on its own copy of the memory and of the stack, and
    // makes system calls only, on what was prepared before.
    #[expect(unsafe_code, reason = "only a process with one thread can enter a user namespace")]
    let pid =
        unsafe { nix::sched::clone(Box::new(child), &mut stack, CloneFlags::empty(), Some(libc::SIGCHLD)) }?;
    match waitpid(pid, None)? {
        WaitStatus::Exited(_, 0) => receive(&received),
        WaitStatus::Exited(_, errno) => Err(io::Error::from_raw_os_error(errno)),
        other => Err(io::Error::other(format!("it ended early: {other:?}"))),
    }
}

/// The user namespace that a network belongs to (ioctl_ns(2)).
fn users_over(network: &File) -> io::Result<OwnedFd> {
    const NS_GET_USERNS: libc::c_ulong = 0xb701;
    // SAFETY: the call takes no argument, and what it gives is a new descriptor that nobody else owns.
    #[expect(unsafe_code, reason = "there is no safe wrapper for this ioctl")]
    let found = unsafe {
        match libc::ioctl(network.as_raw_fd(), NS_GET_USERNS) {
            ..0 => None,
            fd => Some(OwnedFd::from_raw_fd(fd)),
        }
    };
    found.ok_or_else(io::Error::last_os_error)
}

/// Takes the way out that a child has handed over.
pub(super) fn receive(from: &OwnedFd) -> io::Result<Listeners> {
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut messages = RecvAncillaryBuffer::new(&mut room);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    recvmsg(from, &mut [IoSliceMut::new(&mut [0])], &mut messages, flags)?;
    let (mut proxy, mut doors) = (None, None);
    for message in messages.drain() {
        if let RecvAncillaryMessage::ScmRights(mut files) = message {
            (proxy, doors) = (files.next(), files.next());
        }
    }
    let listener = |socket: OwnedFd| {
        let listener = TcpListener::from(socket);
        listener.set_nonblocking(true).map(|()| listener)
    };
    let proxy = proxy.ok_or_else(|| io::Error::other("it handed over no way out"))?;
    Ok(Listeners { proxy: listener(proxy)?, doors: doors.map(listener).transpose()? })
}
