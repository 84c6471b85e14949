"""
Caveats: what a model's record has to say against some of its passbands, whatever it is asked.

They never change, so users are warned of them once a process, however many images are made by whichever verb. Python's
own memory of warnings does not last: it is lost whenever filters change, as they do with every image.
"""

import re
import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from sunpy.util.exceptions import SunpyUserWarning, warn_user

from sunpy_mag2euv.passbands import Passband

__all__ = ["WithCaveats", "caveats_of", "warn_of_caveats"]

#: What Python makes of a warning that is to be shown once, in whatever sense.
_ONCE = ("default", "module", "once")

#: What users were warned of: sha256 and name of a model, and a passband.
_told: set[tuple[str, str, int]] = set()
_lock = threading.Lock()


class WithCaveats(Protocol):
    """What has caveats: a `~sunpy_mag2euv.models.Model`, which is not imported here, since it shows them itself."""

    @property
    def name(self) -> str:
        """What it is asked for by."""

    @property
    def sha256(self) -> str:
        """Of its file."""

    @property
    def passbands(self) -> tuple[Passband, ...]:
        """Those that it makes images of."""

    @property
    def caveats(self) -> Mapping[int, str]:
        """For the passbands that have one, a sentence that users are warned with."""


def caveats_of(model: WithCaveats) -> list[str]:
    """
    Say what the model's record has to say against some of its passbands.

    Parameters
    ----------
    model : Model

    Returns
    -------
    list of str
        A sentence for all passbands that have the same caveat.
    """
    return [_sentence(passbands, caveat) for caveat, passbands in _by_caveat(model, model.passbands).items()]


def warn_of_caveats(model: WithCaveats, passbands: Iterable[Passband]) -> None:
    """
    Warn of passbands that the model has caveats for, in one sentence for all that have the same.

    Parameters
    ----------
    model : Model
    passbands : iterable of Passband
        Those asked for.

    Warns
    -----
    SunpyUserWarning
        Of each passband of a model once a process. Filters of Python rule: where they say "always" or "error", in each
        call, as in blocks of `warnings.catch_warnings` with ``warnings.simplefilter("always")``; and what they ignore
        has not been said.
    """
    for caveat, group in _by_caveat(model, passbands).items():
        if _action(_sentence(group, caveat)) in _ONCE:
            group = _untold(model, group)
        if group:
            warn_user(_sentence(group, caveat))


def _by_caveat(model: WithCaveats, passbands: Iterable[Passband]) -> dict[str, list[Passband]]:
    """Those passbands that have caveats, by their caveat."""
    groups: dict[str, list[Passband]] = {}
    for passband in passbands:
        if passband.angstrom in model.caveats:
            groups.setdefault(model.caveats[passband.angstrom], []).append(passband)
    return groups


def _untold(model: WithCaveats, passbands: Sequence[Passband]) -> list[Passband]:
    """Those that users have not been warned of, who will be now."""
    keys = {(model.sha256, model.name, passband.angstrom): passband for passband in passbands}
    with _lock:
        untold = [passband for key, passband in keys.items() if key not in _told]
        _told.update(keys)
    return untold


def _sentence(passbands: Sequence[Passband], caveat: str) -> str:
    """The caveat of one passband or of each of several."""
    *others, last = passbands
    if others:
        return f"each of {', '.join(str(passband.angstrom) for passband in others)} and {last}: {caveat}"
    return f"{last}: {caveat}"


def _action(sentence: str) -> str:
    """What Python's filters make of a warning from here."""
    for action, message, category, module, line in warnings.filters:
        if (
            issubclass(SunpyUserWarning, category)
            and _fits(message, sentence)
            and _fits(module, __name__)
            # Who filters lines does not mean these.
            and line == 0
        ):
            return action
    return "default"


def _fits(pattern: re.Pattern[str] | str | None, text: str) -> bool:
    """Whether the pattern of a filter, of which Python's own have texts, is one of a text."""
    return pattern is None or (pattern == text if isinstance(pattern, str) else pattern.match(text) is not None)
