//! How long gyms may take. A gym bounds its own steps; who opens and closes one bounds the whole.

use std::time::Duration;

use bench_core::gym::Seed;
use bench_core::{GymSpec, Transport};

use super::GymError;

/// How long a gym over HTTP may take to begin a session, once its database is there.
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a gym over stdio may take to start and begin a session: `npx` may download it first.
const STDIO_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a gym may take to fill a database.
const SEED_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a gym may take to close.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a gym may take to begin a session, once its database is there.
pub(crate) fn session_limit(gym: &GymSpec) -> Duration {
    if matches!(gym.transport, Transport::Stdio { .. }) {
        STDIO_TIMEOUT
    } else {
        HTTP_TIMEOUT
    }
}

/// How long opening may take in all. A gym bounds its own steps; this is for one that does not.
pub(crate) fn open_limit(gym: &GymSpec) -> Duration {
    let seeding = if gym.seed == Seed::Untouched {
        Duration::ZERO
    } else {
        SEED_TIMEOUT
    };
    session_limit(gym) + seeding + Duration::from_secs(1)
}

/// What is said of a gym that took longer than [`open_limit`].
pub(crate) fn not_opened(gym: &str, limit: Duration) -> GymError {
    let reason = format!("not open within {} s", limit.as_secs());
    GymError::Open {
        gym: gym.to_owned(),
        reason,
    }
}
