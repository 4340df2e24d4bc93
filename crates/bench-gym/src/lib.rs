//! The gym `tracker`: an issue tracker like Jira, as an MCP server to benchmark agents on.
//!
//! Each benchmark trial gets a database of its own, named by the header `x-database-id` and cloned from a
//! hand-written sample world in a fraction of a millisecond. Agents work through MCP tools (create, edit,
//! search with JQL, move along a checked workflow, comment, link, …); verifiers look at the same database
//! through `POST /api/sql-runner`, which can only read. The same calls on two databases leave the same rows:
//! the tracker's clock counts changes, not seconds.
//!
//! ```
//! use bench_gym::{GymOptions, GymServer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), bench_gym::GymError> {
//! let gym = GymServer::start(GymOptions::default()).await?;
//! assert!(gym.url().ends_with("/mcp"));
//! assert!(gym.sql_runner_url().ends_with("/api/sql-runner"));
//! assert!(gym.databases().is_empty()); // made when first used
//! gym.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Rooms: [`server`] starts and stops, `mcp` and `rest` are the two interfaces with `guard` in front, `tools`
//! is what agents can do, [`jql`] how they search, `lookup` turns names into rows for both, `sql` is how
//! verifiers look, `databases` and `database` hold the data. `SCHEMA.md` describes tables, fixed ids, workflows
//! and JQL. The crate knows nothing of the benchmark around it.

mod database;
mod databases;
mod guard;
pub mod jql;
mod lookup;
mod mcp;
mod rest;
pub mod server;
mod sql;
mod tools;

pub use database::CLOCK_START;
pub use databases::{DEFAULT_MAX_DATABASES, DatabaseError, DatabaseId, Databases, sample_data_sql};
pub use server::{GymError, GymOptions, GymServer, serve_stdio, serve_streams};
pub use sql::touches_no_table;
