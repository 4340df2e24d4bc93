//! The MCP server for load as a process: `mcp-echo [PORT]`. The first line on stdout is its URL.

use std::io::{self, Write};
use std::net::Ipv4Addr;

fn main() {
    let port = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .unwrap_or(0);
    let mut served = bench_tests::mcp_echo::start((Ipv4Addr::LOCALHOST, port).into());
    writeln!(io::stdout(), "{}/mcp", served.url()).ok();
    served.wait();
}
