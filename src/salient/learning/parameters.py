"""What every estimator has of scikit-learn's interface: its arguments, read and set by name."""

from __future__ import annotations

import inspect
from typing import Any, Self

from salient.errors import InvalidInput


class Parameterised:
    """An estimator whose arguments are its attributes, as scikit-learn has it."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments it was made with; there is nothing deeper."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Raises InvalidInput: there is no such argument."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise InvalidInput(
                    f"{name} is no parameter of {type(self).__name__}", known=sorted(known)
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        usual = {n: p.default for n, p in inspect.signature(type(self)).parameters.items()}
        changed = [f"{n}={v!r}" for n, v in self.get_params().items() if v != usual[n]]
        return f"{type(self).__name__}({', '.join(changed)})"
