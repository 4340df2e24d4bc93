"""Reads Inspect AI logs as its users do, and prints what they saw as one JSON document: a list for each folder.

inspect_log.py FOLDER…: needs inspect-ai. Reads every log of the folders in each way that there is: the header, all
samples, single samples, the summaries.
"""
import json
import sys
from pathlib import Path
from statistics import mean

from inspect_ai.log import (
    read_eval_log,
    read_eval_log_sample,
    read_eval_log_sample_summaries,
)
from inspect_ai.scorer import value_to_float

number = value_to_float()


def usage(used):
    return {model: [u.input_tokens, u.output_tokens, u.total_cost] for model, u in used.items()}


def requests(sample, role):
    return [event for event in sample.events if event.event == "model" and event.role == role]


def seen(sample):
    return {
        "id": sample.id,
        "epoch": sample.epoch,
        "input": sample.input,
        "scores": {name: score.value for name, score in (sample.scores or {}).items()},
        "error": sample.error.message if sample.error else None,
        "limit": [sample.limit.type, sample.limit.limit, sample.limit.reason] if sample.limit else None,
        "retries": len(sample.error_retries or []),
        "turns": sample.turn_count,
        "messages": [[m.role, m.text] for m in sample.messages],
        "calls": [[c.function, c.arguments] for m in sample.messages for c in getattr(m, "tool_calls", None) or []],
        "completion": sample.output.completion,
        "events": [event.event for event in sample.events],
        "asked": [[m.role for m in request.input] for request in requests(sample, None)],
        "judged": [[r.model, [m.text for m in r.input], r.output.completion] for r in requests(sample, "judge")],
        "usage": usage(sample.model_usage),
        "metadata": sample.metadata,
    }


def rate(samples, scorer):
    """The mean over samples of the means over epochs: how Inspect reduces."""
    scores = {}
    for sample in samples:
        if sample.scores:
            scores.setdefault(sample.id, []).append(number(sample.scores[scorer].value))
    return mean(mean(epochs) for epochs in scores.values()) if scores else None


def read(found):
    head = read_eval_log(found, header_only=True)
    log = read_eval_log(found)
    samples = [seen(sample) for sample in log.samples]
    alone = [seen(read_eval_log_sample(found, sample.id, sample.epoch)) for sample in log.samples]
    summaries = read_eval_log_sample_summaries(found)
    by_place = lambda of: sorted([s.id, s.epoch, s.error, s.limit_reason, s.turn_count, len(s.scores or {})] for s in of)
    return {
        "status": log.status,
        "task": log.eval.task,
        "run_id": log.eval.run_id,
        "model": log.eval.model,
        "epochs": log.eval.config.epochs,
        "same_header": head.eval == log.eval and head.results == log.results,
        "scores": {
            score.name: {
                "scored": score.scored_samples,
                "unscored": score.unscored_samples,
                "metrics": {name: metric.value for name, metric in score.metrics.items()},
            }
            for score in log.results.scores
        },
        "rates": {name: rate(log.samples, name) for name in ["passed", "verifiers"]},
        "usage": usage(log.stats.model_usage),
        "samples": samples,
        "same_alone": alone == samples,
        "same_summaries": by_place(summaries) == by_place(sample.summary() for sample in log.samples),
    }


print(json.dumps([[read(str(path)) for path in sorted(Path(folder).iterdir())] for folder in sys.argv[1:]]))
