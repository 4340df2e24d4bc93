#!/bin/sh
# A pull request on an MCP server must not make models worse at using it. Runs the harness on the server as it was and as it
# is now, and compares: exit code 0 nothing is worse, 1 something is, or too little could be compared, 2 a harness or gym
# file is wrong, OLD is no run, or fewer trials are planned than are asked for, 3 a run could not finish.
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

# What can be known before anything is paid is looked at first: that the run to compare with is there, and that enough will be
# tried for a verdict.
old=${OLD:-}
if [ -n "$old" ]; then
    shown=$(bench-cli show "$old")
    case $shown in
    *"retry    trials that "*)
        echo "$old was made by retry: its trials were chosen by how they had ended, so nothing is compared with it" >&2
        exit 2
        ;;
    *"status   completed"*) ;;
    *)
        echo "$old is not completed: nothing is compared with it" >&2
        exit 3
        ;;
    esac
fi
plan=$(bench-cli run "$harness" --model "$model" --runs "$runs" ${after:+--gym-config "$after"} --dry-run)
trials=$(echo "$plan" | sed -n 's/^.* = \([0-9]*\) trial.*/\1/p')
if [ "$trials" -lt "$least" ]; then
    echo "$trials trials are planned, and MIN_TRIALS asks for $least: more scenarios, a larger RUNS, or a smaller MIN_TRIALS" >&2
    exit 2
fi

# OLD names a run that is there already, such as the last one of the main branch: then only the new server is tried.
old=${old:-$(run_with "$before" before)}
new=$(run_with "$after" after)

code=0
bench-cli compare "$old" "$new" --fail-if-worse --min-trials "$least" $compare > "${BENCH_RESULTS:-results}/compare.txt" || code=$?
cat "${BENCH_RESULTS:-results}/compare.txt"

# GitHub shows this beside the pull request.
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
    { echo '```text'; cat "${BENCH_RESULTS:-results}/compare.txt"; echo '```'; } >> "$GITHUB_STEP_SUMMARY"
fi
exit "$code"
