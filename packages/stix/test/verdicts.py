"""Verdicts of PyPI's stix2-validator: reads JSON lines, one object each, and writes one JSON line for each verdict.

For compare.ts. Default options of the validator, specification version 2.1: an object is valid if there are no errors.
"""
import json
import sys

from stix2validator import ValidationOptions, validate_parsed_json

options = ValidationOptions(version="2.1")
for line in sys.stdin:
    try:
        result = validate_parsed_json(json.loads(line), options)
        verdict = {"valid": bool(result.is_valid), "errors": [str(error) for error in result.errors][:3]}
    except Exception as error:  # what it does not catch itself is a verdict too: it gave none
        verdict = {"valid": None, "errors": [type(error).__name__ + ": " + str(error)]}
    print(json.dumps(verdict), flush=True)
