"""Publishing weights: what an upload needs, and that what was uploaded can be loaded, by the commands of the docs."""

import dataclasses
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import markdown
import numpy as np
import pytest
import yaml
from docutils.core import publish_doctree
from training_store import BANDS, GRID, configure, make_run, make_store
from weights_hosts import DOI, RECORD, REPOSITORY, weights_hosts

import sunpy_mag2euv
from sunpy_mag2euv.cli import main
from sunpy_mag2euv.field_kinds import KINDS
from sunpy_mag2euv.models import load_model, registry
from sunpy_mag2euv.training.learning import export as exporting
from sunpy_mag2euv.training.learning.export import export
from sunpy_mag2euv.training.learning.publication import FILES, Publication, model_card, zenodo_metadata

DOCS = Path(__file__).parents[1] / "docs"

#: What an export of weights named toy writes.
EXPORTED = sorted(["toy.safetensors", "toy.toml", "toy.rst", *FILES])

PUBLICATION = Publication(creators=("Doe, Jane", "Roe, Richard"), license="CC-BY-4.0")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Directory of a run."""
    directory = tmp_path_factory.mktemp("publication")
    make_store(directory / "store", caveats={193: "scarce | <b>rare</b>"})
    network = {"widths": [4, 8], "head": 4}
    description = "Two passbands, untrained"
    model = {"name": "toy", "description": description, "network": network}
    return make_run(directory / "run", configure(directory, directory / "store", model=model))


@pytest.fixture(scope="module")
def published(tmp_path_factory, run):
    """Directory of what is uploaded."""
    directory = tmp_path_factory.mktemp("publication") / "toy"
    export(run, directory / "toy.safetensors", PUBLICATION)
    return directory


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("SUNPY_MAG2EUV_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SUNPY_MAG2EUV_WEIGHTS_URL", raising=False)
    return tmp_path / "cache"


def contents(directory):
    """By name, what is in a directory."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def sha256_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def front_and_body(card):
    """A model card's metadata, and its text."""
    _, front, body = card.split("---\n", 2)
    return yaml.safe_load(front), body


def tables(text):
    """Of Markdown, row by row."""
    page = markdown.markdown(text, extensions=["tables"])
    return [
        [re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)]
        for table in re.findall(r"<table>(.*?)</table>", page, re.DOTALL)
    ]


# -- What is written ---------------------------------------------------------------------------------------------------


def test_all_that_an_upload_needs_is_beside_the_weights(published):
    assert sorted(path.name for path in published.iterdir()) == EXPORTED


def test_nothing_else_is_written_unless_somebody_publishes(run, tmp_path):
    export(run, tmp_path / "toy" / "toy.safetensors")
    assert sorted(path.name for path in (tmp_path / "toy").iterdir()) == ["toy.rst", "toy.safetensors", "toy.toml"]


def test_checksums_are_of_all_files_but_the_metadata(published):
    lines = (published / "SHA256SUMS").read_bytes().decode().splitlines()
    assert [line.split("  ")[1] for line in lines] == ["README.md", "toy.rst", "toy.safetensors", "toy.toml"]
    for line in lines:
        sha256, name = line.split("  ")
        assert sha256 == sha256_of(published / name)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum")
def test_checksums_are_what_sha256sum_checks(published, tmp_path):
    shutil.copytree(published, tmp_path / "toy")
    check = ["sha256sum", "--strict", "-c", "SHA256SUMS"]
    assert subprocess.run(check, cwd=tmp_path / "toy", capture_output=True, check=False).returncode == 0
    with (tmp_path / "toy" / "toy.toml").open("a") as file:
        file.write("#")
    assert subprocess.run(check, cwd=tmp_path / "toy", capture_output=True, check=False).returncode == 1


def test_the_model_card_begins_with_metadata(published):
    front, _ = front_and_body((published / "README.md").read_text(encoding="utf-8"))
    assert front == {
        "license": "cc-by-4.0",
        "library_name": "sunpy_mag2euv",
        "pipeline_tag": "image-to-image",
        "tags": ["solar-physics", "SDO", "AIA", "extreme-ultraviolet", "synthetic-images", "sunpy", "magnetogram"],
    }


def test_the_model_card_says_what_the_record_says(published):
    model = load_model(published / "toy.safetensors")
    _, body = front_and_body((published / "README.md").read_text(encoding="utf-8"))
    assert body.splitlines()[1] == "# toy"
    for said in (
        f"{model.description}.",
        f"Trained on: {model.provenance}.",
        f'load_model("toy.safetensors", sha256="{model.sha256}")',
        f"{GRID.shape[1]} by {GRID.shape[0]} pixels with a solar radius of {GRID.solar_radius:g} pixels",
        *(f"- {name}" for name in PUBLICATION.creators),
        *(f"<https://doi.org/{doi}>" for doi in model.references),
    ):
        assert said in body
    passbands, _ = tables(body)
    assert passbands[1:] == [
        [str(band), str(model.training_images[band]), model.calibration[band], caveat]
        for band, caveat in zip(BANDS, ("", "scarce | &lt;b&gt;rare&lt;/b&gt;"), strict=True)
    ]


def test_the_model_card_has_the_scores_of_the_table(published):
    _, body = front_and_body((published / "README.md").read_text(encoding="utf-8"))
    assert "## Scores on frames held out, whole disk, with 95 % intervals" in body
    document = publish_doctree((published / "toy.rst").read_text(encoding="utf-8"))
    rows = [
        [cell.astext() for cell in row.findall(lambda node: node.tagname == "entry")]
        for row in document.findall(lambda node: node.tagname == "row")
    ]
    assert len(rows) == 1 + 2 * 5
    assert [[cell.replace("<br>", "\n\n") for cell in row] for row in tables(body)[1]] == rows


def test_zenodo_metadata_are_those_of_a_deposition(published):
    model = load_model(published / "toy.safetensors")
    metadata = json.loads((published / ".zenodo.json").read_text(encoding="utf-8"))
    description = metadata.pop("description")
    assert metadata == {
        "title": "toy: weights for sunpy_mag2euv",
        "upload_type": "other",
        "notes": "<p>193 Å: scarce | &lt;b&gt;rare&lt;/b&gt;</p>",
        "creators": [{"name": "Doe, Jane"}, {"name": "Roe, Richard"}],
        "access_right": "open",
        "license": "cc-by-4.0",
        "keywords": ["solar physics", "SDO", "AIA", "extreme ultraviolet", "synthetic images", "sunpy", "magnetogram"],
        "related_identifiers": [
            {"identifier": doi, "relation": "cites", "resource_type": "publication-article"} for doi in model.references
        ],
    }
    for said in (f"<p>{model.description}.</p>", model.provenance, model.sha256, "no observations"):
        assert said in description


def test_models_that_translate_are_described_as_such(tiny_translator):
    scores = "whole disk", ("Inputs (Å)", "Mean CC"), [("131", "0.9")]
    front, body = front_and_body(model_card(tiny_translator, "any.safetensors", PUBLICATION, scores))
    assert front["tags"][-1] == "image-translation"
    assert "from any of the AIA images of 94, 131," in body
    assert "mag2euv.translate(aia_maps, passband=94, model=model)" in body
    assert tables(body)[1] == [["Inputs (Å)", "Mean CC"], ["131", "0.9"]]
    assert "sha256=" in zenodo_metadata(tiny_translator, "any.safetensors", PUBLICATION)["description"]


@pytest.mark.parametrize("kind", KINDS)
def test_models_say_of_which_kind_of_field_they_make_images(tiny_model, kind):
    """Whoever downloads them would give them another otherwise."""
    model = dataclasses.replace(tiny_model, field_kind=kind)
    card = model_card(model, "toy.safetensors", PUBLICATION, ("whole disk", ("a",), []))
    for text in (card, zenodo_metadata(model, "toy.safetensors", PUBLICATION)["description"]):
        assert [other for other in KINDS if f"from {KINDS[other]}, on" in text] == [kind]


def test_references_that_are_no_dois(tiny_model):
    model = dataclasses.replace(tiny_model, references=("Doe (2020), <i>On</i> toys", "10.1234/toy"))
    metadata = zenodo_metadata(model, "toy.safetensors", PUBLICATION)
    assert [entry["identifier"] for entry in metadata["related_identifiers"]] == ["10.1234/toy"]
    assert metadata["references"] == ["Doe (2020), <i>On</i> toys"]
    card = model_card(model, "toy.safetensors", PUBLICATION, ("whole disk", ("a",), []))
    assert "- Doe (2020), &lt;i&gt;On&lt;/i&gt; toys\n- <https://doi.org/10.1234/toy>" in card
    assert "References" not in model_card(
        dataclasses.replace(model, references=()), "toy.safetensors", PUBLICATION, ("whole disk", ("a",), [])
    )


@pytest.mark.parametrize(
    "text",
    [
        "<script>x</script>",
        "*a* _b_ c_d `e`",
        "# no head",
        "- no list",
        "1. no list",
        "[a](b)",
        "a\\*b",
        "&amp; & &lt;",
    ],
)
def test_text_of_a_record_is_shown_as_it_is(tiny_model, text):
    model = dataclasses.replace(tiny_model, name=text, description=text, provenance=f"{text}\n\n# {text}")
    _, body = front_and_body(model_card(model, "toy.safetensors", PUBLICATION, ("whole disk", ("a",), [])))
    head, description, *_ = markdown.markdown(body).split("\n")
    shown = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert (head, description) == (f"<h1>{shown}</h1>", f"<p>{shown.rstrip('.')}.</p>")
    assert body.count("\n# ") == 1
    assert "<script>" not in zenodo_metadata(model, "toy.safetensors", PUBLICATION)["description"]


def test_what_a_record_does_not_say_is_left_out(tiny_model):
    model = dataclasses.replace(tiny_model, description=" ", provenance="", caveats={}, references=())
    card = model_card(model, "toy.safetensors", PUBLICATION, ("whole disk", ("a",), []))
    assert "# tiny\n\nIt makes AIA images" in card
    assert "say so.\n\n## Use" in card
    metadata = zenodo_metadata(model, "toy.safetensors", PUBLICATION)
    assert metadata["description"].startswith("<p>It makes AIA images of 94, ")
    assert metadata.keys().isdisjoint({"notes", "related_identifiers", "references"})


# -- What is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("creators", [(), ("",), (" ",), ("Doe, Jane", "a\nb"), ("x" * 1001,)])
def test_somebody_made_them(creators):
    with pytest.raises(ValueError, match="creators must be one or more names, each a line such as"):
        Publication(creators=creators, license="MIT")


@pytest.mark.parametrize("name", ["", "CC BY 4.0", "-MIT", "MIT\n", "Lizenz für alle", "x" * 101])
def test_licences_are_those_of_spdx(name):
    with pytest.raises(ValueError, match=r"identifier of SPDX, such as CC-BY-4\.0; got"):
        Publication(creators=("Doe, Jane",), license=name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--creator", "Doe, Jane"], "both --creator and --license are needed"),
        (["--license", "MIT"], "both --creator and --license are needed"),
        (["--creator", "", "--license", "MIT"], "creators must be one or more names"),
        (["--creator", "Doe, Jane", "--license", "a b"], "identifier of SPDX"),
    ],
)
def test_commands_that_publish_half_are_refused(run, tmp_path, capsys, options, message):
    assert main(["export", str(run), str(tmp_path / "toy.safetensors"), *options]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [*FILES, "toy.rst"])
@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_is_in_the_way_is_left_alone(run, tmp_path, monkeypatch, name, kind):
    monkeypatch.setattr(exporting, "trained_model", None)  # It is found out before.
    if kind == "directory":
        (tmp_path / name).mkdir()
    elif kind == "file":
        if name == "toy.rst":
            pytest.skip("tables are replaced")
        (tmp_path / name).write_text("mine", encoding="utf-8")
    else:
        if name == "toy.rst":
            pytest.skip("tables are replaced")
        (tmp_path / name).symlink_to("nowhere")
    with pytest.raises(OSError, match=rf"{re.escape(str(tmp_path / name))} .*; remove it"):
        export(run, tmp_path / "toy.safetensors", PUBLICATION)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["toy.pt", "toy.toml", "a toy.safetensors", "a&b.safetensors", "töy.safetensors"])
def test_names_that_addresses_cannot_have_are_refused(run, tmp_path, name):
    with pytest.raises(ValueError, match=r"weights are files with the ending \.safetensors, and nothing in their name"):
        export(run, tmp_path / name, PUBLICATION)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="whoever runs the tests may write anywhere")
def test_directories_that_cannot_be_written_to(run, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OSError, match=r"cannot write to .* give the weights another directory"):
            export(run, tmp_path / "toy.safetensors", PUBLICATION)
    finally:
        tmp_path.chmod(0o700)


def test_directories_that_are_files(run, tmp_path):
    (tmp_path / "toy").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match=r"cannot write to .*toy \(.*\); give the weights another directory"):
        export(run, tmp_path / "toy" / "toy.safetensors", PUBLICATION)


def test_all_files_or_none(run, tmp_path, monkeypatch):
    """The last of them cannot be written."""

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    export(run, tmp_path / "toy.safetensors")
    before = contents(tmp_path)
    (tmp_path / "toy.safetensors").write_bytes(b"of another run")
    monkeypatch.setattr("sunpy_mag2euv.training.learning.publication.zenodo_metadata", fail)
    with pytest.raises(OSError, match="No space left"):
        export(run, tmp_path / "toy.safetensors", PUBLICATION)
    assert contents(tmp_path) == before | {"toy.safetensors": b"of another run"}


# -- From the upload to images, and what the docs say of it ------------------------------------------------------------


@pytest.mark.parametrize("address", [f"doi:{DOI}/toy.safetensors", f"{REPOSITORY}/resolve/main/toy.safetensors"])
def test_published_weights_can_be_used(published, monkeypatch, make_magnetogram, cache, address):
    entry = tomllib.loads((published / "toy.toml").read_text(encoding="utf-8"))["toy"]
    with weights_hosts(monkeypatch, contents(published)) as hosts:
        for _ in range(2):
            model = load_model(address, sha256=entry["sha256"])
            assert (model.name, model.sha256) == ("toy", sha256_of(published / entry["file"]))
        assert len([place for place in hosts.requested if "toy.safetensors" in place]) == (1 if "doi" in address else 2)
        with pytest.raises(ValueError, match="64 hexadecimal digits"):
            load_model(address)
        with pytest.raises(ValueError, match="nothing was kept"):
            load_model(address, sha256="0" * 64)
    assert [path.name for path in cache.iterdir()] == [f"{entry['sha256'][:16]}-toy.safetensors"]
    image = sunpy_mag2euv.generate(make_magnetogram(size=64), passband=171, model=model)
    assert np.isfinite(image.data).any()
    assert entry["sha256"] in image.meta["history"]


def test_other_files_of_the_record_are_no_weights(published, monkeypatch):
    with weights_hosts(monkeypatch, contents(published)), pytest.raises(ValueError, match="is not a safetensors file"):
        load_model(f"doi:{DOI}/README.md", sha256=sha256_of(published / "README.md"))


def blocks(section, language):
    """The code blocks of a section of the docs on weights."""
    text = (DOCS / "weights.rst").read_text(encoding="utf-8")
    text = text.split(f"\n{section}\n{'-' * len(section)}\n")[1]
    text = re.split(r"\n[^\n]+\n-{4,}\n", text)[0]
    found = re.findall(rf"\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)", text)
    return ["\n".join(line[4:] for line in block.splitlines()) for block in found]


def commands(text):
    """Lines of a shell, with continued ones in one."""
    return [line for line in text.replace("\\\n", " ").splitlines() if line]


@pytest.mark.skipif(not (DOCS / "weights.rst").exists(), reason="the documentation is not installed with the package")
@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum")
def test_the_commands_of_the_docs(run, tmp_path, monkeypatch, capsys, make_magnetogram):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run, "runs/toy")
    publish, check = blocks("Publish weights of your own", "shell")
    (command,) = commands(publish)
    assert command.startswith("mag2euv ")
    assert main(shlex.split(command)[1:]) == 0
    sha256 = sha256_of(Path("toy/toy.safetensors"))
    said = capsys.readouterr().out
    assert said.startswith(f"toy (sha256 {sha256}) written to ")
    assert all(f"toy/{name}" in said for name in EXPORTED)
    assert sorted(path.name for path in Path("toy").iterdir()) == EXPORTED
    # The table of the docs has all files.
    text = (DOCS / "weights.rst").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^``([^`]+)``  +\w", text, re.MULTILINE)) == EXPORTED

    with Path("toy/README.md").open("a", encoding="utf-8") as card:
        card.write("\nNot for flares.\n")
    first, second, third = commands(check)
    assert first == "cd toy"
    for line, status in ((third, 1), (second, 0), (third, 0)):
        assert subprocess.run(line, shell=True, cwd="toy", capture_output=True, check=False).returncode == status

    with weights_hosts(monkeypatch, contents(Path("toy"))) as hosts:
        pieces = [block.replace("9f86d081…", sha256) for block in blocks("Use published weights", "python")]
        assert len(pieces) == 2
        for piece in pieces:
            shutil.rmtree("cache", ignore_errors=True)
            names = {"mag2euv": sunpy_mag2euv}
            exec(piece, names)
            assert names["model"].sha256 == sha256
        assert any("huggingface.co" in place for place in hosts.requested)
        make_magnetogram(size=64).save("hmi.fits")
        (command,) = commands(blocks("Use published weights", "shell")[0])
        shutil.rmtree("cache")
        assert main(shlex.split(command.replace("9f86d081…", sha256))[1:]) == 0
        assert [path.name for path in Path("images").iterdir()] == ["hmi_aia_0193.fits"]

        # By name, once the entry is in a registry with the line that the docs give.
        (line,) = blocks("Publish weights of your own", "toml")
        entries = tomllib.loads(Path("toy/toy.toml").read_text(encoding="utf-8") + line)
        assert str(RECORD) in entries["toy"]["url"]
        monkeypatch.setattr(registry, "_registry", lambda: entries)
        assert list(registry.available_models()["name"]) == ["toy"]
        assert entries["toy"]["licence"] == "CC-BY-4.0"
        shutil.rmtree("cache")
        assert load_model("toy").sha256 == sha256
