"""Arrays in, arrays out: vectors of texts today; estimators and indexes stand here too."""

from salient.learning.vectors import Encoder, open_encoder

__all__ = ["Encoder", "open_encoder"]
