"""The repository's own promises."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import salient
from salient import errors
from salient.settings import Settings, origins

ROOT = Path(__file__).resolve().parent.parent.parent


def tracked():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [name for name in listed if (ROOT / name).is_file()]


def test_public_names_are_sorted_documented_and_importable():
    assert salient.__all__ == sorted(salient.__all__)
    for name in salient.__all__:
        assert getattr(salient, name).__doc__


def test_importing_salient_is_light():
    heavy = ("fastapi", "spacy", "numpy", "sqlalchemy", "tantivy", "pydantic")
    code = f"import sys, salient; print([n for n in {heavy} if n in sys.modules])"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "src"
    )
    assert out.stdout.strip() == "[]"


def test_no_file_is_too_long():
    long = {
        name: n
        for name in tracked()
        if name.endswith((".py", ".pyx", ".ts", ".tsx"))
        and (n := len((ROOT / name).read_text("utf-8").splitlines())) > 800
    }
    assert long == {}


def test_no_path_or_registry_of_a_machine_is_committed():
    here = [
        rf"(?<!\w){re.escape(str(folder))}/"
        for folder in {ROOT.parent, Path.home()}
        if folder.parts[1:]
    ]
    bad = re.compile("|".join([*here, r"(?<!emit-)index-url", r"://[^\s/]+/simple", '"resolved":']))
    own = Path(__file__).relative_to(ROOT).as_posix()
    found = []
    for name in tracked():
        if name == own or Path(name).suffix in (".pdf", ".docx", ".png", ".jpg", ".zip", ".xlsx"):
            continue
        text = (ROOT / name).read_bytes().decode("utf-8", "replace")
        found += [f"{name}: {m.group()}" for m in bad.finditer(text)][:2]
    assert found == []


def test_readme_names_the_python_that_is_required():
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert f"Python {needed.removeprefix('>=')}" in (ROOT / "README.md").read_text()


def test_locks_have_hashes_and_no_addresses():
    for name in ("requirements.lock", "requirements-build.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        packages = re.findall(r"^[a-z0-9].*==", text, re.M)
        assert len(packages) > 40
        assert text.count("--hash=") >= len(packages)


def test_every_error_is_documented():
    text = (ROOT / "docs/reference/errors.md").read_text()
    assert [c for c in errors.tree() if c != "error" and f"`{c}`" not in text] == []


def test_every_setting_is_documented():
    text = (ROOT / "docs/reference/settings.md").read_text()
    names = [name for name, _, _ in origins(Settings())]
    assert [n for n in names if f"`{n}`" not in text] == []


def test_every_service_is_documented(workspace):
    text = (ROOT / "docs/reference/services.md").read_text()
    assert [n for n in workspace.app.services if f"`{n}`" not in text] == []


def test_the_openapi_document_is_what_the_server_offers(workspace):
    from salient.interfaces import rest

    offered = rest.create(workspace.app).openapi()
    committed = json.loads((ROOT / "docs/reference/openapi.json").read_text())
    assert offered == committed, "python3 docs/generate.py writes it anew"


def blocks():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for page in pages:
        # A block without a language right behind the code is what it prints.
        pattern = r"^```python\n(.*?)^```\n(?:\n```\n(.*?)^```)?"
        found = re.findall(pattern, page.read_text(), re.M | re.S)
        if found:
            code, printed = ("\n".join(parts) for parts in zip(*found, strict=True))
            yield pytest.param(code, printed, id=page.relative_to(ROOT).as_posix())


@pytest.mark.parametrize(("code", "printed"), list(blocks()))
def test_python_in_the_documentation_runs_and_prints_what_it_says(code, printed, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == printed
