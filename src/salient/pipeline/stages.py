"""The stages of a document's way, and the keys of what they make.

convert → text → annotate → annotations → read → names, mentions, findings
                                       └→ passages → spans and vectors

An artifact's key is made of the bytes that went in, the stage, the component with its version, its
parameters, and the key of the artifact it was made from: equal keys mean equal contents, so a stage
whose artifact exists is not run again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

CONVERT, ANNOTATE, READ, PASSAGES = "convert", "annotate", "read", "passages"
STAGES = (CONVERT, ANNOTATE, READ, PASSAGES)


def artifact_key(
    version: str, stage: str, component: str, parameters: Mapping[str, Any], made_from: str = ""
) -> str:
    """Where the output of `stage` lies in the blob store.

    Args:
        version: SHA-256 of the document's bytes.
        component: `name@version`.
        parameters: JSON values that change the output.
        made_from: key of the artifact that went in.
    """
    recipe = json.dumps([component, dict(parameters), made_from], sort_keys=True)
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:24]
    return f"artifact/{stage}/{version[:2]}/{version}/{digest}"
