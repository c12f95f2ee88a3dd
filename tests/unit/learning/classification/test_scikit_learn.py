"""scikit-learn takes the estimator for one of its own."""

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.validation import check_is_fitted

from salient.learning.classification import TextClassifier
from tests.unit.learning.classification.test_model import corpus

# The others make up matrices of numbers to learn from: of estimators of texts scikit-learn leaves them out itself.
CHECKS = [
    "check_estimator_cloneable", "check_estimator_repr", "check_estimator_tags_renamed", "check_get_params_invariance",
    "check_mixin_order", "check_no_attributes_set_in_init", "check_parameters_default_constructible", "check_set_params",
    "check_valid_tag_types",
]  # fmt: skip


@pytest.mark.parametrize("check", CHECKS)
def test_the_checks_that_need_no_matrix_pass(check):
    getattr(estimator_checks, check)("TextClassifier", TextClassifier(n_bits=10))


def test_it_is_cloned_with_its_parameters_and_without_what_it_learnt():
    texts, labels = corpus(60)
    model = TextClassifier(n_bits=12, loss="log").fit(texts, labels)
    check_is_fitted(model)
    other = clone(model)
    assert other.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        check_is_fitted(other)
    assert is_classifier(model)


def test_searches_and_pipelines_use_it():
    texts, labels = map(np.array, corpus(120))
    model = TextClassifier(n_bits=12, epochs=2)
    assert cross_val_score(model, texts, labels, cv=3).mean() > 0.9
    assert cross_val_score(make_pipeline(model), texts, labels, cv=3).mean() > 0.9
    search = GridSearchCV(model, {"words": [1, 2], "loss": ["hinge", "log"]}, cv=2)
    assert search.fit(texts, labels).best_score_ > 0.9
