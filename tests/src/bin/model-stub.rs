//! The stub model as a process: plays a script from a file, or the fixed conversation for load.
//!
//! `model-stub PORT --script FILE` | `model-stub PORT --tool-calls K [--latency-ms N] [--per-second N [--retry-after S]]`.
//! Port 0 takes a free one. The first line on stdout is its URL.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use bench_tests::model_stub::{ModelStub, load};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            writeln!(
                io::stderr(),
                "model-stub: {message}\nusage: model-stub PORT --script FILE | PORT --tool-calls K [--latency-ms N] [--per-second N [--retry-after S]]"
            )
            .ok();
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<(), String> {
    let port = arguments.first().ok_or("no port given")?;
    let port: u16 = port.parse().map_err(|_| format!("`{port}` is no port"))?;
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if let Some(path) = option(arguments, "--script") {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        let script = serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
        let mut stub = ModelStub::start_at(addr, script);
        announce(&stub.url());
        stub.wait();
        return Ok(());
    }
    let number = |name| -> Result<usize, String> {
        let text = option(arguments, name).unwrap_or("0");
        text.parse().map_err(|_| format!("{name}: `{text}` is no number"))
    };
    let per_second = u32::try_from(number("--per-second")?).map_err(|error| error.to_string())?;
    let retry_after = number("--retry-after")? as u64;
    let options = load::LoadOptions {
        tool_calls: number("--tool-calls")?,
        latency: Duration::from_millis(number("--latency-ms")? as u64),
        limit: (per_second > 0).then_some(load::Limit {
            per_second,
            burst: per_second,
            retry_after: (retry_after > 0).then_some(retry_after),
            first_together: 0,
        }),
    };
    let mut served = load::start(addr, options);
    announce(&served.url());
    served.wait();
    Ok(())
}

fn option<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1).map(String::as_str)
}

fn announce(url: &str) {
    writeln!(io::stdout(), "{url}").ok();
}
