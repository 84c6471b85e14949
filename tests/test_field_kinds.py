"""Which kind of field a magnetogram, a model and a store are of, and who says so."""

import dataclasses
import json

import pytest

from sunpy_mag2euv.field_kinds import KINDS, LINE_OF_SIGHT, SDOML_BZ, field_kind
from sunpy_mag2euv.models import FieldModel, load_model, save_model
from sunpy_mag2euv.preparation import prepare
from sunpy_mag2euv.synthesis import generate
from sunpy_mag2euv.validity import assess


def test_what_headers_say():
    assert field_kind({}) == field_kind({"content": "MAGNETOGRAM"}) == field_kind({"content": 5}) == LINE_OF_SIGHT
    assert field_kind({"content": " sdoml bz "}) == SDOML_BZ


def test_components_of_sdoml_have_to_be_named(make_magnetogram, tiny_model):
    """Its Bx, By and Bz have one header, which only it has PIXLUNIT in."""
    with pytest.raises(ValueError, match=r"is a component of SDOML's \(PIXLUNIT\).*map.meta\['content'\] = 'SDOML Bz'"):
        prepare(make_magnetogram(pixlunit="Gauss"), tiny_model.grid)
    assert prepare(make_magnetogram(pixlunit="Gauss", content="SDOML Bz"), tiny_model.grid).kind == SDOML_BZ
    assert prepare(make_magnetogram(), tiny_model.grid).kind == LINE_OF_SIGHT


@pytest.mark.parametrize("trained", KINDS)
@pytest.mark.parametrize(("content", "given"), [("MAGNETOGRAM", LINE_OF_SIGHT), ("SDOML Bz", SDOML_BZ)])
def test_reports_compare(make_magnetogram, tiny_model, content, given, trained):
    model = dataclasses.replace(tiny_model, field_kind=trained)
    field = prepare(make_magnetogram(content=content), model.grid)
    report = next(iter(assess(field, model, model.passbands).values()))
    assert ("another kind of field" in report.concerns) == (given != trained)
    said = [sentence for sentence in report.warnings() if KINDS[trained] in sentence and given in sentence]
    assert len(said) == (given != trained)


def test_images_say_so(make_magnetogram, tiny_model):
    model = dataclasses.replace(tiny_model, field_kind=SDOML_BZ)
    with pytest.warns(UserWarning, match="the model has learnt from Bz of SDOML"):
        image = generate(make_magnetogram(), 193, model=model)
    assert "another kind of field" in image.meta["validity"]


def test_weights_keep_it(tiny_model, tmp_path):
    save_model(dataclasses.replace(tiny_model, field_kind=SDOML_BZ), tmp_path / "bz.safetensors")
    assert load_model(tmp_path / "bz.safetensors").field_kind == SDOML_BZ
    # Older weights do not say it.
    record = json.loads(json.dumps(tiny_model.record()))
    assert record.pop("field_kind") == LINE_OF_SIGHT
    assert FieldModel._from_record(record).field_kind == LINE_OF_SIGHT


def test_kinds_that_nobody_knows(tiny_model):
    with pytest.raises(
        ValueError, match="field_kind of a model must be one of 'line-of-sight magnetogram', 'SDOML Bz'"
    ):
        dataclasses.replace(tiny_model, field_kind="radial")
