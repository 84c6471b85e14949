import dataclasses

import numpy as np
import pytest
import torch

from sunpy_mag2euv.models import load_model
from sunpy_mag2euv.training import browse, card, fit

PERIODS = {
    "hourly_2012": (("2012-01-01", "2012-09-20", "2012-10-20", "2012-11-15"), (94, 131, 171)),
    "daily_2010_2011": (("2010-09-10", "2010-10-20", "2010-12-20", "2011-03-01"), (193, 304)),
    "full_sets_2015": (("2015-01-11", "2015-03-02"), tuple(browse.STRETCHES)),
    "same_time_2023": (("2023-10-21",), (94, 131, 171, 193, 304, 335, 1600, 1700)),
}


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The four archives in miniature: brighter where the field is, in codes."""
    directory = tmp_path_factory.mktemp("browse")
    rng = np.random.default_rng(0)
    disk = browse.GRID.radius < 1
    for name, (times, passbands) in PERIODS.items():
        field = np.zeros((len(times), 256, 256), dtype=np.int16)
        for frame in field:
            rows, columns = rng.integers(80, 170, (2, 6))
            for row, column in zip(rows, columns, strict=True):
                frame[row : row + 8, column : column + 8] = rng.choice([-300, 300])
            frame += rng.normal(0, 3, frame.shape).astype(np.int16)
        field *= disk
        images = {}
        for passband in passbands:
            codes = np.clip(60 + 20 * np.log1p(np.abs(field)) - 40 * ~disk, 0, 254).astype(np.uint8)
            codes[:, :14, :100] = browse.MISSING
            images[f"aia_{passband:04d}"] = codes
            images[f"index_{passband:04d}"] = np.arange(len(times), dtype=np.int32)
        np.savez(directory / f"{name}.npz", time=np.array(times), magnetogram=field, **images)
    return directory


@pytest.fixture(scope="module")
def data(archives):
    return browse.load_browse(archives)


def test_rotations_are_split_with_a_gap(data):
    split = browse.split_rotations(data.archive, data.rotation)
    assert sorted(np.concatenate(list(split.values()))) == list(range(len(data.time)))
    for name in browse.TEST_ROTATIONS:
        times = {part: data.rotation[frames][data.archive[frames] == name] for part, frames in split.items()}
        assert np.abs(np.floor(times["train"])[:, None] - np.floor(times["test"])).min() >= 2
    assert {str(time)[:10] for time in data.time[split["test"]]} == {"2012-09-20", "2010-09-10", "2015-01-11"}


def test_targets_hold_what_the_archives_have(data):
    hourly, full = data.target(0), data.target(8)
    assert np.isfinite(hourly[:3, 128, 128]).all()
    assert np.isnan(hourly[3:]).all()
    assert np.isnan(hourly[:, 5, 5]).all()
    assert np.isfinite(full[:, 128, 128]).all()
    assert np.isfinite(data.saturation(0)).sum() == 2
    assert np.isinf(data.saturation(8)).all()


def test_codes_are_matched_at_equal_activity():
    rng = np.random.default_rng(0)
    activity = rng.gamma(2, 1, 40000)
    other = rng.gamma(4, 1, 40000)  # a more active Sun
    code = np.rint(40 + 10 * activity).astype(int)
    table = browse.match_codes(code, np.rint(np.clip(20 + 18 * other, 0, 254)).astype(int), activity, other)
    for level in (1, 2, 4):
        assert table[40 + 10 * level] == pytest.approx(20 + 18 * level, abs=4)
    assert (np.diff(table) >= 0).all()


def test_stale_fields_weigh_less():
    weight = browse.staleness_weight()
    assert weight[128, 128] == pytest.approx(1, abs=1e-3)
    # 30 degrees are 2.3 days, at which the weight is a little under a half.
    assert weight[128, 127 + 49] == pytest.approx(0.43, abs=0.02)
    assert weight[128, 225] == pytest.approx(0.15)
    np.testing.assert_allclose(weight, weight[:, ::-1])


def test_saturated_pixels_are_lower_limits():
    target = torch.full((1, 9, 256, 256), float("nan"))
    target[:, 1] = 0.8
    saturation = torch.full((1, 9), float("inf"))
    saturation[0, 1] = 0.4
    weight, spread = torch.ones(256, 256), torch.ones(9)
    losses = [
        fit._loss(torch.full((1, 9, 256, 256), value), target, saturation, weight, spread).item()
        for value in (0.1, 0.4, 0.9)
    ]
    assert losses == pytest.approx([0.3, 0, 0])


@pytest.mark.parametrize("missing", browse.ARCHIVES)
def test_missing_archives_are_named(archives, tmp_path, missing):
    for name in browse.ARCHIVES:
        if name != missing:
            (tmp_path / f"{name}.npz").symlink_to(archives / f"{name}.npz")
    with pytest.raises(FileNotFoundError, match=missing):
        browse.load_browse(tmp_path)


def test_training_resumes_where_it_was_killed(archives, tmp_path, monkeypatch):
    record = fit.default_record
    small = {"kind": "shared-unet", "in_channels": 4, "out_channels": 9, "widths": [4, 8], "head": 4}

    def small_record(counts):
        return dataclasses.replace(record(counts), architecture=small)

    monkeypatch.setattr(fit, "default_record", small_record)
    whole = fit.fit(archives, tmp_path / "whole.safetensors", steps=4, batch=2, every=2)

    class KilledError(Exception):
        """Stands for the end of the process, after the first checkpoint."""

    def die(*args):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(fit, "_watch", die)
        with pytest.raises(KilledError):
            fit.fit(archives, tmp_path / "parts.safetensors", steps=4, batch=2, every=2)
    assert not (tmp_path / "parts.safetensors").exists()
    parts = fit.fit(archives, tmp_path / "parts.safetensors", steps=4, batch=2, every=2)
    for name, tensor in whole.state.items():
        torch.testing.assert_close(parts.state[name], tensor, rtol=0, atol=0)

    model = load_model(tmp_path / "parts.safetensors", parts.sha256)
    assert set(model.caveats) == set(browse.STRETCHES)
    table = card.score_model(model, browse.load_browse(archives))
    assert set(table["method"]) == {"network", "climatology", "power law of abs(B)", "least squares"}
    assert len(table) == 4 * 9
    best = table[(table["method"] == "least squares") & (table["passband"] == 171)]
    assert best["cc_stretched"][0] > 0.5
    card.write_card(table, model, tmp_path / "scores.inc")
    text = (tmp_path / "scores.inc").read_text(encoding="utf-8")
    assert model.sha256[:16] in text
    assert text.count("* - 171") == 4
