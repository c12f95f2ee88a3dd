"""Texts into classes: linear models over hashed n-grams, at the speed of reading the texts.

The estimators have scikit-learn's interface, and need no scikit-learn.
"""

from salient.learning.classification.evaluation import (
    Measures,
    Report,
    cross_validate,
    measured,
    thresholds,
)
from salient.learning.classification.features import HashedTexts, Texts
from salient.learning.classification.model import TextClassifier
from salient.learning.classification.reasons import Reason
from salient.learning.classification.stored import Told, classify_records, told

__all__ = [
    "HashedTexts", "Measures", "Reason", "Report", "TextClassifier", "Texts", "Told", "classify_records", "cross_validate",
    "measured", "thresholds", "told",
]  # fmt: skip
