//! Does a run that says "running" still run? One pure function over what can be observed.
//!
//! The lease (a file lock that the worker holds for its whole life) is the sign of life: the kernel frees it on
//! any death and never before, whatever the age of the run, its process id or the clock. Only where locks cannot
//! be trusted, because the worker is on another machine, does the age of the heartbeat stand in, and then
//! silence makes a run `Unknown`, never dead. Collecting the signs and acting on the answer is `settle`'s.

use chrono::TimeDelta;

/// How often a worker touches its lease file, in seconds.
pub const HEARTBEAT_SECONDS: u64 = 15;

/// Silence after which a worker whose lease cannot be trusted is no longer believed alive: four heartbeats.
pub const SILENCE: TimeDelta = TimeDelta::seconds(60);

/// What a probe of the lease showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseSign {
    /// Somebody holds it. Certain on any file system that has locks at all.
    Held,
    /// Nobody holds it, as far as this machine can see.
    Free,
    /// The file is missing, or the file system does not lock.
    Untrusted,
}

/// Everything that tells whether a run's worker lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signs {
    /// `state.json` or the journal says the run is over.
    pub over: bool,
    /// The lease.
    pub lease: LeaseSign,
    /// Whether the worker's machine is this one.
    pub same_host: bool,
    /// Whether this machine is still in the boot in which the worker started; `None` if unknown.
    pub same_boot: Option<bool>,
    /// Time since the last heartbeat; negative if clocks disagree, `None` if there is none.
    pub silent_for: Option<TimeDelta>,
}

/// What a run's signs mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is over.
    Over,
    /// Its worker lives.
    Alive,
    /// Its worker is gone and left no ending; the next reader gives it one.
    Orphaned {
        /// The machine was restarted since the worker started.
        rebooted: bool,
    },
    /// Its worker is on another machine and silent; nobody here can tell.
    Unknown {
        /// Time since the last heartbeat; `None` if there is none.
        silent_for: Option<TimeDelta>,
    },
}

/// Says what the signs mean.
pub fn classify(signs: &Signs) -> Standing {
    match signs {
        Signs { over: true, .. } => Standing::Over,
        Signs {
            lease: LeaseSign::Held,
            ..
        } => Standing::Alive,
        Signs {
            lease: LeaseSign::Free,
            same_host: true,
            same_boot,
            ..
        } => Standing::Orphaned {
            rebooted: *same_boot == Some(false),
        },
        Signs {
            silent_for: Some(silent_for),
            ..
        } if *silent_for < SILENCE => Standing::Alive,
        Signs { silent_for, .. } => Standing::Unknown {
            silent_for: *silent_for,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table written out: what each sign may and may not decide.
    #[test]
    fn every_combination_of_signs() {
        let ages = [
            None,
            Some(-1_000_000),
            Some(0),
            Some(59),
            Some(60),
            Some(25 * 3600),
        ];
        let mut cases = 0;
        for over in [true, false] {
            for lease in [LeaseSign::Held, LeaseSign::Free, LeaseSign::Untrusted] {
                for same_host in [true, false] {
                    for same_boot in [None, Some(true), Some(false)] {
                        for age in ages {
                            let silent_for = age.map(TimeDelta::seconds);
                            let signs = Signs {
                                over,
                                lease,
                                same_host,
                                same_boot,
                                silent_for,
                            };
                            assert_eq!(classify(&signs), expected(&signs), "{signs:?}");
                            cases += 1;
                        }
                    }
                }
            }
        }
        assert_eq!(cases, 2 * 3 * 2 * 3 * 6);
    }

    /// The rules once more, in the words of the promises instead of the order of the code.
    fn expected(signs: &Signs) -> Standing {
        if signs.over {
            return Standing::Over;
        }
        let certain = signs.same_host && signs.lease != LeaseSign::Untrusted;
        match (certain, signs.lease) {
            (_, LeaseSign::Held) => Standing::Alive,
            (true, _) => Standing::Orphaned {
                rebooted: signs.same_boot == Some(false),
            },
            (false, _) => match signs.silent_for {
                Some(age) if age.num_seconds() < 60 => Standing::Alive,
                silent_for => Standing::Unknown { silent_for },
            },
        }
    }

    #[test]
    fn a_held_lease_beats_every_other_sign() {
        let signs = Signs {
            over: false,
            lease: LeaseSign::Held,
            same_host: false,
            same_boot: Some(false),
            silent_for: Some(TimeDelta::days(400)),
        };
        assert_eq!(classify(&signs), Standing::Alive);
    }

    #[test]
    fn a_free_lease_of_another_machine_proves_nothing() {
        let signs = Signs {
            over: false,
            lease: LeaseSign::Free,
            same_host: false,
            same_boot: Some(false),
            silent_for: Some(TimeDelta::days(400)),
        };
        assert_eq!(
            classify(&signs),
            Standing::Unknown {
                silent_for: Some(TimeDelta::days(400))
            }
        );
    }
}
