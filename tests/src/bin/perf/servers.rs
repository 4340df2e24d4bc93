//! The stub model and the MCP server, each in a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use bench_tests::bed::binary;
use bench_tests::loopback;
use bench_tests::model_stub::Stats;

use crate::Failure;
use crate::workload::Workload;

/// Both servers. They end with this.
pub(crate) struct Servers {
    pub(crate) model_url: String,
    pub(crate) mcp_url: String,
    children: Vec<Child>,
}

impl Servers {
    pub(crate) fn start(workload: &Workload) -> Result<Self, Failure> {
        let mut servers = Self {
            model_url: String::new(),
            mcp_url: String::new(),
            children: Vec::new(),
        };
        let (calls, latency) = (workload.tool_calls.to_string(), workload.latency_ms.to_string());
        let mut arguments = vec!["0", "--tool-calls", &calls, "--latency-ms", &latency];
        let limit = workload.limit.map(|limit| {
            let after = limit.retry_after.unwrap_or_default();
            (limit.per_second.to_string(), after.to_string())
        });
        if let Some((per_second, after)) = &limit {
            arguments.extend(["--per-second", per_second, "--retry-after", after]);
        }
        servers.model_url = servers.spawn("model-stub", &arguments)?;
        servers.mcp_url = servers.spawn("mcp-echo", &[])?;
        Ok(servers)
    }

    /// Starts a server and reads its URL off its first line.
    fn spawn(&mut self, name: &str, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = Command::new(binary::own(name));
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let stdout = child.stdout.take();
        self.children.push(child);
        let mut line = String::new();
        BufReader::new(stdout.ok_or("no stdout")?).read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    /// What the stub model counted since the last reset.
    pub(crate) fn stats(&self) -> Result<Stats, Failure> {
        let text = loopback::ask("GET", &format!("{}/stats", self.model_url))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Starts the count anew.
    pub(crate) fn reset(&self) -> Result<(), Failure> {
        loopback::ask("POST", &format!("{}/reset", self.model_url))?;
        Ok(())
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in &mut self.children {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
