"""The repository's own style, checked: sizes, banned words, unchecked division, and docs that point at what exists."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
LINES_MAX = 400
FUNCTION_LINES_MAX = 70
BANNED_NAMES = {"utils", "helpers", "manager", "common", "misc"}
SIGNED = [path for path in SOURCES if path.relative_to(ROOT / "src" / "thalweg").parts[0] in {"channel", "instruments"}]


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_files_and_functions_are_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LINES_MAX, "does one thing live here, or two?"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{node.name} has {lines} lines"


def test_no_drawer_for_odds_and_ends() -> None:
    names = {part for path in SOURCES for part in (*path.relative_to(ROOT).parts[:-1], path.stem)}
    assert not names & BANNED_NAMES


@pytest.mark.parametrize("path", SIGNED, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_signed_money_is_divided_only_by_functions_that_name_their_rounding(path: Path) -> None:
    divisions = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div | ast.FloorDiv))
        or (isinstance(node, ast.Constant) and isinstance(node.value, float))
    ]
    assert not divisions, f"use mul_div_down or mul_div_up at lines {divisions}"


def test_nothing_is_left_to_do_and_nothing_is_swallowed() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|except (Base)?Exception:\s*\n\s*pass")
    guilty = [str(path.relative_to(ROOT)) for path in SOURCES if marks.search(path.read_text())]
    assert not guilty


def test_no_path_of_a_machine_and_no_registry_is_named() -> None:
    leak = re.compile(rb"/(?:wor" + rb"k|roo" + rb"t|hom" + rb"e/\w+)/|(?:pypi|npmjs)\." + rb"(?:org|com)")
    texts = {".py", ".vy", ".vyi", ".md", ".toml", ".lock", ".json", ".txt", ".yml", ".mk", ""}
    guilty = [
        str(path.relative_to(ROOT))
        for path in _tracked()
        if path.suffix in texts and path.name != "LICENSE" and leak.search(path.read_bytes())
    ]
    assert not guilty


def test_markdown_links_point_at_files() -> None:
    link = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in _tracked()
        if path.suffix == ".md"
        for target in link.findall(path.read_text())
        if not (path.parent / target).exists()
    ]
    assert not broken
