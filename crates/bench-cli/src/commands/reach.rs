//! Gyms within reach: connected, with the built-in tracker running if one of them is it.

use std::sync::Arc;
use std::time::Duration;

use bench_core::{GymSpec, Transport};
use bench_gym::{GymOptions, GymServer};
use bench_runner::env::Environment;
use bench_runner::gym::{Cleaner, Gym, TrackerAddress, connect_with};

use crate::error::CliError;

/// How long everything that gyms have to clean up may take at the end.
const CLEANING: Duration = Duration::from_secs(25);

/// Gyms within reach. To be closed: dropping it leaves cleaning up to chance.
pub(super) struct Reach {
    /// In the order of the specs.
    pub(super) gyms: Vec<Arc<dyn Gym>>,
    tracker: Option<GymServer>,
    cleaner: Cleaner,
}

impl Reach {
    /// Starts the tracker if it is needed, and resolves every setting. No other gym is contacted yet. So many trials may
    /// have child processes at once.
    pub(super) async fn open(
        specs: &[GymSpec],
        processes: usize,
        environment: &Environment,
    ) -> Result<Self, CliError> {
        let needed = specs.iter().any(|gym| gym.transport == Transport::Tracker);
        let tracker = if needed {
            Some(start_tracker().await?)
        } else {
            None
        };
        let address = tracker.as_ref().map(|server| TrackerAddress {
            mcp_url: server.url(),
            sql_runner_url: server.sql_runner_url(),
        });
        let cleaner = Cleaner::new();
        let gyms = connect_with(specs, environment, address.as_ref(), &cleaner, processes)?;
        Ok(Self {
            gyms,
            tracker,
            cleaner,
        })
    }

    /// Waits until gyms have cleaned up, then stops the tracker. Says what may be left behind.
    pub(super) async fn close(self) -> Option<String> {
        drop(self.gyms);
        let left = self.cleaner.finish(CLEANING).await.err();
        if let Some(tracker) = self.tracker {
            tracker.shutdown().await;
        }
        left.map(|n| {
            format!(
                "{n} clean-ups of gyms did not end within {} s",
                CLEANING.as_secs()
            )
        })
    }
}

async fn start_tracker() -> Result<GymServer, CliError> {
    let started = GymServer::start(GymOptions::default()).await;
    started.map_err(|error| CliError::unfinished("cannot start the built-in tracker").because(error))
}
