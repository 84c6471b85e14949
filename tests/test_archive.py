"""A magnetogram file to its image files."""

import dataclasses
import os
import pickle
import shutil
import threading
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import astropy.units as u
import sunpy.map
from astropy.io import fits

from sunpy_mag2euv import archive, inputs
from sunpy_mag2euv.archive import Job, made_with
from sunpy_mag2euv.models import load_model, save_model
from sunpy_mag2euv.sample import sample_chart


@pytest.fixture(scope="module")
def source(make_magnetogram, tmp_path_factory):
    """Path of a magnetogram file."""
    path = tmp_path_factory.mktemp("inputs") / "hmi.fits"
    make_magnetogram().save(path)
    return path


def test_a_magnetogram_becomes_image_files(source, tiny_weights, tmp_path):
    job = Job(tmp_path / "a" / "b", [193, "211", 193 * u.angstrom], model=tiny_weights)
    assert not job.is_done(source)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outcome = job(source)
    names = ["hmi_aia_0193.fits", "hmi_aia_0211.fits"]
    assert job.names(source) == names
    assert outcome.files == tuple(str(tmp_path / "a" / "b" / name) for name in names)
    assert (outcome.source, outcome.status, outcome.reason) == (str(source), "done", "")
    assert outcome.seconds > 0
    (note,) = outcome.notes
    assert note.startswith("211 Å: ")
    images = sunpy.map.Map(outcome.files)
    assert outcome.validity == {int(image.wavelength.value): image.meta["validity"] for image in images}
    assert sorted(os.listdir(tmp_path / "a" / "b")) == names
    assert job.is_done(source)


def test_it_can_be_done_again(source, tiny_weights, tmp_path):
    job = Job(tmp_path, 193, model=tiny_weights, png=True)
    assert job(source).status == "done"
    image, picture = (tmp_path / name for name in job.names(source))
    assert picture.suffix == ".png"
    first = image.stat().st_mtime_ns
    again = job(source)
    assert (again.status, again.validity, len(again.files)) == ("skipped", {}, 2)
    assert image.stat().st_mtime_ns == first
    # Where one is missing, all are made.
    picture.unlink()
    assert job(source).status == "done"
    assert picture.exists()
    assert image.stat().st_mtime_ns > first
    second = image.stat().st_mtime_ns
    assert Job(tmp_path, 193, model=tiny_weights, overwrite=True)(source).status == "done"
    assert image.stat().st_mtime_ns > second


def test_what_is_wrong_with_a_file_is_said(source, tiny_weights, tmp_path):
    job = Job(tmp_path, 193, model=tiny_weights)
    outcome = job("missing.fits")
    assert (outcome.status, outcome.reason, outcome.files) == ("failed", "there is no such file", ())
    (tmp_path / "hmi_aia_0193.fits").mkdir()
    assert "is a directory where a file is to be written" in job(source).reason
    assert [path.name for path in tmp_path.iterdir()] == ["hmi_aia_0193.fits"]


def test_what_is_wrong_with_a_job_is_raised(source, tiny_translator, tiny_weights, tmp_path):
    with pytest.raises(ValueError, match="there is no AIA passband 4500"):
        Job(tmp_path, 4500)
    with pytest.raises(TypeError, match="a job must have one observer and one obstime"):
        Job(tmp_path, 193, observer=["earth", "mars"])
    with pytest.raises(ValueError, match="there is no model 'no-such'"):
        Job(tmp_path, 193, model="no-such")(source)
    with pytest.raises(ValueError, match="has sha256"):
        Job(tmp_path, 193, model=tiny_weights, sha256="0" * 64)(source)
    with pytest.raises(ValueError, match="use translate with it"):
        Job(tmp_path, 193, model=tiny_translator)(source)
    assert list(tmp_path.iterdir()) == []


def test_all_passbands_unless_given(source, tiny_model, tmp_path):
    job = Job(tmp_path, model=tiny_model)
    assert len(job.names(source)) == 9
    assert len(job(source).files) == 9


def test_charts(tiny_weights, tmp_path):
    sample_chart().save(tmp_path / "chart.fits")
    job = Job(tmp_path, 193, model=tiny_weights, observer="mars", obstime="2014-01-02")
    (path,) = job(tmp_path / "chart.fits").files
    assert sunpy.map.Map(path).observer_coordinate.radius.to_value("AU") > 1.3
    # Those whose headers sunpy cannot read are charts, too.
    with fits.open(tmp_path / "chart.fits") as units:
        units[0].header.update({"CUNIT1": "degreedegree"})
        units.writeto(tmp_path / "broken.fits", output_verify="ignore")
    with pytest.raises(ValueError, match="cannot be read as an image"):
        inputs.read(tmp_path / "broken.fits")
    for name in ("chart.fits", "broken.fits"):
        reason = Job(tmp_path, 304, model=tiny_weights)(tmp_path / name).reason
        assert reason.startswith("a chart must have an observer")
        assert reason.endswith("--observer earth)")


def test_charts_have_their_own_default(tmp_path):
    assert Job(tmp_path, observer="earth")._settings()["model"] is load_model("shared-browse")


def test_jobs_can_be_sent(source, tiny_weights, tmp_path):
    job = Job(tmp_path, [193], model=tiny_weights, observer=None, png=True)
    sent = pickle.loads(pickle.dumps(job))
    assert sent == job
    outcome = sent(source)
    assert pickle.loads(pickle.dumps(outcome)) == outcome
    # Nothing of the model goes with it.
    assert len(pickle.dumps(job)) < 2000


def test_the_model_is_loaded_once(source, tiny_weights, tmp_path, monkeypatch):
    shutil.copy(tiny_weights, tmp_path / "w.safetensors")
    loaded = []
    monkeypatch.setattr("sunpy_mag2euv.inference.load_model", lambda *args: loaded.append(args) or load_model(*args))
    for number in range(3):
        job = pickle.loads(pickle.dumps(Job(tmp_path / str(number), 193, model=tmp_path / "w.safetensors")))
        assert job(source).status == "done"
    assert len(loaded) == 1


def test_other_weights_are_not_taken_for_those_that_were_there(source, tiny_model, tmp_path):
    path = tmp_path / "w.safetensors"
    for name in ("first", "second"):
        save_model(dataclasses.replace(tiny_model, name=name), path)
        (image,) = Job(tmp_path / name, 193, model=path)(source).files
        assert f"model: {name}" in sunpy.map.Map(image).meta["history"]
        assert np.isfinite(sunpy.map.Map(image).data).any()


def test_jobs_have_passbands(tmp_path):
    with pytest.raises(ValueError, match="the passbands of a job must be at least one"):
        Job(tmp_path, [])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_processes_do_not_wait_for_jobs_of_others():
    with archive._ALONE:
        child = os.fork()
        if child == 0:
            done = threading.Event()
            threading.Thread(target=lambda: archive._ALONE.acquire() and done.set(), daemon=True).start()
            os._exit(0 if done.wait(10) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_memory_is_kept_for_what_comes_next(monkeypatch):
    settings = []
    library = SimpleNamespace(mallopt=lambda *setting: settings.append(setting))
    monkeypatch.setattr("ctypes.CDLL", lambda name: library)
    archive._keep_memory.__wrapped__()
    assert settings == [(-3, 2**27), (-1, 2**30)]
    # Not every C library can do that.
    monkeypatch.setattr("ctypes.CDLL", lambda name: SimpleNamespace())
    archive._keep_memory.__wrapped__()


def test_what_an_image_was_made_with(source, tiny_model, tiny_weights, tmp_path):
    outcome = Job(tmp_path, 193, model=tiny_weights)(source)
    assert outcome.model == "tiny"
    (path,) = outcome.files
    assert made_with(path, load_model(tiny_weights)) == "tiny"
    other = dataclasses.replace(tiny_model, sha256="0" * 64)
    assert made_with(path, other) == f"tiny (weights {load_model(tiny_weights).sha256[:8]})"
    assert made_with(path, dataclasses.replace(other, name="other")) == "tiny"
    for path in (source, "missing.fits", __file__):
        assert made_with(path, tiny_model) == "unknown"


def test_memory_is_given_back(source, tiny_weights, tmp_path, monkeypatch):
    monkeypatch.setattr("sunpy_mag2euv.archive._ROUNDS", {False: 1})
    given = []
    monkeypatch.setattr("ctypes.CDLL", lambda name: SimpleNamespace(malloc_trim=given.append))
    job = Job(tmp_path, 193, model=tiny_weights)
    assert job(source).status == "done"
    assert given == [0]
    # Not every C library can do that.
    monkeypatch.setattr("ctypes.CDLL", lambda name: SimpleNamespace())
    assert job(source).status == "skipped"
