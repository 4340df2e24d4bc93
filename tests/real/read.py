"""Reads a report's JUnit XML and CSV as others do, and prints what they saw as one JSON document.

read.py SCHEMA RESULTS.xml RESULTS.csv: needs xmlschema, junitparser and pandas.
"""
import json
import sys

import junitparser
import pandas
import xmlschema

schema, cases, rows = sys.argv[1:]
faults = [str(fault.reason) for fault in xmlschema.XMLSchema(schema).iter_errors(cases)]
suites = junitparser.JUnitXml.fromfile(cases)
table = pandas.read_csv(rows)
print(json.dumps({
    "faults": faults,
    "suites": [[s.name, s.tests, s.failures, s.errors, s.skipped] for s in suites],
    "cases": [[c.classname, c.name, [type(r).__name__ for r in c.result]] for s in suites for c in s],
    "columns": {name: str(kind) for name, kind in table.dtypes.items()},
    "outcomes": table["outcome"].value_counts().to_dict(),
    "rates": table.groupby("model")["passed"].mean().dropna().to_dict(),
    "scenarios": sorted(table["scenario_id"].unique()),
}))
