"""Images in files: what is written is read again, to the last bit."""

import errno
import os
import threading
import warnings

import asdf
import hypothesis
import hypothesis.extra.numpy
import numpy as np
import pytest
from aia_images import make_aia
from hypothesis import strategies as st

import astropy.units as u
import sunpy.map
from astropy.io import fits
from astropy.nddata import InverseVariance, NDUncertainty, StdDevUncertainty, UnknownUncertainty, VarianceUncertainty
from sunpy.util.exceptions import SunpyMetadataWarning

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.sample import sample_chart
from sunpy_mag2euv.storage import write
from sunpy_mag2euv.visualization import normalization

#: What sunpy's reader of FITS files puts into headers.
OF_READING = {"simple", "bitpix", "extend", "comment", "keycomments", "waveunit"}


@pytest.fixture(scope="module")
def image(make_magnetogram, tiny_model):
    return mag2euv.generate(make_magnetogram(), 193, model=tiny_model)


def same_bits(first, second):
    """Whether arrays are the same numbers of the same kind, signs of zeros and NaN of all kinds included."""
    first, second = (np.ascontiguousarray(array, array.dtype.newbyteorder("=")) for array in (first, second))
    return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()


def changed(image, data=None, meta=None, **kwargs):
    """A Map that differs."""
    settings = {"uncertainty": image.uncertainty, "mask": image.mask} | kwargs
    return sunpy.map.Map(image.data if data is None else data, image.meta if meta is None else meta, **settings)


@pytest.mark.parametrize("name", ["image.fits", "image.fits.gz", "image.FTS", "image.asdf"])
def test_all_of_it_is_read_again(image, tmp_path, name):
    mag2euv.save(image, tmp_path / name)
    read = mag2euv.read(tmp_path / name)
    assert isinstance(read, sunpy.map.sources.AIAMap)
    assert same_bits(read.data, image.data)
    assert isinstance(read.uncertainty, StdDevUncertainty)
    assert same_bits(read.uncertainty.array, image.uncertainty.array)
    assert read.uncertainty.unit == read.unit == u.DN / u.s
    assert read.mask is None
    assert {key: value for key, value in read.meta.items() if key not in OF_READING} == {
        key: value for key, value in image.meta.items() if key not in OF_READING
    }
    assert read.meta["history"] == image.meta["history"]
    assert read.wcs.to_header() == image.wcs.to_header()
    assert read.reference_date == image.reference_date
    assert read.observer_coordinate.separation_3d(image.observer_coordinate) == 0 * u.m
    # What files do not have is made again.
    assert read.latex_name == image.latex_name
    norm, expected = read.plot_settings["norm"], image.plot_settings["norm"]
    assert (norm.vmin, norm.vmax) == (expected.vmin, expected.vmax)
    assert (read.cmap.name, tuple(read.cmap.get_bad())) == ("sdoaia193", (0, 0, 0, 1))
    assert os.listdir(tmp_path) == [name]


def test_what_sunpy_and_astropy_find(image, tmp_path):
    path = tmp_path / "image.fits"
    mag2euv.save(changed(image, mask=image.data > np.nanmedian(image.data)), path)
    plain = sunpy.map.Map(path)
    assert isinstance(plain, sunpy.map.sources.AIAMap)
    assert same_bits(plain.data, image.data)
    with fits.open(path) as units:
        units.verify("exception")
        assert [unit.name for unit in units] == ["PRIMARY", "UNCERT", "MASK"]
        assert same_bits(units["UNCERT"].data.reshape(image.data.shape), image.uncertainty.array)
        assert (units["UNCERT"].header["UTYPE"], units["UNCERT"].header["BUNIT"]) == ("StdDevUncertainty", "DN / s")
        mask = units["MASK"].data.reshape(image.data.shape)
        np.testing.assert_array_equal(mask & 2 > 0, np.isnan(image.data))
        np.testing.assert_array_equal(mask & 1 > 0, image.data > np.nanmedian(image.data))
        assert all(len(line) <= 72 for line in units["MASK"].header["COMMENT"])
    with fits.open(path, disable_image_compression=True) as units:
        assert units["UNCERT"].header["ZIMAGE"]
        assert units["MASK"].header["ZIMAGE"]
        assert fits.getheader(path)["INSTRUME"] == "AIA_SYNTHETIC"


arrays = hypothesis.extra.numpy.arrays
shapes = st.tuples(st.integers(1, 9), st.integers(1, 9))
floats = st.floats(width=32, allow_nan=True, allow_infinity=True, allow_subnormal=True)


@hypothesis.given(data=st.data(), shape=shapes, dtype=st.sampled_from(["f4", ">f4", "f8", ">f8"]))
@hypothesis.settings(max_examples=15, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_any_numbers_and_masks(data, shape, dtype, image, tmp_path):
    first, deviation = (data.draw(arrays(dtype, shape, elements=floats)) for _ in range(2))
    mask = data.draw(st.none() | arrays(bool, shape))
    kind = data.draw(st.sampled_from([StdDevUncertainty, VarianceUncertainty, InverseVariance, UnknownUncertainty]))
    original = changed(image, data=first, uncertainty=kind(deviation), mask=mask)
    path = tmp_path / "any.fits"
    with warnings.catch_warnings():
        # What is infinite has no scale of brightness that is worth one.
        warnings.simplefilter("ignore", RuntimeWarning)
        mag2euv.save(original, path, overwrite=True)
        read = mag2euv.read(path)
    assert same_bits(read.data, first)
    assert type(read.uncertainty) is kind
    assert same_bits(read.uncertainty.array, deviation)
    assert (read.mask is None) == (mask is None)
    if mask is not None:
        np.testing.assert_array_equal(read.mask, mask)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "i8"])
def test_integers(image, tmp_path, dtype):
    data = np.arange(np.iinfo(dtype).max - 5, np.iinfo(dtype).max + 1, dtype="u8").astype(dtype).reshape(2, 3)
    mag2euv.save(changed(image, data=data, uncertainty=None), tmp_path / "integers.fits")
    assert same_bits(mag2euv.read(tmp_path / "integers.fits").data, data)


@hypothesis.given(value=st.floats(allow_nan=False, allow_infinity=False))
@hypothesis.settings(max_examples=30, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_numbers_of_headers_keep_all_their_digits(value, image, tmp_path):
    small = changed(image, data=image.data[:2, :2], meta=image.meta | {"hgln_obs": value, "digits": np.float32(0.1)})
    small.uncertainty = None
    mag2euv.save(small, tmp_path / "digits.fits", overwrite=True)
    read = mag2euv.read(tmp_path / "digits.fits").meta
    assert read["hgln_obs"] == value
    assert read["digits"] == np.float32(0.1)


def test_comments_of_numbers_with_many_digits(image, tmp_path):
    value = -1.2345678901234567e-100
    comments = {"DIGITS": "[deg] of something", "CDELT1": "as it was"}
    mag2euv.save(changed(image, meta=image.meta | {"digits": value, "keycomments": comments}), tmp_path / "image.fits")
    header = fits.getheader(tmp_path / "image.fits")
    assert (header["DIGITS"], header.comments["DIGITS"]) == (value, "[deg] of something")
    assert header.comments["CDELT1"] == "as it was"


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, np.float32(np.nan), 3 * u.m, np.ones(2), b"bytes", {}, "é"])
def test_values_that_headers_cannot_hold_are_left_out(image, tmp_path, value):
    with pytest.warns(SunpyMetadataWarning, match="unfit"):
        mag2euv.save(changed(image, meta=image.meta | {"unfit": value, "fit": 3}), tmp_path / "image.fits")
    read = mag2euv.read(tmp_path / "image.fits")
    assert ("unfit" in read.meta, read.meta["fit"], read.meta["validity"]) == (False, 3, image.meta["validity"])
    assert read.wcs.to_header() == image.wcs.to_header()


def test_keywords_that_headers_cannot_hold_are_left_out(image, tmp_path):
    original = changed(image, meta=image.meta | {"end": 3})
    with pytest.warns(SunpyMetadataWarning, match=r"the keyword end is 3, which FITS headers cannot hold: left out"):
        mag2euv.save(original, tmp_path / "image.fits")
    assert original.meta["end"] == 3
    assert "end" not in mag2euv.read(tmp_path / "image.fits").meta


def test_headers_of_other_files_do_not_scale_pixels(image, tmp_path):
    meta = image.meta | {"bscale": 0.1, "bzero": 32768, "blank": -32768, "checksum": "abc", "datasum": "1"}
    mag2euv.save(changed(image, meta=meta), tmp_path / "image.fits")
    assert same_bits(mag2euv.read(tmp_path / "image.fits").data, image.data)
    with fits.open(tmp_path / "image.fits", checksum=True) as units:
        assert not {"BSCALE", "BZERO", "BLANK", "CHECKSUM", "DATASUM"} & set(units[0].header)


def test_what_has_been_read_can_be_saved_again(image, tmp_path):
    mag2euv.save(image, tmp_path / "first.fits")
    mag2euv.save(mag2euv.read(tmp_path / "first.fits"), tmp_path / "second.fits")
    assert same_bits(mag2euv.read(tmp_path / "second.fits").uncertainty.array, image.uncertainty.array)
    first, second = (fits.getheader(tmp_path / name) for name in ("first.fits", "second.fits"))
    changed_by_sunpy = {"WAVEUNIT", "COMMENT"}
    assert [card for card in first.items() if card[0] not in changed_by_sunpy] == [
        card for card in second.items() if card[0] not in changed_by_sunpy
    ]


def test_files_without_uncertainty(image, tmp_path):
    """Those of earlier versions, and of sunpy."""
    image.save(tmp_path / "old.fits")
    read = mag2euv.read(str(tmp_path / "old.fits"))
    assert (read.uncertainty, read.mask) == (None, None)
    assert same_bits(read.data, image.data)
    assert read.latex_name == image.latex_name
    mag2euv.save(changed(image, uncertainty=None), tmp_path / "new.fits")
    assert mag2euv.read(tmp_path / "new.fits").uncertainty is None


def test_files_of_others(tmp_path):
    observed = make_aia(hglt_obs=0.0)
    observed.save(tmp_path / "aia.fits")
    read = mag2euv.read(tmp_path / "aia.fits")
    assert (read.latex_name, read.uncertainty) == (sunpy.map.Map(tmp_path / "aia.fits").latex_name, None)
    chart = sample_chart()
    mag2euv.save(chart, tmp_path / "chart.fits")
    assert same_bits(mag2euv.read(tmp_path / "chart.fits").data, chart.data)


def test_images_of_the_whole_sun(tmp_path):
    chart = sample_chart()
    meta = chart.meta | {"instrume": "AIA_SYNTHETIC", "telescop": "SDO/AIA", "wavelnth": 193, "bunit": "DN / s"}
    image = changed(chart, data=np.abs(chart.data), meta=meta, uncertainty=StdDevUncertainty(np.ones(chart.data.shape)))
    mag2euv.save(image, tmp_path / "chart.fits")
    read = mag2euv.read(tmp_path / "chart.fits")
    assert same_bits(read.uncertainty.array, image.uncertainty.array)
    assert read.plot_settings["norm"].vmax == normalization(image).vmax


def test_units_of_uncertainties(image, tmp_path):
    deviation = StdDevUncertainty(image.uncertainty.array * 1000, unit=u.DN / u.ks)
    mag2euv.save(changed(image, uncertainty=deviation), tmp_path / "image.fits")
    assert mag2euv.read(tmp_path / "image.fits").uncertainty.unit == u.DN / u.ks


def test_plots_look_the_same(image, tmp_path):
    mag2euv.save(image, tmp_path / "image.fits")
    read = mag2euv.read(tmp_path / "image.fits")
    assert read.plot_settings["norm"].vmax == normalization(image).vmax
    nameless = changed(image, meta=image.meta | {"history": ""})
    mag2euv.save(nameless, tmp_path / "nameless.fits")
    assert mag2euv.read(tmp_path / "nameless.fits").nickname == "AIA (synthetic)"


class Foreign(NDUncertainty):
    """An uncertainty that nobody else knows."""

    uncertainty_type = "foreign"

    def _data_unit_to_uncertainty_unit(self, value):
        return value

    def _propagate_add(self, *args):
        raise NotImplementedError

    _propagate_subtract = _propagate_multiply = _propagate_divide = _propagate_add


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda data: {"data": data.astype(np.float16)}, "FITS files hold no numbers of the type float16"),
        (lambda data: {"data": data.astype(complex)}, "FITS files hold no numbers of the type complex128"),
        (lambda data: {"data": data > 0}, "FITS files hold no numbers of the type bool"),
        (lambda data: {"uncertainty": StdDevUncertainty(data[1:])}, "must have a floating-point number for each of"),
        (lambda data: {"uncertainty": StdDevUncertainty(np.ones(data.shape, int))}, "of type int64"),
        (
            lambda data: {"uncertainty": Foreign(data)},
            "one of astropy's own kinds, such as StdDevUncertainty; this one is",
        ),
    ],
)
def test_what_files_cannot_hold(image, tmp_path, change, problem):
    with pytest.raises(ValueError, match=problem):
        mag2euv.save(changed(image, **change(image.data)), tmp_path / "image.fits")
    assert os.listdir(tmp_path) == []


def test_masks_of_other_shapes(image, tmp_path):
    with pytest.raises(ValueError, match=r"mask must have a truth value for each of its pixels, .*; it has \(2, 2\)"):
        mag2euv.save(changed(image, mask=np.zeros((2, 2), bool)), tmp_path / "image.fits")
    assert os.listdir(tmp_path) == []
    mag2euv.save(changed(image, mask=np.True_), tmp_path / "image.fits")
    assert mag2euv.read(tmp_path / "image.fits").mask.all()


@pytest.mark.parametrize(
    "change",
    [
        lambda image: {"meta": image.meta | {"unfit": np.datetime64("2011-01-01")}},
        lambda image: {"meta": image.meta | {"unfit": 2**70}},
        lambda image: {"uncertainty": Foreign(image.data)},
        lambda image: {"uncertainty": StdDevUncertainty(3.0)},
    ],
)
def test_what_asdf_files_cannot_hold(image, tmp_path, change):
    with pytest.raises(ValueError, match=r"^ASDF files cannot hold something of this Map"):
        mag2euv.save(changed(image, **change(image)), tmp_path / "image.asdf")
    assert os.listdir(tmp_path) == []


def _forbidden(directory):
    raise PermissionError(errno.EACCES, "Permission denied", str(directory / ".mag2euv-0"))


def test_home_directories(image, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME" if os.name == "posix" else "USERPROFILE", str(tmp_path))
    mag2euv.save(image, "~/image.fits")
    assert same_bits(mag2euv.read("~/image.fits").data, image.data)


def test_what_cannot_be_saved(image, tmp_path, monkeypatch):
    with pytest.raises(TypeError, match=r"the image must be a sunpy.map.Map; got ndarray"):
        mag2euv.save(image.data, tmp_path / "image.fits")
    with pytest.raises(TypeError, match="save must have the path of a file; got int"):
        mag2euv.save(image, 3)
    monkeypatch.setattr("sunpy_mag2euv.files.scratch", _forbidden)
    with pytest.raises(PermissionError, match=r"^cannot write .*image.fits \(Permission denied\)$"):
        mag2euv.save(image, tmp_path / "image.fits")
    monkeypatch.undo()
    for name in ("image", "image.jpg", "image.fits.bz2", ".fits.part"):
        with pytest.raises(ValueError, match=r"name must end in .fits or .asdf; got"):
            mag2euv.save(image, tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"there is no directory .*absent; make it first"):
        mag2euv.save(image, tmp_path / "absent" / "image.fits")
    (tmp_path / "image.fits").write_text("precious")
    with pytest.raises(FileExistsError, match=r"image.fits exists already; give another name, or overwrite=True"):
        mag2euv.save(image, tmp_path / "image.fits")
    assert (tmp_path / "image.fits").read_text() == "precious"
    mag2euv.save(image, tmp_path / "image.fits", overwrite=True)
    assert mag2euv.read(tmp_path / "image.fits").uncertainty is not None
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: False)
        with pytest.raises(PermissionError, match=r"image.fits must not be written to; .* or give another name$"):
            mag2euv.save(image, tmp_path / "image.fits", overwrite=True)
    (tmp_path / "folder.fits").mkdir()
    with pytest.raises(IsADirectoryError, match=r"folder.fits is a directory"):
        mag2euv.save(image, tmp_path / "folder.fits", overwrite=True)


def test_a_file_that_cannot_be_completed_is_none(image, tmp_path, monkeypatch):
    (tmp_path / "image.fits").write_text("precious")

    def full(self, path, *args, **kwargs):
        path.write_bytes(b"SIMPLE")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fits.HDUList, "writeto", full)
    with pytest.raises(OSError, match=r"cannot write .*image.fits \(No space left on device\)"):
        mag2euv.save(image, tmp_path / "image.fits", overwrite=True)
    assert os.listdir(tmp_path) == ["image.fits"]
    assert (tmp_path / "image.fits").read_text() == "precious"


def test_what_cannot_be_read(image, tmp_path):
    with pytest.raises(TypeError, match=r"read must have the path of a file; got list. Call it once for each"):
        mag2euv.read([tmp_path])
    with pytest.raises(FileNotFoundError, match=r"absent.fits: there is no such file"):
        mag2euv.read(tmp_path / "absent.fits")
    with pytest.raises(IsADirectoryError, match="this is a directory"):
        mag2euv.read(tmp_path)
    (tmp_path / "text.fits").write_text("no image")
    with pytest.raises(ValueError, match=r"text.fits: cannot be read as an image with solar coordinates"):
        mag2euv.read(tmp_path / "text.fits")
    write(image, tmp_path / "image.fits")
    whole = (tmp_path / "image.fits").read_bytes()
    (tmp_path / "cut.fits").write_bytes(whole[: 2880 * 5])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match=r"cut.fits: cannot be read"):
            mag2euv.read(tmp_path / "cut.fits")
    for name in ("UNCERT", "MASK"):
        with fits.open(tmp_path / "image.fits") as units:
            units[name] = fits.ImageHDU(np.zeros(5, np.uint8), name=name)
            units.writeto(tmp_path / f"{name}.fits")
        with pytest.raises(ValueError, match=rf"{name} must have as many numbers as the image, \d+; it has \d+"):
            mag2euv.read(tmp_path / f"{name}.fits")


@pytest.mark.parametrize("name", ["image.fits.gz", "image.asdf"])
def test_files_that_are_cut_short(image, tmp_path, name):
    """None is taken for one of an image that has no deviation, or gives errors of another kind."""
    mag2euv.save(image, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for part in np.linspace(0.01, 0.99, 15):
        (tmp_path / name).write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(ValueError, match=name):
            mag2euv.read(tmp_path / name)


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4"])
def test_masks_and_uncertainties_of_others(image, tmp_path, dtype):
    """Whatever is not zero is masked, and tables of these names are no arrays."""
    masked = np.arange(image.data.size) % 3
    unit = fits.ImageHDU(masked.astype(dtype), name="MASK")
    table = fits.BinTableHDU.from_columns([fits.Column("pixels", "E", array=masked)], name="UNCERT")
    fits.HDUList([fits.PrimaryHDU(image.data, image.fits_header), unit, table]).writeto(tmp_path / "image.fits")
    read = mag2euv.read(tmp_path / "image.fits")
    np.testing.assert_array_equal(read.mask.ravel(), masked > 0)
    assert read.uncertainty is None


def test_files_may_be_replaced_while_images_are_held(image, tmp_path):
    """Images that were read need their files no more."""
    mag2euv.save(image, tmp_path / "image.fits")
    read = mag2euv.read(tmp_path / "image.fits")
    (tmp_path / "image.fits").write_bytes(b"")
    assert same_bits(read.data, image.data)


def test_asdf_files_of_sunpy(image, tmp_path):
    asdf.AsdfFile({"anything": image}).write_to(tmp_path / "image.asdf")
    assert same_bits(mag2euv.read(tmp_path / "image.asdf").uncertainty.array, image.uncertainty.array)


def test_several_threads(image, tmp_path):
    """Each its file, in one directory."""
    paths = [tmp_path / f"{number}.fits" for number in range(4)]
    threads = [threading.Thread(target=mag2euv.save, args=(image, path)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(os.listdir(tmp_path)) == [path.name for path in paths]
