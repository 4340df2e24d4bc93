#!/bin/sh
# A pull request on an MCP server must not make models worse at using it. Runs the harness on the server as it was and as it
# is now, and compares: exit code 0 nothing is worse, 1 something is, or too little was tried, 2 a harness or gym file is
# wrong, 3 a run could not finish.
set -eu

harness=${HARNESS:-examples/quickstart}
model=${MODEL:-oracle}
runs=${RUNS:-3}
# Gym files that start or name the server before and after; without them the gyms of the harness, or the built-in one.
before=${BEFORE:-}
after=${AFTER:-}
# Fewer trials with a verdict than this say nothing, and nothing said must not look like good news.
least=${MIN_TRIALS:-30}
# More options of `compare`, such as --min-compared=50%.
compare=${COMPARE:-}

# run_with GYM_FILE LABEL: prints the id of a run that is over.
run_with() {
    id=$(bench-cli run "$harness" --model "$model" --runs "$runs" --label "$2" ${1:+--gym-config "$1"} --background)
    bench-cli attach "$id" >&2
    echo "$id"
}

# OLD names a run that is there already, such as the last one of the main branch: then only the new server is tried.
old=${OLD:-$(run_with "$before" before)}
new=$(run_with "$after" after)

code=0
bench-cli compare "$old" "$new" --fail-if-worse --min-trials "$least" $compare > "${BENCH_RESULTS:-results}/compare.txt" || code=$?
cat "${BENCH_RESULTS:-results}/compare.txt"

# GitHub shows this beside the pull request.
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
    { echo '```text'; cat "${BENCH_RESULTS:-results}/compare.txt"; echo '```'; } >> "$GITHUB_STEP_SUMMARY"
fi
exit "$code"
