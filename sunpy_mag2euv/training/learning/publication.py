"""
What an upload of weights needs beside them: a model card, Zenodo's metadata, and checksums.

All of it says what the model's record says. The model card is as Hugging Face shows it: a ``README.md`` that begins
with metadata (https://huggingface.co/docs/hub/model-cards). Zenodo's metadata are those of a deposition
(https://developers.zenodo.org), in a file as it reads them from.
"""

import hashlib
import html
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sunpy_mag2euv.field_kinds import KINDS
from sunpy_mag2euv.models import FieldModel, ImageModel
from sunpy_mag2euv.models.record import is_line

__all__ = ["FILES", "Publication", "model_card", "write_publication", "zenodo_metadata"]

#: Names of what is written; the last has the checksums of all the rest but the metadata, which are no file of a record.
FILES = ("README.md", ".zenodo.json", "SHA256SUMS")

#: What weights are about, in words that Zenodo has as keywords and Hugging Face, with hyphens, as tags.
_KEYWORDS = ("solar physics", "SDO", "AIA", "extreme ultraviolet", "synthetic images", "sunpy")

_DOI = re.compile(r"10\.\d{4,9}/\S+")

#: What holds of all images of all models.
_WARNING = "Its images are synthetic: they are no observations, and their headers say so."

#: What columns of scores are, of models that generate and of those that translate.
_GENERATED = (
    "CC is the correlation, RE the relative error of the total, PPE10 the share of the pixels that are within 10 % of "
    "what was observed. Structure says how much there is of fine structure, 1 being as much as was observed; intervals "
    "of the standard deviations should hold the 68 and 95 % that they stand for. Skill is that of the CC against the "
    "best of the baselines that are in the table as well."
)
_TRANSLATED = "CC is the correlation with what was observed, of the channels that are made from these inputs."


@dataclass(frozen=True, kw_only=True)
class Publication:
    """
    What has to be known of weights that are published, and no record of a model says.

    Attributes
    ----------
    creators : tuple of str
        Who made them, in the order in which they are to be cited: each as "Family name, given names", for Zenodo.
    license : str
        Under which they are published: an identifier of SPDX, such as "CC-BY-4.0".

    Raises
    ------
    ValueError
        If nobody made them, or a name or the licence is none.
    """

    creators: tuple[str, ...]
    license: str

    def __post_init__(self) -> None:
        if not self.creators or not all(is_line(name) and name.strip() for name in self.creators):
            raise ValueError(
                'creators must be one or more names, each a line such as "Family name, given names"; '
                f"got {', '.join(map(repr, self.creators)) or 'none'}"
            )
        if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9.+-]{0,99}", self.license):
            raise ValueError(f"the license must be an identifier of SPDX, such as CC-BY-4.0; got {self.license!r}")


def write_publication(
    directory: Path,
    model: FieldModel | ImageModel,
    weights: str,
    publication: Publication,
    scores: tuple[str, Sequence, Iterable],
) -> None:
    """
    Write what an upload needs beside the weights.

    Parameters
    ----------
    directory : `pathlib.Path`
        In which everything else that is to be uploaded is already.
    model : FieldModel or ImageModel
        That the weights are of, with their ``sha256``.
    weights : str
        Name of their file.
    publication : Publication
    scores : tuple
        As `model_card` takes them.
    """
    card, metadata, sums = (directory / name for name in FILES)
    card.write_text(model_card(model, weights, publication, scores), encoding="utf-8")
    listed = sorted(path for path in directory.iterdir() if path.is_file())
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in listed]
    lines = [f"{sha256}  {path.name}\n" for sha256, path in zip(hashes, listed, strict=True)]
    # In binary, since sha256sum does not take lines that end as on Windows.
    sums.write_bytes("".join(lines).encode())
    text = json.dumps(zenodo_metadata(model, weights, publication), indent=2, ensure_ascii=False)
    metadata.write_text(text + "\n", encoding="utf-8")


def model_card(
    model: FieldModel | ImageModel, weights: str, publication: Publication, scores: tuple[str, Sequence, Iterable]
) -> str:
    """
    The model card.

    Parameters
    ----------
    model : FieldModel or ImageModel
    weights : str
        Name of the weights' file.
    publication : Publication
    scores : tuple
        What is scored, in words; the head of the table of scores; and its rows, with lines in cells.

    Returns
    -------
    str
        Markdown, with metadata in YAML before it.
    """
    # JSON's strings and lists are YAML's as well.
    front = {
        "license": publication.license.lower(),
        "library_name": "sunpy_mag2euv",
        "pipeline_tag": "image-to-image",
        "tags": [word.replace(" ", "-") for word in _keywords(model)],
    }
    scored, head, rows = scores
    parts = [
        "\n".join(["---", *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items()), "---"]),
        f"# {_escaped(model.name)}",
        *_sentences(model, _escaped),
        "## Use",
        "With the Python package `sunpy_mag2euv`, which takes the file's address as well as its path:",
        _use(model, weights),
        "## Passbands",
        _table(("Passband (Å)", "Images trained on", "DN/s refer to", "Caveat"), _passband_rows(model)),
        f"## Scores on frames held out, {scored}",
        _TRANSLATED if isinstance(model, ImageModel) else _GENERATED,
        _table(head, rows),
        *(["## References", "\n".join(f"- {_link(text)}" for text in model.references)] if model.references else []),
        "## Authors",
        "\n".join(f"- {_escaped(name)}" for name in publication.creators),
    ]
    return "\n\n".join(parts) + "\n"


def zenodo_metadata(model: FieldModel | ImageModel, weights: str, publication: Publication) -> dict:
    """
    The metadata of a deposition.

    Parameters
    ----------
    model : FieldModel or ImageModel
    weights : str
        Name of the weights' file.
    publication : Publication

    Returns
    -------
    dict
        For JSON.
    """
    dois = [text for text in model.references if _DOI.fullmatch(text)]
    call = f"load_model({json.dumps(weights)}, sha256={json.dumps(model.sha256)})"
    use = f"To be loaded with the Python package sunpy_mag2euv: <code>{html.escape(call, quote=False)}</code>"
    paragraphs = [*_sentences(model, lambda text: html.escape(text, quote=False)), use]
    caveats = [f"{band} Å: {caveat}" for band, caveat in model.caveats.items()]
    metadata = {
        "title": f"{model.name}: weights for sunpy_mag2euv",
        # Of the types that there are, none is for models.
        "upload_type": "other",
        "description": "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs),
        "notes": "".join(f"<p>{html.escape(caveat, quote=False)}</p>" for caveat in caveats),
        "creators": [{"name": name.strip()} for name in publication.creators],
        "access_right": "open",
        "license": publication.license.lower(),
        "keywords": _keywords(model),
        "related_identifiers": [
            {"identifier": doi, "relation": "cites", "resource_type": "publication-article"} for doi in dois
        ],
        "references": [text for text in model.references if text not in dois],
    }
    return {key: value for key, value in metadata.items() if value}


def _keywords(model: FieldModel | ImageModel) -> list[str]:
    """What a model is about."""
    return [*_KEYWORDS, "image translation" if isinstance(model, ImageModel) else "magnetogram"]


def _sentences(model: FieldModel | ImageModel, escaped: Callable[[str], str]) -> list[str]:
    """Paragraphs on a model, in which text of its record is to be escaped."""
    rows, columns = model.grid.shape
    if isinstance(model, ImageModel):
        given = [str(band) for band in model.input_scalings]
        inputs = f"{'any of the ' if model.selective else ''}AIA images of {', '.join(given)} Å"
    else:
        inputs = KINDS[model.field_kind]
    return [
        *([f"{escaped(model.description).rstrip('.')}."] if model.description.strip() else []),
        f"It makes AIA images of {', '.join(map(str, model.image_scalings))} Å, in DN/s, from {inputs}, "
        f"on {columns} by {rows} pixels with a solar radius of {model.grid.solar_radius:g} pixels. {_WARNING}",
        *([f"Trained on: {escaped(model.provenance).rstrip('.')}."] if model.provenance.strip() else []),
    ]


def _use(model: FieldModel | ImageModel, weights: str) -> str:
    """Lines of Python that use a model."""
    verb = "translate(aia_maps" if isinstance(model, ImageModel) else "generate(magnetogram"
    lines = [
        "```python",
        "import sunpy_mag2euv as mag2euv",
        "",
        f"model = mag2euv.load_model({json.dumps(weights)}, sha256={json.dumps(model.sha256)})",
        f"synthetic = mag2euv.{verb}, passband={next(iter(model.image_scalings))}, model=model)",
        "```",
    ]
    return "\n".join(lines)


def _passband_rows(model: FieldModel | ImageModel) -> list[tuple]:
    """What is known of each passband."""
    return [
        (band, model.training_images.get(band, ""), model.calibration[band], model.caveats.get(band, ""))
        for band in model.image_scalings
    ]


def _table(head: Sequence, rows: Iterable) -> str:
    """A table in Markdown."""
    lines = [[_escaped(cell) for cell in cells] for cells in (head, *rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _link(reference: str) -> str:
    """A reference, with where its DOI leads."""
    return f"<https://doi.org/{reference}>" if _DOI.fullmatch(reference) else _escaped(reference)


def _escaped(value: object) -> str:
    """Text that Markdown shows as it is, in one line but for the lines of a cell."""
    lines = [" ".join(line.split()) for line in str(value).splitlines()]
    text = html.escape("\n".join(lines), quote=False)
    # Underscores inside of words are left, since they mean nothing there and are in addresses.
    text = re.sub(r"[\\`*\[\]|~$#]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)
    # What would begin a list.
    text = re.sub(r"^(\d*)([-+.)]\s)", r"\1\\\2", text)
    return text.replace("\n", "<br>")
