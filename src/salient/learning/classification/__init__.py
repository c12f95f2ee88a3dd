"""Texts into classes: linear models over hashed n-grams, at the speed of reading the texts.

The estimators have scikit-learn's interface, and need no scikit-learn.
"""

from salient.learning.checkpoints import Checkpoints
from salient.learning.classification.evaluation import (
    Measures,
    Report,
    Tuned,
    cross_validate,
    held_out,
    measured,
    thresholds,
    together,
    tune,
)
from salient.learning.classification.features import HashedTexts, Texts
from salient.learning.classification.mixing import Mixed
from salient.learning.classification.model import TextClassifier
from salient.learning.classification.reasons import Reason
from salient.learning.classification.stored import (
    Told,
    classify_records,
    labelled_records,
    told,
)

__all__ = [
    "Checkpoints", "HashedTexts", "Measures", "Mixed", "Reason", "Report", "TextClassifier", "Texts", "Told", "Tuned",
    "classify_records", "cross_validate", "held_out", "labelled_records", "measured", "thresholds", "together", "told",
    "tune",
]  # fmt: skip
