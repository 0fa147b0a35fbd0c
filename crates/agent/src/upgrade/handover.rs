//! Open files on their way from one program to the next in the same process.
//!
//! They travel through a pair of sockets, one end of which becomes standard input. Nothing has to be open under a
//! number that the next program must believe, and nothing stays behind when the execution fails.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::SystemTime;

use reveille_wire::DriveMount;
use rustix::fs::MemfdFlags;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use super::State;
use crate::agent::Agent;
use crate::listener::{self, Listener};

/// How many files go with one message; the kernel allows 253.
const AT_ONCE: usize = 128;
/// The room that they take.
const ROOM: usize = rustix::cmsg_space!(ScmRights(AT_ONCE));

/// What was handed over.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) listener: OwnedFd,
    pub(crate) state: State,
    /// The output of processes that is in memory, to be read in their order.
    pub(crate) output: File,
    /// The files of processes, in their order, and then the terminals of sessions, in theirs.
    pub(crate) files: Vec<OwnedFd>,
}

/// Puts everything that the next program needs on standard input.
pub(crate) fn prepare(agent: &Agent, mounts: Vec<DriveMount>, listener: &Listener) -> Result<(), String> {
    prepare_files(agent, mounts, listener).map_err(|error| format!("the state could not be saved: {error}"))
}

fn prepare_files(agent: &Agent, mounts: Vec<DriveMount>, listener: &Listener) -> io::Result<()> {
    let mut memory = File::from(rustix::fs::memfd_create("hand-over", MemfdFlags::CLOEXEC)?);
    let (processes, of_processes) = agent.processes().save(&mut memory)?;
    let (terminals, of_terminals) = agent.terminals().save(&mut memory)?;
    let started = agent.started().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let upgrades = agent.upgrades().told();
    let state = State {
        started: started.as_millis() as u64,
        boot: agent.boot().clone(),
        upgrades,
        mounts,
        processes,
        terminals,
    };
    state.write(&mut memory)?;
    let (here, there) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let mut files: Vec<BorrowedFd<'_>> = vec![memory.as_fd(), listener.as_fd()];
    files.extend(of_processes.iter().map(AsFd::as_fd));
    files.extend(of_terminals.iter().map(AsFd::as_fd));
    for some in files.chunks(AT_ONCE) {
        let mut room = [MaybeUninit::uninit(); ROOM];
        let mut message = SendAncillaryBuffer::new(&mut room);
        message.push(SendAncillaryMessage::ScmRights(some));
        sendmsg(&here, &[IoSlice::new(b"f")], &mut message, SendFlags::DONTWAIT)?;
    }
    nix::unistd::dup2_stdin(there)?;
    Ok(())
}

/// Takes from standard input what [`prepare`] put there.
///
/// # Errors
/// When it is not that.
pub(crate) fn take_over() -> io::Result<Taken> {
    let socket = listener::take_stdin()?;
    let mut files = Vec::new();
    loop {
        let mut room = [MaybeUninit::uninit(); ROOM];
        let mut messages = RecvAncillaryBuffer::new(&mut room);
        let mut byte = [0];
        let received =
            recvmsg(&socket, &mut [IoSliceMut::new(&mut byte)], &mut messages, RecvFlags::CMSG_CLOEXEC)?;
        for message in messages.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                files.extend(some);
            }
        }
        if received.bytes == 0 {
            break;
        }
    }
    let mut files = files.into_iter();
    let (Some(memory), Some(listener)) = (files.next(), files.next()) else {
        return Err(io::Error::other("the hand-over is empty"));
    };
    let mut output = File::from(memory);
    let state = State::read(&mut output)?;
    Ok(Taken { listener, state, output, files: files.collect() })
}
