"""Charts of the whole Sun in AIA's passbands."""

import numpy as np
import pytest
import torch

import astropy.units as u
import sunpy.map
from astropy.coordinates import SkyCoord
from sunpy.coordinates import HeliographicCarrington
from sunpy.util.exceptions import SunpyUserWarning

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv import stitching
from sunpy_mag2euv.charts import chart_of
from sunpy_mag2euv.inference import resolve_passbands
from sunpy_mag2euv.models import load_model
from sunpy_mag2euv.sample import sample_chart

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def chart():
    return sample_chart()


@pytest.fixture(scope="module")
def generated(chart, tiny_model):
    return mag2euv.generate_chart(chart, 193, model=tiny_model)


@pytest.fixture
def few_views(monkeypatch):
    """Enough of them for what does not depend on how they are put together."""
    monkeypatch.setattr(stitching, "_APART", 45)


def test_a_map_of_the_whole_sun(generated, chart, tmp_path):
    generated.save(tmp_path / "chart.fits")
    for copy in (generated, sunpy.map.Map(tmp_path / "chart.fits")):
        assert isinstance(copy, sunpy.map.sources.AIAMap)
        assert copy.data.shape == (360, 720)
        assert np.isfinite(copy.data).all()
        assert copy.unit == u.DN / u.s
        assert (copy.wavelength, copy.meta["telescop"]) == (193 * u.AA, "SDO/AIA-like (synthetic)")
        assert copy.meta["instrume"] == "AIA_SYNTHETIC"
        assert isinstance(copy.coordinate_frame, HeliographicCarrington)
        assert abs(copy.date - chart.date) < 1 * u.s
        place = copy.wcs.pixel_to_world([0, 719, 100], [0, 359, 200])
        ours, theirs = (
            u.Quantity([place.lon, place.lat])
            for place in (place, chart.wcs.pixel_to_world([0, 719, 100], [0, 359, 200]))
        )
        assert u.allclose(ours, theirs, atol=2e-5 * u.deg)
        history = str(copy.meta["history"]).replace("\n", " ")
        assert "computed from a chart of rotation 2145: not an observation" in history
        assert "made-up observers around the Sun, 15 deg apart" in history
    assert generated.uncertainty.array.shape == (360, 720)
    assert (generated.uncertainty.array > 0).all()


def test_columns_end_where_they_begin(generated, chart):
    """Also in the coordinates of HMI's charts, whose first column begins a quarter of a degree farther on."""
    theirs = sunpy.map.Map(chart.data, {**chart.meta, "crpix1": 360.0})
    edges = generated.wcs.pixel_to_world([-0.5, 719.5], [180, 180])
    left, right = theirs.wcs.world_to_pixel(edges)[0]
    assert (left, right) == pytest.approx((-1, 719), abs=1e-3)


def test_is_what_is_seen_from_above(chart, generated, tiny_model):
    """At the centre of a view's disk, and on the scale over which the tiny network's answer changes."""
    frame = HeliographicCarrington(observer="self", obstime=chart.date)
    for longitude in (60, 300):
        place = SkyCoord(longitude * u.deg, 0 * u.deg, 1 * u.au, frame=frame)
        view = mag2euv.generate(chart, 193, observer=place, model=tiny_model)
        above = generated.data[170:190, 2 * longitude - 10 : 2 * longitude + 10].mean()
        assert above == pytest.approx(view.data[123:133, 123:133].mean(), rel=0.05)


@pytest.mark.usefixtures("few_views")
def test_many_passbands(chart, tiny_model):
    images = mag2euv.generate_chart(chart, [171, 193], model=tiny_model)
    assert [image.wavelength.to_value(u.AA) for image in images] == [171, 193]
    np.testing.assert_array_equal(images[1].data, mag2euv.generate_chart(chart, 193, model=tiny_model).data)


def test_turned_chart(chart, generated, tiny_model):
    """By as much as observers are apart, those above the poles too, all is the same elsewhere."""
    turned = sunpy.map.Map(np.roll(chart.data, 30, axis=1), chart.meta)
    image = mag2euv.generate_chart(turned, 193, model=tiny_model)
    np.testing.assert_allclose(image.data, np.roll(generated.data, 30, axis=1), rtol=1e-3)


def test_poles_count_as_four_views(chart):
    """However many views are there, so that those from the equator have the belt."""
    places = stitching._observers(chart.date)
    above = [place for place in places if abs(place.lat.deg) > 89]
    assert len(places) == 3 * len(above) / 2
    assert stitching._ABOVE * len(above) == pytest.approx(8)


def test_no_seams(chart):
    """
    Between two observers images differ, of which stitching at a single meridian would make a step; means of both have
    none. Of the packaged model, since what has learnt nothing may do anything.
    """
    model, plain = load_model("shared-browse"), chart_of(chart)
    passbands = resolve_passbands([171, 193], model)
    cylinder, places = stitching._Cylinder((360, 720)), stitching._observers(plain.time)
    # Of those above the poles some are enough.
    stitched, first, second = (
        u.Quantity(stitching._stitch(plain, some, cylinder, passbands, model, CPU)[0]).value
        for some in (places[:24] + places[24::6], places[:1], places[1:2])
    )
    belt = np.abs(cylinder.latitudes) < 60
    # Midway between the first two observers, at 7.5 degrees.
    columns = slice(14, 16)
    first, second, mean = first[:, belt, columns], second[:, belt, columns], stitched[:, belt, columns]
    single = np.abs(second[..., 1] - first[..., 0] - np.diff((first + second) / 2)[..., 0]) / mean[..., 0]
    ours = np.abs(np.diff(mean)[..., 0] - np.diff((first + second) / 2)[..., 0]) / mean[..., 0]
    assert np.median(ours) < 0.005
    assert np.percentile(ours, 95) < 0.01
    assert np.median(single) > 2 * np.median(ours)
    # Nor do the first and last columns differ more than others do.
    steps = np.abs(np.diff(stitched, axis=2, append=stitched[:, :, :1])).mean(axis=1)
    assert (steps[:, -1] < 2 * np.median(steps, axis=1)).all()


@pytest.mark.usefixtures("few_views")
def test_unknown_parts_stay_unknown(chart, tiny_model):
    data = chart.data.copy()
    data[60:300, 200:320] = np.nan
    image = mag2euv.generate_chart(sunpy.map.Map(data, chart.meta), 193, model=tiny_model)
    assert np.isnan(image.data[150:210, 240:280]).all()
    assert np.isfinite(image.data[:, 340:]).all()


@pytest.mark.usefixtures("few_views")
def test_unseen_poles(chart, tiny_model):
    data = chart.data.copy()
    data[:10] = np.nan
    with pytest.warns(SunpyUserWarning, match=r"2\.8% of the Sun are poles") as said:
        image = mag2euv.generate_chart(sunpy.map.Map(data, chart.meta), 193, model=tiny_model)
    assert len(said) == 1
    assert image.meta["validity"] == "caution: unseen pole"
    assert np.isfinite(image.data).all()


@pytest.mark.usefixtures("few_views")
def test_little_of_the_poles(chart, tiny_model):
    """As in views, a hundredth of what is shown is enough to say so, and less is not."""
    data = chart.data.copy()
    data[:3] = np.nan
    image = mag2euv.generate_chart(sunpy.map.Map(data, chart.meta), 193, model=tiny_model)
    assert image.meta["validity"] == "no known objection"


@pytest.mark.usefixtures("few_views")
def test_what_there_is_to_say_is_said_once(chart, tiny_model):
    with pytest.warns(SunpyUserWarning, match="211") as said:
        image = mag2euv.generate_chart(chart, 211, model=tiny_model)
    assert len(said) == 1
    assert image.meta["validity"] == "caution: scarce passband"


def test_bad_input(chart, tiny_model, make_magnetogram):
    with pytest.raises(TypeError, match="the chart must be a sunpy"):
        mag2euv.generate_chart(chart.data, 193, model=tiny_model)
    with pytest.raises(ValueError, match="the chart must show the whole Sun"):
        mag2euv.generate_chart(make_magnetogram(), 193, model=tiny_model)
    with pytest.raises(ValueError, match="passband"):
        mag2euv.generate_chart(chart, 192, model=tiny_model)
    with pytest.raises(TypeError, match=r"Read files with mag2euv\.read_chart\(path\)"):
        mag2euv.generate_chart("chart.fits", 193, model=tiny_model)


def test_is_no_image_of_one_side(generated, make_magnetogram):
    """Nor is it a chart of the field."""
    like = make_magnetogram(date="2014-01-15")
    for refuse in (lambda: mag2euv.reproject(generated, like=like), lambda: mag2euv.compare(generated, generated)):
        with pytest.raises(ValueError, match=r"must be helioprojective .* makes of the field's chart for one observer"):
            refuse()
    with pytest.raises(ValueError, match=r"'DN / s'\. Use the chart of the radial magnetic field that it was made of"):
        chart_of(generated)
