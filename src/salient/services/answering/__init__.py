"""Answers without a language model: which found sentence answers, with what words, how surely."""

from salient.services.answering.features import Candidate
from salient.services.answering.question import AnswerType, Question, search_text
from salient.services.answering.ranking import WEIGHTS, Model, Ranked, analyse, found, load, rank

__all__ = [
    "WEIGHTS", "AnswerType", "Candidate", "Model", "Question", "Ranked",
    "analyse", "found", "load", "rank", "search_text",
]  # fmt: skip
