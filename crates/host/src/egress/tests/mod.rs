//! Routes, from a client in a sandbox to a server outside and back, over real sockets.

mod attacks;
mod bodies;
mod doors;
mod requests;
mod routes;
mod stand;
