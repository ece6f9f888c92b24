"""Validates a bill of materials against the schema of CycloneDX 1.6, which comes with cyclonedx-python-lib.

The validator of that library compares every pair of components in Python, which takes long for hundreds of them.
"""

import json
import sys
from pathlib import Path

import cyclonedx.schema
import jsonschema_rs

FOLDER = Path(cyclonedx.schema.__file__).parent / "_res"


def schema(name):
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


# The library renames the files, and their references with them.
PARTS = ["spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json"]
registry = jsonschema_rs.Registry([(f"http://cyclonedx.org/schema/{name}", schema(name)) for name in PARTS])
validator = jsonschema_rs.validator_for(schema("bom-1.6.SNAPSHOT.schema.json"), registry=registry)
bill = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
problems = [f"{error.instance_path}: {error.message[:200]}" for error in validator.iter_errors(bill)]
sys.exit("\n".join(problems) or 0)
