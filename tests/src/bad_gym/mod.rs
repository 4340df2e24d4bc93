//! MCP servers with faults: over HTTP in this process ([`BadGym`]), over stdio as a binary ([`stdio`]).
//!
//! A fault of a tool call is a tool: a scenario that calls `hang` meets a tool that hangs. Faults of a
//! whole server are options. Both speak MCP by hand, as loosely as real gyms do: the handshake of 2024,
//! plain JSON answers, no session id.
//!
//! | part | what it does |
//! |---|---|
//! | `rpc` | the protocol and the tools, without any transport |
//! | `http` | the server over HTTP, with its SQL runner and its databases |
//! | [`stdio`] | the server over stdio, with the faults that only a process can have |

mod http;
mod rpc;
pub mod stdio;

pub use http::{BadGym, Faults, Handshake, SqlFault};
