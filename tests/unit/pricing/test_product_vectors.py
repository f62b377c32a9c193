"""Products against the tables of the literature, each figure with its source and tolerance in tests/vectors."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thalweg.pricing.formula import Request

VECTORS = Path(__file__).parents[2] / "vectors"
FILES = [path for path in sorted(VECTORS.glob("*.json")) if '"tables"' in path.read_text()]
TABLES = [(path.stem, table) for path in FILES for table in json.loads(path.read_text())["tables"]]


@pytest.mark.parametrize(("file", "table"), TABLES, ids=[f"{name}: {table['where']}" for name, table in TABLES])
def test_published_figures_are_met(file: str, table: dict[str, Any]) -> None:
    module, name = table["function"].split(":")
    *columns, expected = (np.array(column) for column in zip(*table["rows"], strict=True))
    arguments = dict(zip(table["columns"], columns, strict=True)) | table.get("fixed", {})
    result = getattr(import_module(module), name)(**arguments, request=Request(outputs=("price",)))["price"]
    misses = np.abs(result * table.get("scale", 1.0) - expected) > table["tolerance"]
    assert not misses.any(), [(row, one) for row, one, miss in zip(table["rows"], result, misses, strict=True) if miss]
