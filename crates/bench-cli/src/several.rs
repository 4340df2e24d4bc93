//! Several things at a time, for work that waits for the disk: files that are not in memory come much faster when some
//! are asked for at once. The results come in the order of the things; nothing goes on after the call.

use std::panic::resume_unwind;
use std::thread;

/// Things at a time.
const WORKERS: usize = 8;
/// Fewer than so many for each worker are not worth a thread.
const LEAST: usize = 16;

/// What becomes of each thing, in their order.
pub(crate) fn each<T: Sync, R: Send>(things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let part = things.len().div_ceil(WORKERS).max(LEAST);
    let of_part = |part: &[T]| part.iter().map(&work).collect::<Vec<R>>();
    let mut parts = things.chunks(part);
    let first = parts.next().unwrap_or_default();
    thread::scope(|scope| {
        let of_part = &of_part;
        let begin = |part| {
            let worker = thread::Builder::new().spawn_scoped(scope, move || of_part(part));
            (part, worker.ok())
        };
        let others: Vec<_> = parts.map(begin).collect();
        let mut done = of_part(first);
        for (part, worker) in others {
            done.extend(match worker.map(thread::ScopedJoinHandle::join) {
                Some(Ok(results)) => results,
                Some(Err(panic)) => resume_unwind(panic),
                // There was no thread to be had; it takes longer then.
                None => of_part(part),
            });
        }
        done
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::{Barrier, Mutex};

    use super::*;

    #[test]
    fn results_come_in_order_however_many_there_are() {
        for count in [0, 1, 2, 15, 16, 17, 127, 128, 129, 1_000] {
            let things: Vec<usize> = (0..count).collect();
            let doubled: Vec<usize> = things.iter().map(|n| n * 2).collect();
            assert_eq!(each(&things, |n| n * 2), doubled, "{count}");
        }
    }

    #[test]
    fn as_many_are_done_at_a_time_as_there_are_workers_and_no_more() {
        let together = Barrier::new(WORKERS); // passed only if all of them wait
        let workers = Mutex::new(BTreeSet::new());
        let things: Vec<usize> = (0..WORKERS * LEAST).collect();
        each(&things, |n| {
            workers
                .lock()
                .unwrap()
                .insert(format!("{:?}", thread::current().id()));
            if n % LEAST == 0 {
                together.wait();
            }
        });
        assert_eq!(workers.into_inner().unwrap().len(), WORKERS);
    }

    #[test]
    fn a_panic_is_passed_on() {
        let things: Vec<usize> = (0..100).collect();
        let outcome = std::panic::catch_unwind(|| each(&things, |n| assert!(*n != 99, "the last one")));
        assert!(outcome.is_err());
    }
}
