//! The gyms of an attempt: waited for, opened, closed.

use bench_core::GymSpec;
use bench_core::event::Awaited;
use bench_core::record::GymUse;

use super::Attempt;
use crate::gym::deadlines::{CLOSE_TIMEOUT, not_opened, open_limit, session_limit};
use crate::gym::{Admission, GymError, GymSession, OpenRequest};
use crate::scratch::Scratch;
use crate::watch::Waiting;

/// Sessions with the gyms of a trial, each with its gym's name.
pub(super) type Open = Vec<(String, Box<dyn GymSession>)>;

impl Attempt<'_> {
    /// Waits until there is room for the trial in all its gyms. Without a deadline: other trials end. They may need the
    /// work slot for that.
    pub(super) async fn admitted(&self, scratch: &Scratch) -> Vec<Admission> {
        let mut admissions = Vec::with_capacity(self.gyms.len());
        for gym in self.gyms {
            let request = self.open_request(scratch, gym.spec());
            admissions.push(gym.admit(&request).await);
        }
        admissions
    }

    /// Opens all gyms of the scenario, one after another. Those already open are closed if one fails.
    pub(super) async fn open_gyms(&self, scratch: &Scratch) -> Result<Open, GymError> {
        let mut open: Open = Vec::with_capacity(self.gyms.len());
        for gym in self.gyms {
            let name = gym.spec().name.clone();
            let request = self.open_request(scratch, gym.spec());
            let permit = self.opening.acquire().await;
            let limit = open_limit(gym.spec());
            let opening = tokio::time::timeout(limit, gym.open(&request));
            let waiting = Waiting::at_most(limit, Awaited::Gym, format!("gym {name} to open"));
            let opened = self.watch().busy(opening, &waiting).await;
            drop(permit);
            match opened.unwrap_or_else(|_| Err(not_opened(&name, limit))) {
                Ok(session) => open.push((name, session)),
                Err(error) => {
                    self.close_and_log(open).await;
                    return Err(error);
                }
            }
        }
        Ok(open)
    }

    /// Closes all of them. What cannot be closed is in the log of the trial.
    pub(super) async fn close_and_log(&self, gyms: Open) {
        if let Err(error) = self.close_gyms(gyms).await {
            self.reporter.log(&self.trial.id, &error.to_string());
        }
    }

    fn open_request(&self, scratch: &Scratch, gym: &GymSpec) -> OpenRequest {
        OpenRequest {
            run_id: self.run_id.to_owned(),
            trial: self.trial.id.clone(),
            scratch: scratch.clone(),
            report: self.reporter.for_gyms(),
            log: self.reporter.for_log(&self.trial.id),
            timeout: session_limit(gym),
        }
    }

    /// Closes every gym, whatever the others do. The first problem is returned.
    async fn close_gyms(&self, gyms: Open) -> Result<(), GymError> {
        let mut result = Ok(());
        for (gym, session) in gyms {
            let closed = tokio::time::timeout(CLOSE_TIMEOUT, session.close()).await;
            let reason = || format!("closing took over {} s", CLOSE_TIMEOUT.as_secs());
            result = result.and(closed.unwrap_or_else(|_| {
                Err(GymError::Cleanup {
                    gym,
                    reason: reason(),
                })
            }));
        }
        result
    }

    /// What the record of the trial says of them.
    pub(super) fn uses(&self, open: &Open) -> Vec<GymUse> {
        let uses = self.gyms.iter().zip(open).map(|(gym, (_, session))| GymUse {
            gym: gym.spec().key.clone(),
            protocol: session.protocol().to_owned(),
            database_id: session.database_id().map(str::to_owned),
        });
        uses.collect()
    }
}
