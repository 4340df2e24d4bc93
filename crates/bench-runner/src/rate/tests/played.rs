//! Whole runs against providers that limit their rate, made up by the thousand, in no time.

use super::*;

/// A provider that lets so many requests through each second, and refuses the others.
#[derive(Clone, Copy, Debug)]
struct Provider {
    per_second: f64,
    /// As many may come in one instant; zero for one that counts within whole seconds.
    burst: f64,
    takes_ms: u64,
    refuses_ms: u64,
    retry_after: Option<Duration>,
}

struct Bucket {
    of: Provider,
    left: Mutex<(f64, Instant)>,
    began: Instant,
    requests: AtomicU32,
}

impl Bucket {
    fn admits(&self) -> bool {
        let of = self.of;
        let mut left = self.left.lock().unwrap();
        if of.burst == 0.0 {
            let second = |at: Instant| (at - self.began).as_secs();
            if second(left.1) != second(Instant::now()) {
                left.0 = of.per_second;
            }
        } else {
            left.0 = (left.0 + left.1.elapsed().as_secs_f64() * of.per_second).min(of.burst);
        }
        left.1 = Instant::now();
        let admits = left.0 >= 1.0;
        left.0 -= f64::from(u8::from(admits));
        admits
    }

    async fn ask(&self) -> Result<TurnReply, ModelError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let admits = self.admits();
        let takes = if admits {
            self.of.takes_ms
        } else {
            self.of.refuses_ms
        };
        sleep(Duration::from_millis(takes).mul_f64(0.5 + fastrand::f64())).await;
        if admits {
            Ok(TurnReply::default())
        } else {
            let rest = || Duration::from_secs_f64(1.0 - self.began.elapsed().as_secs_f64().fract());
            let asked = self
                .of
                .retry_after
                .map(|after| if self.of.burst == 0.0 { rest() } else { after });
            Err(refusal(asked))
        }
    }
}

/// What 200 trials of 5 requests each came to.
#[derive(Debug)]
struct Played {
    seconds: f64,
    requests: u32,
    /// Of one turn.
    most_refused: u32,
    /// Events.
    told: u32,
}

async fn play(provider: Provider, at_once: u32) -> Played {
    fastrand::seed(7);
    let bucket = Bucket {
        of: provider,
        left: Mutex::new((
            provider
                .burst
                .max(provider.per_second * f64::from(provider.burst == 0.0)),
            Instant::now(),
        )),
        began: Instant::now(),
        requests: AtomicU32::new(0),
    };
    let (rate, slots) = (rate(at_once), Slots::new(at_once as usize));
    let most_refused = AtomicU32::new(0);
    let told = AtomicU32::new(0);
    let start = Instant::now();
    let trials = (0..200).map(|_| async {
        let _slot = slots.next().await;
        for _ in 0..5 {
            let mut refused = 0;
            loop {
                let permit = rate.next_permit().await;
                let reply = bucket.ask().await;
                told.fetch_add(u32::from(permit.ended(&reply).is_some()), Ordering::Relaxed);
                let Err(error) = reply else { break };
                refused += 1;
                most_refused.fetch_max(refused, Ordering::Relaxed);
                let drawn = || Duration::from_secs(1 << (refused - 1)).mul_f64(fastrand::f64());
                let asked = error
                    .retry_after
                    .map(|after| after.mul_f64(1.0 + fastrand::f64() / 10.0));
                sleep(asked.unwrap_or_else(drawn)).await;
            }
        }
    });
    join_all(trials).await;
    Played {
        seconds: start.elapsed().as_secs_f64(),
        requests: bucket.requests.into_inner(),
        most_refused: most_refused.into_inner(),
        told: told.into_inner(),
    }
}

/// How a provider is played: 200 trials of 5 requests each, and what is the least that it could take.
async fn check(provider: Provider, at_once: u32) -> Result<(), String> {
    let played = play(provider, at_once).await;
    let takes = 1.5 * Duration::from_millis(provider.takes_ms).as_secs_f64();
    let limited = (1000.0 - provider.burst) / provider.per_second + takes;
    let ideal = limited.max(1000.0 / f64::from(at_once) * takes / 1.5);
    let (slow, sent) = (played.seconds / ideal, f64::from(played.requests) / 1000.0);
    let line = format!("{provider:?}, {at_once} at once: {slow:.2} x ideal, {sent:.2} x calls; {played:?}");
    let good = slow <= 1.15 && sent <= 1.3 && played.most_refused <= 8 && played.told <= 40;
    if good { Ok(()) } else { Err(line) }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_limits_its_rate_is_used_up_without_a_storm() {
    let mut bad = Vec::new();
    for (per_second, burst) in [(50.0, 50.0), (50.0, 0.0), (5.0, 5.0)] {
        for takes_ms in [1, 50, 500, 1000] {
            for retry_after in [None, Some(Duration::from_secs(1))] {
                let provider = Provider {
                    per_second,
                    burst,
                    takes_ms,
                    refuses_ms: takes_ms.min(2),
                    retry_after,
                };
                for at_once in [8, 100, 200] {
                    bad.extend(check(provider, at_once).await.err());
                }
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
