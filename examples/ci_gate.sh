#!/bin/sh
# A pass rate as a condition in continuous integration. Copy it, change the three lines below, and let the job fail
# with the exit code: 0 the gate is met, 1 it is not, 2 the harness is missing or broken, 3 the run could not finish.
set -eu

harness=${HARNESS:-examples/quickstart}
model=${MODEL:-oracle}
rate=${RATE:-90%}

# A broken harness costs not a single token: `run` refuses whatever `check` calls an error.
# --strict: a trial without a verdict is a problem of ours, and a job that hides it is worth nothing.
code=0
bench-cli run "$harness" --model "$model" --fail-under "$rate" --strict --label "${CI_JOB_NAME:-local}" || code=$?

# Whatever the result, keep what happened with the job: results/ is the artifact. 2: there was no run.
test "$code" = 2 || bench-cli show latest --json > "${BENCH_RESULTS:-results}/latest.json"
exit "$code"
