"""
Invertible scalings between physical values and the numbers that a network works with.

Every scaling maps ``low`` to −1 and ``high`` to 1, clips what lies outside, and takes NumPy arrays, scalars or tensors.
"""

import sys
from dataclasses import asdict, dataclass
from numbers import Real
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = ["AsinhScaling", "LinearScaling", "LogScaling", "SqrtScaling", "scaling_from_dict"]

#: What parameters may be at most: whole numbers beyond are none to NumPy.
_LARGEST = 1e18


def _functions(value: object) -> ModuleType:
    """NumPy, or torch for its tensors; what is needed of them has the same names."""
    torch = sys.modules.get("torch")
    return np if torch is None or not isinstance(value, torch.Tensor) else torch


@dataclass(frozen=True)
class LinearScaling:
    """
    Linear from ``low`` to ``high``.

    Parameters
    ----------
    low, high : float
        Physical values that become −1 and 1.

    Raises
    ------
    ValueError
        If parameters are no numbers, or none that a scaling can be made from.

    Examples
    --------
    >>> from sunpy_mag2euv.scaling import LinearScaling
    >>> float(LinearScaling(-3000, 3000).forward(1500.0))
    0.5
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            # NaN is found below, by what it is not greater than.
            if not isinstance(value, Real) or isinstance(value, bool) or abs(value) > _LARGEST:  # type: ignore[operator]
                raise ValueError(f"{name} of a scaling must be a number up to {_LARGEST:g}; got {value!r:.50}")
        if not self.low < self.high:
            raise ValueError(f"a scaling needs low < high; got low={self.low:g}, high={self.high:g}")
        self._check()
        # Images are of single precision.
        low, high = (np.array([value], dtype=np.float32) for value in (self.low, self.high))
        with np.errstate(all="ignore"):
            spans = self._stretch(high) - self._stretch(low), self._stretch(self.high) - self._stretch(self.low)
        if not all(0 < span < np.inf for span in spans):
            raise ValueError(f"a scaling must tell low from high in single precision; {self} does not")

    def _check(self) -> None:
        """ValueError if parameters are not such as the stretch needs."""

    def _stretch(self, value: Any) -> Any:
        """The function in which the scaling is linear."""
        return value

    def _unstretch(self, value: Any) -> Any:
        """Inverse of `_stretch`."""
        return value

    def forward(self, value: Any) -> Any:
        """Physical value → −1…1."""
        low, high = self._stretch(self.low), self._stretch(self.high)
        clipped = _functions(value).clip(value, self.low, self.high)
        return 2 * (self._stretch(clipped) - low) / (high - low) - 1

    def inverse(self, scaled: Any) -> Any:
        """−1…1 → physical value."""
        low, high = self._stretch(self.low), self._stretch(self.high)
        return self._unstretch(low + (np.clip(scaled, -1, 1) + 1) / 2 * (high - low))

    def moments(self, mean: "torch.Tensor", deviation: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
        """
        Mean and standard deviation of the physical value whose scaled value is normally distributed.

        Parameters
        ----------
        mean, deviation : `torch.Tensor`
            Of the scaled value; a mean outside −1…1 is clipped.

        Returns
        -------
        mean, deviation : `torch.Tensor`
            Of the physical value, not clipped. Where the stretch is curved, that is not the ``inverse`` of the mean.
        """
        low, high = self._stretch(self.low), self._stretch(self.high)
        return self._unstretched_moments(
            float(low) + (mean.clamp(-1, 1) + 1) / 2 * float(high - low), deviation / 2 * float(high - low)
        )

    def _unstretched_moments(
        self, mean: "torch.Tensor", deviation: "torch.Tensor"
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """Moments of `_unstretch` of a normally distributed tensor."""
        return mean, deviation

    def to_dict(self) -> dict[str, Any]:
        """A plain dictionary from which `scaling_from_dict` makes the same scaling."""
        return {"kind": type(self).__name__.removesuffix("Scaling").lower(), **asdict(self)}


@dataclass(frozen=True)
class SqrtScaling(LinearScaling):
    """Linear in the square root: even noise for photon counts. ``low`` may not be negative."""

    def _check(self) -> None:
        if self.low < 0:
            raise ValueError(f"a square-root scaling needs low >= 0; got {self.low:g}")

    def _stretch(self, value: Any) -> Any:
        return _functions(value).sqrt(value)

    def _unstretch(self, value: Any) -> Any:
        return np.square(value)

    def _unstretched_moments(
        self, mean: "torch.Tensor", deviation: "torch.Tensor"
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        variance = deviation.square()
        return mean.square() + variance, deviation * (4 * mean.square() + 2 * variance).sqrt()


@dataclass(frozen=True)
class LogScaling(LinearScaling):
    """
    Linear in ``log(value + offset)``.

    ``LogScaling(0, 2**14 - 1, offset=1)`` is the ``log2(clip(DN/s + 1, 1, 2**14))`` of Park et al. 2019.

    Parameters
    ----------
    low, high : float
        Physical values that become −1 and 1.
    offset : float
        Added before the logarithm.
    """

    offset: float = 0.0

    def _check(self) -> None:
        if not self.low + self.offset > 0:
            raise ValueError(f"a logarithmic scaling needs low + offset > 0; got {self.low + self.offset:g}")

    def _stretch(self, value: Any) -> Any:
        return _functions(value).log(value + self.offset)

    def _unstretch(self, value: Any) -> Any:
        return np.exp(value) - self.offset

    def _unstretched_moments(
        self, mean: "torch.Tensor", deviation: "torch.Tensor"
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        variance = deviation.square()
        mean = (mean + variance / 2).exp()
        return mean - self.offset, mean * variance.expm1().sqrt()


@dataclass(frozen=True)
class AsinhScaling(LinearScaling):
    """
    Linear well below ``knee`` and logarithmic above it, for either sign: a signed field over its whole range.

    Parameters
    ----------
    low, high : float
        Physical values that become −1 and 1.
    knee : float
        Where linear turns into logarithmic.
    """

    knee: float = 1.0

    def _check(self) -> None:
        if not self.knee > 0:
            raise ValueError(f"an asinh scaling needs knee > 0; got {self.knee:g}")

    def _stretch(self, value: Any) -> Any:
        return _functions(value).arcsinh(value / self.knee)

    def _unstretch(self, value: Any) -> Any:
        return self.knee * np.sinh(value)

    def _unstretched_moments(
        self, mean: "torch.Tensor", deviation: "torch.Tensor"
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        variance = deviation.square()
        spread = variance.expm1() * (variance.exp() * (2 * mean).cosh() + 1) / 2
        return self.knee * (variance / 2).exp() * mean.sinh(), self.knee * spread.sqrt()


_KINDS = {"linear": LinearScaling, "sqrt": SqrtScaling, "log": LogScaling, "asinh": AsinhScaling}


def scaling_from_dict(record: dict[str, Any]) -> LinearScaling:
    """
    Make a scaling from a record such as ``{"kind": "log", "low": 1, "high": 100}``.

    Raises
    ------
    ValueError
        If the kind is unknown or its parameters do not fit.
    """
    parameters = dict(record)
    kind = parameters.pop("kind", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"unknown scaling {kind!r}; expected one of {', '.join(_KINDS)}")
    try:
        return _KINDS[kind](**parameters)
    except TypeError as error:
        raise ValueError(f"the {kind} scaling cannot be made from {', '.join(parameters)}: {error}") from None
