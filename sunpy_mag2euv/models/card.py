"""
Cards: what there is to know of a model before its images are used, as notebooks show it.

All of it is the record's, but for scores and licence, which the registry has for the published weights: a record is
there before anything is scored.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Protocol

from sunpy_mag2euv.caveats import WithCaveats, caveats_of
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.models.published import published
from sunpy_mag2euv.scaling import LinearScaling

__all__ = ["Described", "card"]

#: In Mm.
_SOLAR_RADIUS = 696

#: Of the whole card, and of what is beneath each other in it. Colours are the notebook's, which may be dark.
_STYLE = "max-width: 60em; padding: 0.5em 1em; border: 1px solid; border-radius: 4px; overflow-wrap: break-word"
_TABLE = "margin: 0.5em 0; text-align: left; border-collapse: collapse"
_LEFT = "text-align: left; vertical-align: top; padding: 0.1em 1em 0.1em 0"
_HEAD = f"{_LEFT}; white-space: nowrap"


class Described(WithCaveats, Protocol):
    """What of a `~sunpy_mag2euv.models.Model` is in its card."""

    @property
    def description(self) -> str:
        """What it is, in a line."""

    @property
    def source(self) -> str:
        """What it answers to, in words."""

    @property
    def grid(self) -> Grid:
        """The pixels it works on."""

    @property
    def image_scalings(self) -> Mapping[int, LinearScaling]:
        """For every passband, the scaling of its image."""

    @property
    def gives_deviations(self) -> bool:
        """Whether the network says how far off it may be."""

    @property
    def valid_radius(self) -> float:
        """Up to which it has learnt anything, in solar radii."""

    @property
    def calibration(self) -> Mapping[int, str]:
        """For every passband, what its DN/s refer to."""

    @property
    def provenance(self) -> str:
        """What it was trained on."""

    @property
    def references(self) -> tuple[str, ...]:
        """DOIs of papers."""

    @property
    def training_images(self) -> Mapping[int, int]:
        """For every passband, how many images of it the model was trained on."""


def card(model: Described) -> str:
    """
    Make a model's card.

    Parameters
    ----------
    model : Model

    Returns
    -------
    str
        HTML that needs nothing else, with everything that is the record's escaped.
    """
    entry = published(model.sha256)
    parts = [
        f"<strong>{escape(model.name)}</strong> ({type(model).__name__}): {escape(model.description)}",
        _table(_facts(model, entry), headed=False),
        _table(_passbands(model, entry.get("scores", {}))),
    ]
    if "scored" in entry:
        parts.append(f"<p>Scores: {escape(entry['scored'])}.</p>")
    if caveats := caveats_of(model):
        parts.append(f"<strong>Caveats</strong><ul>{''.join(f'<li>{escape(caveat)}</li>' for caveat in caveats)}</ul>")
    return f'<div style="{_STYLE}">{"".join(parts)}</div>'


def _facts(model: Described, entry: dict[str, Any]) -> list[tuple[str, str]]:
    """What each fact is about, and the fact, in HTML."""
    pixel = _SOLAR_RADIUS / model.grid.solar_radius
    links = (f'<a href="https://doi.org/{escape(doi)}">doi:{escape(doi)}</a>' for doi in model.references)
    facts = {
        "Makes": "AIA images in DN/s, with standard deviations" if model.gives_deviations else "AIA images in DN/s",
        "From": escape(model.source),
        "Pixels": f"{' × '.join(map(str, model.grid.shape))}, each {pixel:.1f} Mm at the disk's centre; "
        f"up to {model.valid_radius:g} solar radii from it",
        "Level": "; ".join(map(escape, _levels(model))),
        "Learnt from": escape(model.provenance),
        "Papers": ", ".join(links),
        "Licence": escape(entry.get("licence", "not said by the weights file")),
        "sha256": f"<code>{escape(model.sha256)}</code>" if model.sha256 else "none, not in a file yet",
    }
    return [(name, text) for name, text in facts.items() if text]


def _levels(model: Described) -> list[str]:
    """What DN/s refer to, once for all passbands of which it is the same."""
    groups: dict[str, list[str]] = {}
    for band in model.image_scalings:
        groups.setdefault(model.calibration[band], []).append(str(band))
    if len(groups) == 1:
        return list(groups)
    return [f"{', '.join(bands)} Å: {text}" for text, bands in groups.items()]


def _passbands(model: Described, scores: dict[str, Sequence[float]]) -> list[tuple[str, ...]]:
    """Head and rows of a table of passbands: on how many images each rests, and how it does."""
    head = ["Passband (Å)", "Images learnt from", *(["Images scored", "CC", "RE", "PPE10"] if scores else [])]
    rows = [tuple(head)]
    for band in model.image_scalings:
        row = [str(band), str(model.training_images.get(band, "?"))]
        if scores and str(band) in scores:
            images, cc, re, ppe10 = scores[str(band)]
            row += [str(images), f"{cc:.3f}", f"{re:+.3f}".replace("-", "−"), f"{ppe10:.3f}"]
        rows.append((*row, *[""] * (len(head) - len(row))))
    return rows


def _table(rows: Iterable[Sequence[str]], *, headed: bool = True) -> str:
    """Cells of HTML as a table whose first row, or else first column, is its head."""
    lines = []
    for number, row in enumerate(rows):
        tags = ["th" if (number == 0 if headed else column == 0) else "td" for column in range(len(row))]
        cells = zip(tags, row, strict=True)
        lines.append("".join(f'<{tag} style="{_HEAD if tag == "th" else _LEFT}">{cell}</{tag}>' for tag, cell in cells))
    return f'<table style="{_TABLE}">{"".join(f"<tr>{line}</tr>" for line in lines)}</table>'
