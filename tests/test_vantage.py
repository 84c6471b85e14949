"""The whole Sun's field as it is seen from anywhere."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import astropy.units as u
import sunpy.map
from astropy.coordinates import SkyCoord
from astropy.time import Time
from sunpy.coordinates import (
    Heliocentric,
    HeliographicCarrington,
    HeliographicStonyhurst,
    Helioprojective,
    frames,
    get_body_heliographic_stonyhurst,
    get_earth,
    sun,
)

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv import vantage
from sunpy_mag2euv.charts import Chart, chart_of, read_chart
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.preparation import PreparedField
from sunpy_mag2euv.sample import sample_chart
from sunpy_mag2euv.validity import assess
from sunpy_mag2euv.vantage import age_map, ages_of, project, resolve_observer, resolve_observers, view_of

DATE = Time("2014-01-15T12:00:00")

#: As the packaged weights have it, and small.
GRID = Grid((256, 256), solar_radius=98)
SMALL = Grid((64, 64), solar_radius=24)


def make_chart(values, *, first=0.25, equal_area=True, **others):
    """A chart of known values, of the rotation of `DATE` unless that is said."""
    values = np.asarray(values, np.float32)
    facts = {
        "known": np.ones(values.shape, bool),
        "filled": np.zeros(values.shape, bool),
        "time": DATE,
        "observed": DATE + np.zeros(values.shape[1]) * u.day,
        "rotation": None,
        "instrument": "HMI",
        "content": "made up",
        "on_hmi_scale": True,
    }
    return Chart(values=values, first_longitude=first, equal_area=equal_area, **(facts | others))


def noise(rows=180, columns=360, seed=1):
    return np.random.default_rng(seed).normal(0, 30, (rows, columns))


def spot(chart, longitude, latitude, width=3):
    """The same chart with a spot of 1000 G, round on the sphere, in degrees."""
    b, longitudes = np.radians(chart.latitudes)[:, None], np.radians(chart.longitudes - longitude)
    to = np.sin(b) * math.sin(math.radians(latitude)) + np.cos(b) * math.cos(math.radians(latitude)) * np.cos(
        longitudes
    )
    values = 1000 * np.exp(-(1 - to) / math.radians(width) ** 2)
    return dataclasses.replace(chart, values=values.astype(np.float32))


def at(longitude, latitude, radius=1.0, date=DATE):
    """An observer at a Carrington longitude and latitude in degrees, and a distance in au."""
    frame = HeliographicCarrington(observer="self", obstime=date)
    return SkyCoord(longitude * u.deg, latitude * u.deg, radius * u.au, frame=frame)


def centroid(values):
    rows, columns = np.indices(values.shape)
    return (values * columns).sum() / values.sum(), (values * rows).sum() / values.sum()


class TestGeometry:
    @settings(max_examples=30)
    @given(
        longitude=st.floats(-70, 70),
        latitude=st.floats(-80, 80),
        observer=st.tuples(st.floats(0, 360), st.floats(-90, 90), st.floats(0.01, 9)),
    )
    def test_places_as_sunpy_has_them(self, longitude, latitude, observer):
        """A place on the Sun, in the observer's Carrington coordinates, is in the pixel that the grid's header says."""
        place = at(*observer)
        grid = Grid((1024, 1024), solar_radius=392)
        frame = Helioprojective(observer=place, obstime=DATE)
        image = sunpy.map.Map(np.zeros(grid.shape), grid.header(frame))
        carrington = HeliographicCarrington(
            (observer[0] + longitude) * u.deg, latitude * u.deg, image.rsun_meters, observer=place, obstime=DATE
        )
        x, y = image.wcs.world_to_pixel(SkyCoord(carrington).transform_to(image.coordinate_frame))
        # And back, by way of the same line of sight.
        view = vantage._View.of(resolve_observer(place))
        offset = [np.array((pixel - center) / 392) for pixel, center in zip((x, y), grid.center, strict=True)]
        if np.hypot(*offset) > 0.999:
            return
        away, sine, cosine = view.surface(*offset)
        toward = SkyCoord(carrington).transform_to(Heliocentric(observer=place, obstime=DATE))
        line = place.radius - toward.z
        expected = (
            (toward.z * line - toward.x**2 - toward.y**2)
            / image.rsun_meters
            / np.sqrt(line**2 + toward.x**2 + toward.y**2)
        )
        if expected < 0.05:
            # On the other side, or at the limb, where a pixel is many degrees.
            return
        assert cosine == pytest.approx(expected.to_value(u.one), abs=1e-4)
        # Pixels of 392 to a radius.
        found = np.array([np.cos(away) * np.sqrt(1 - sine**2), np.sin(away) * np.sqrt(1 - sine**2), sine])
        b, turn = math.radians(latitude), math.radians(longitude)
        wanted = np.array([math.cos(b) * math.cos(turn), math.cos(b) * math.sin(turn), math.sin(b)])
        assert np.linalg.norm(found - wanted) * 392 * cosine < 0.1

    @given(
        radius=st.floats(0, 0.99),
        angle=st.floats(0, 2 * math.pi),
        latitude=st.floats(-90, 90),
        distance=st.floats(0.01, 9),
    )
    def test_back_again(self, radius, angle, latitude, distance):
        view = vantage._View(0.0, math.radians(latitude), distance * 215)
        x, y = (np.array(radius * part(angle)) for part in (math.cos, math.sin))
        longitude, sine, cosine = view.surface(x, y)
        back = view.image(longitude, np.clip(sine, -1, 1))
        np.testing.assert_allclose(back, (x, y, cosine), atol=1e-5)

    @pytest.mark.parametrize("radius", [0.02, 0.05, 0.3, 1.0, 5.0])
    @pytest.mark.parametrize(("longitude", "latitude"), [(0, 0), (40, 20), (-50, -35)])
    def test_spots_as_sunpy_has_them(self, radius, longitude, latitude):
        chart = spot(make_chart(noise(360, 720)), 100 + longitude, latitude)
        place = at(100, 6, radius)
        field = project(chart, place, GRID)
        image = sunpy.map.Map(field.values, GRID.header(Helioprojective(observer=place, obstime=DATE)))
        # The spot's own centroid in the picture, by many of its points.
        points = spot(make_chart(np.zeros((360, 720))), 100 + longitude, latitude).values
        rows, columns = np.nonzero(points > 1)
        places = HeliographicCarrington(
            chart.longitudes[columns] * u.deg,
            chart.latitudes[rows] * u.deg,
            image.rsun_meters,
            observer=place,
            obstime=DATE,
        )
        x, y = image.wcs.world_to_pixel(SkyCoord(places).transform_to(image.coordinate_frame))
        away, _, cosine = vantage._View.of(resolve_observer(place)).surface(
            (x - GRID.center[0]) / 98, (y - GRID.center[1]) / 98
        )
        assert np.isfinite(away).all()
        weight = points[rows, columns] * cosine**2
        expected = (x * weight).sum() / weight.sum(), (y * weight).sum() / weight.sum()
        np.testing.assert_allclose(centroid(field.values), expected, atol=0.1)

    @pytest.mark.parametrize("radius", [0.01, 0.0466, 1.0])
    def test_the_whole_disk_is_shown(self, radius):
        """By sunpy's limb, too, however near: what is just inside of it is seen from the side."""
        place = at(10, 5, radius)
        image = sunpy.map.Map(np.zeros(GRID.shape), GRID.header(Helioprojective(observer=place, obstime=DATE)))
        on_disk = sunpy.map.coordinate_is_on_solar_disk(sunpy.map.all_coordinates_from_map(image))
        np.testing.assert_array_equal(on_disk, GRID.radius < 1)
        field = project(make_chart(np.full((180, 360), 10.0)), place, GRID)
        edge = (GRID.radius > 0.985) & (GRID.radius < 0.99)
        assert (field.values[on_disk] > 0).all()
        assert field.values[edge].max() < 2.5

    def test_uniform_field_is_the_cosine(self):
        field = project(make_chart(np.full((180, 360), 10.0)), at(10, 5, 9), GRID)
        inside = GRID.radius < 0.99
        np.testing.assert_allclose(field.values[inside], 10 * GRID.mu[inside], atol=0.05)
        assert (field.values[GRID.radius >= 1] == 0).all()

    def test_nearer_observers_see_less(self):
        """From 5 solar radii the limb is at 78 degrees, and the line of sight is far from parallel."""
        chart = spot(make_chart(noise()), 85, 0, 2)
        near, far = project(chart, at(0, 0, 0.0233), GRID), project(chart, at(0, 0, 1), GRID)
        assert abs(near.values).max() < 1e-3 * abs(far.values).max()

    def test_flux(self):
        """Of a spot anywhere on the disk, what reaches the observer is that of its area, seen from the side."""
        for longitude, latitude in ((0, 0), (30, 10), (60, -30), (70, 0)):
            chart = spot(make_chart(noise(720, 1440)), longitude, latitude, 4)
            field = project(chart, at(0, 0, 9), GRID)
            b, away = np.radians(chart.latitudes)[:, None], np.radians(chart.longitudes)
            mu = np.clip(np.cos(b) * np.cos(away), 0, None)
            element = 4 * np.pi / chart.values.size
            expected = (chart.values * mu**2).sum() * element
            assert field.values.sum() / 98**2 == pytest.approx(expected, rel=0.01)

    @pytest.mark.parametrize("equal_area", [True, False])
    def test_rows(self, equal_area):
        """Rows of equal latitude and of equal sine show the same Sun."""
        chart = spot(make_chart(noise(720, 1440), equal_area=equal_area), 20, 40, 6)
        # It is seen from the side, and so nearer to the disk's centre than its own is, which is at (153.2, 190.5).
        np.testing.assert_allclose(centroid(project(chart, at(0, 0), GRID).values), (152.42, 188.64), atol=0.02)

    def test_fine_charts_are_averaged(self):
        """HMI's chart of 0.1 degrees and the mean of its blocks look alike on a grid that resolves neither."""
        fine = noise(1440, 3600)
        coarse = fine.reshape(360, 4, 720, 5).mean(axis=(1, 3))
        fields = [
            project(make_chart(fine, first=0.1), at(77, 3), GRID),
            project(make_chart(coarse, first=0.3), at(77, 3), GRID),
        ]
        inside = GRID.radius < 0.8
        assert np.corrcoef(fields[0].values[inside], fields[1].values[inside])[0, 1] > 0.7
        assert fields[0].values[inside].std() == pytest.approx(fields[1].values[inside].std(), rel=0.25)

    @pytest.mark.filterwarnings("ignore")
    def test_a_coarse_chart_is_called_a_chart(self, tiny_model):
        """Of 1 degree, as GONG's."""
        chart = make_chart(noise())
        field = project(chart, at(0, 0), tiny_model.grid)
        reports = assess(field, tiny_model, tiny_model.passbands)
        said = " ".join(reports[tiny_model.passbands[3]].warnings())
        assert "the chart resolves 1.7 times less than the model's grid" in said
        assert "take a chart that resolves more" in said
        assert "magnetogram" not in said

    def test_coarseness(self):
        """Two elements of half a degree over two pixels."""
        chart = make_chart(noise(360, 720))
        assert project(chart, at(0, 0), GRID).coarseness == pytest.approx(98 * math.radians(0.5))
        assert project(chart, at(0, 0), Grid((1024, 1024), 392)).coarseness == pytest.approx(392 * math.radians(0.5))


class TestSymmetry:
    @settings(max_examples=10)
    @given(turns=st.integers(-3, 3), longitude=st.floats(-180, 180), latitude=st.floats(-90, 90))
    def test_whole_turns(self, turns, longitude, latitude):
        chart = make_chart(noise(90, 180))
        first = project(chart, at(longitude, latitude), SMALL)
        again = project(chart, at(longitude + 360 * turns, latitude), SMALL)
        np.testing.assert_allclose(again.values, first.values, atol=1e-5 * abs(first.values).max())

    @settings(max_examples=10)
    @given(shift=st.floats(-360, 360), longitude=st.floats(0, 360))
    def test_shifted_chart(self, shift, longitude):
        chart = make_chart(noise(90, 180))
        moved = dataclasses.replace(chart, first_longitude=chart.first_longitude + shift)
        expected = project(chart, at(longitude - shift, 10), SMALL)
        scale = abs(expected.values).max()
        np.testing.assert_allclose(project(moved, at(longitude, 10), SMALL).values, expected.values, atol=2e-4 * scale)

    def test_chart_rolled_by_whole_columns(self):
        chart = make_chart(noise(90, 180))
        rolled = dataclasses.replace(chart, values=np.roll(chart.values, 25, axis=1))
        expected = project(chart, at(40, 10), SMALL)
        np.testing.assert_allclose(project(rolled, at(90, 10), SMALL).values, expected.values, atol=2e-2)

    @settings(max_examples=10)
    @given(latitude=st.floats(-90, 90), equal_area=st.booleans())
    def test_mirrored_chart(self, latitude, equal_area):
        chart = make_chart(noise(90, 180), equal_area=equal_area)
        mirrored = dataclasses.replace(chart, values=chart.values[::-1].copy())
        expected = project(chart, at(40, latitude), SMALL).values[::-1]
        scale = abs(expected).max()
        np.testing.assert_allclose(project(mirrored, at(40, -latitude), SMALL).values, expected, atol=2e-4 * scale)

    def test_signs(self):
        chart = make_chart(noise(90, 180))
        reversed_ = dataclasses.replace(chart, values=-chart.values)
        field, other = project(chart, at(40, 10), SMALL), project(reversed_, at(40, 10), SMALL)
        np.testing.assert_array_equal(field.values, -other.values)

    def test_offset_grid(self):
        """A part of a grid sees what the grid sees there."""
        chart, rows, columns = make_chart(noise(90, 180)), slice(10, 40), slice(5, 60)
        whole = project(chart, at(40, 10), SMALL)
        part = project(chart, at(40, 10), SMALL.crop(rows, columns))
        np.testing.assert_allclose(part.values, whole.values[rows, columns], atol=1e-2)


class TestField:
    def test_what_is_prepared(self):
        field = project(make_chart(noise()), at(40, 10), SMALL)
        assert isinstance(field, PreparedField)
        assert field.values.dtype == np.float32
        assert field.values.shape == field.known.shape == SMALL.shape
        assert field.known.all()
        assert field.window == (slice(0, 64), slice(0, 64))
        assert (field.on_hmi_scale, field.objections, field.impossible) == (True, {}, 0)

    def test_unknown_parts(self):
        chart = make_chart(np.full((180, 360), 50.0))
        known = chart.known.copy()
        known[:, 90:120] = False
        chart = dataclasses.replace(chart, known=known, values=np.where(known, chart.values, 0))
        field = project(chart, at(100, 0, 9), GRID)
        assert not field.known[128, 128]
        assert (field.values[~field.known] == 0).all()
        # No half-known pixel is half a field.
        inside = field.known & (GRID.radius < 0.9)
        np.testing.assert_allclose(field.values[inside] / GRID.mu[inside], 50, rtol=0.01)
        assert 0.2 < 1 - field.known[GRID.radius < 1].mean() < 0.4
        assert field.known[GRID.radius >= 1].all()

    def test_unseen_pole(self):
        chart = make_chart(noise())
        filled = chart.filled.copy()
        filled[:15] = True
        chart = dataclasses.replace(chart, filled=filled)
        assert "of the disk is a pole" in project(chart, at(0, -80), SMALL).objections["unseen pole"]
        assert project(chart, at(0, -80), SMALL).known.all()
        assert project(chart, at(0, 60), SMALL).objections == {}

    def test_noise_at_a_pole_that_was_hidden(self):
        """Divided by a small cosine it is as strong as network; seen from above, it is no more than elsewhere."""
        chart = make_chart(noise(360, 720) / 30 * 2.4, time=DATE)
        cosine = np.maximum(np.cos(np.radians(chart.latitudes + 7)), 0.05)[:, None] + np.zeros(720)
        seen = dataclasses.replace(chart, values=(5 + chart.values / cosine).astype(np.float32))
        known = dataclasses.replace(seen, cosine=cosine.astype(np.float32))
        above = GRID.radius < 0.25
        for latitude, most in ((90, 9), (60, 9), (-90, 6)):
            after = project(known, at(0, latitude), GRID).values
            pole = above if abs(latitude) == 90 else (GRID.radius < 0.6) & (np.arange(256)[:, None] > 150)
            assert after[pole].std() < most
            # What is of one sign stays what it is.
            assert after[pole].mean() == pytest.approx(5 * GRID.mu[pole].mean(), abs=1)
        assert project(seen, at(0, 90), GRID).values[above].std() > 15

    def test_what_earth_saw_stays_what_it_is(self):
        chart = make_chart(noise(360, 720))
        cosine = np.maximum(np.cos(np.radians(chart.latitudes + 7)), 0)[:, None] + np.zeros(720)
        known = dataclasses.replace(chart, cosine=cosine.astype(np.float32))
        for place in (at(30, -7), at(200, -7, 0.3)):
            before, after = (project(each, place, GRID).values for each in (chart, known))
            np.testing.assert_array_equal(after, before)
        # So does what was seen well, from anywhere.
        before, after = (project(each, at(0, -90), GRID).values for each in (chart, known))
        well = (GRID.radius > 0.35) & (GRID.radius < 0.85)
        np.testing.assert_array_equal(after[well], before[well])

    def test_what_the_chart_says_goes_on(self):
        chart = make_chart(noise(), on_hmi_scale=False, objections={"a thing": "there is a thing"})
        field = project(chart, at(0, 0), SMALL)
        assert (field.on_hmi_scale, field.objections) == (False, {"a thing": "there is a thing"})


class TestAge:
    def test_rotation(self):
        """A chart of a rotation, in its middle: nought below Earth, past to the west, future to the east."""
        since = (np.arange(360) + 0.5 - sun.L0(DATE).deg + 180) % 360 - 180
        chart = make_chart(noise(), first=0.5, observed=DATE - since / 360 * 27.2753 * u.day)
        ages = ages_of(chart, resolve_observer("earth", DATE), GRID)
        assert abs(ages[128, 128]) < 0.1
        # 30 degrees west.
        assert ages[128, 128 + 49] == pytest.approx(30 / 360 * 27.2753, abs=0.1)
        np.testing.assert_allclose(ages[128, 60], -ages[128, 195], atol=0.1)
        # Off the disk it is that of the limb.
        assert ages[128, 250] == pytest.approx(90 / 360 * 27.2753, abs=0.3)
        # A week later all is a week older.
        later = ages_of(chart, resolve_observer("earth", DATE + 7 * u.day), GRID)
        assert later[128, 128] == pytest.approx(7 + ages[128, 128] - 7, abs=0.2)

    def test_far_side(self):
        chart = make_chart(noise(), first=0.5, observed=DATE - np.arange(360) / 360 * 27.2753 * u.day)
        ages = ages_of(chart, resolve_observer(at(180.5, 0)), SMALL)
        assert ages[32, 32] == pytest.approx(13.6, abs=0.2)

    def test_map_of_ages(self, tiny_model):
        ages = age_map(sample_chart(), "earth", model=tiny_model)
        grid = tiny_model.grid
        assert ages.unit == u.day
        np.testing.assert_array_equal(np.isnan(ages), grid.radius >= 1)
        chart = chart_of(sample_chart())
        expected = ages_of(chart, resolve_observer("earth", default=chart.time), grid)
        np.testing.assert_array_equal(ages[grid.radius < 1].value, expected[grid.radius < 1])
        later = age_map(sample_chart(), "earth", chart.time + 5 * u.day, model=tiny_model)
        place = age_map(sample_chart(), get_earth(chart.time + 5 * u.day), model=tiny_model)
        np.testing.assert_array_equal(later, place)

    def test_one_map_at_a_time(self, tiny_model):
        for observer, obstime in ((["earth", "mars"], None), ("earth", ["2014-01-15", "2014-01-16"])):
            with pytest.raises(
                TypeError, match=r"one observer and one time; there are several\. Call it once for each"
            ):
                age_map(sample_chart(), observer, obstime, model=tiny_model)

    def test_an_old_chart_is_said(self):
        observed = DATE + np.linspace(-13, 13, 360) * u.day
        chart = make_chart(noise(), observed=observed)
        for days, old in ((0, False), (-60, False), (-69, True), (69, True)):
            objections = project(chart, "earth", SMALL, DATE + days * u.day).objections
            assert ("old chart" in objections) is old


@pytest.mark.filterwarnings("ignore")
def test_images_are_plotted_in_colours_of_their_passband(tiny_model, tmp_path):
    """Also by those who read the file without this package."""
    (image,) = mag2euv.generate(sample_chart(), [193], observer="earth", model=tiny_model)
    image.save(tmp_path / "seen.fits")
    for seen in (image, sunpy.map.Map(tmp_path / "seen.fits")):
        assert isinstance(seen, sunpy.map.sources.AIAMap)
        assert seen.cmap.name == "sdoaia193"
        assert seen.meta["telescop"] == "SDO/AIA-like (synthetic)"


@pytest.mark.filterwarnings("ignore")
def test_scores_are_those_of_the_archives_fields(test_data):
    """Images of the chart are as near to AIA's as those of the fields that were made of it for training."""
    archive = np.load(test_data / "browse_pairs" / "hourly_2012.npz", allow_pickle=True)
    chart = read_chart(test_data / "inputs" / "hmi.Synoptic_Mr_small.2130.fits")
    model, times = mag2euv.load_model("shared-browse"), Time([str(time) for time in archive["time"]])
    # Rotation 2130 was at the central meridian of November 19.
    for number in np.flatnonzero(abs(times - Time("2012-11-19")) < 1 * u.day)[::3]:
        codes = archive["aia_0171"][list(archive["index_0171"]).index(number)].astype(float)
        observed = (np.sqrt(10) + (np.sqrt(6000) - np.sqrt(10)) * codes / 255) ** 2 / 4.99803
        field = archive["magnetogram"][number].astype(np.float32)
        archived = model.outputs(model.run(field, torch.device("cpu")))[0][2].value
        charted = mag2euv.generate(chart, 171, observer="earth", obstime=times[number], model=model).data
        disk = (model.grid.radius < 1) & (codes < 255)
        scores = [np.corrcoef(observed[disk], image[disk])[0, 1] for image in (archived, charted)]
        assert scores[1] > 0.7
        assert scores[1] == pytest.approx(scores[0], abs=0.01)


@pytest.mark.filterwarnings("ignore")
def test_hidden_poles_are_as_bright_as_others(test_data):
    """No ring around them, and no disk, in charts of the minimum between two cycles, when both have coronal holes."""
    names = ("hmi.Synoptic_Mr_small.2220.fits", "hmi.mrdailysynframe_small_720s.20181106_120000_TAI.data.fits")
    paths = [test_data / "inputs" / name for name in names]
    if not all(path.exists() for path in paths):
        pytest.skip("there are no such charts")
    model = mag2euv.load_model("shared-browse")
    for path in paths:
        above = [at(0, latitude) for latitude in (-90, 90)]
        hidden, seen = (image.data for image in mag2euv.generate(read_chart(path), 193, observer=above, model=model))
        for inner, outer in ((0, 0.1), (0.1, 0.2), (0.2, 0.3)):
            ring = (model.grid.radius >= inner) & (model.grid.radius < outer)
            assert np.median(hidden[ring]) == pytest.approx(np.median(seen[ring]), rel=0.3)


class TestView:
    def test_of_a_rotation(self):
        chart = make_chart(noise(), rotation=2145)
        view = view_of(chart, at(100, 5, 0.5), 696 * u.Mm)
        assert view.telescope == "SDO/AIA-like (synthetic)"
        assert view.date == view.reference_date == view.frame.obstime == DATE
        assert view.frame.rsun == 696 * u.Mm
        assert u.isclose(view.frame.observer.radius, 0.5 * u.au)
        assert view.origin == "a chart of rotation 2145 as a made-up observer would see it"
        assert view.sources[0] == "chart: HMI, Carrington rotation 2145, made up, 2014-01-15T12:00:00.000 UTC"
        assert "seen by: a made-up observer" in view.sources[1]
        assert "0.50000 au" in view.sources[1]

    @pytest.mark.parametrize(("name", "said"), [("mars", "Mars"), ("SDO", "SDO"), ("earth", "Earth"), ("l1", "L1")])
    def test_from_a_place_with_a_name(self, name, said):
        view = view_of(make_chart(noise(), rotation=2145), resolve_observer(name, DATE), 696 * u.Mm)
        assert view.origin == f"a chart of rotation 2145 as it would be seen from {said}"
        assert view.sources[1].startswith(f"seen from: {said}, at Stonyhurst longitude ")

    def test_of_a_member_of_an_ensemble(self):
        chart = make_chart(noise(), instrument="ADAPT GONG", realization=3)
        view = view_of(chart, at(100, 5), 696 * u.Mm)
        assert view.sources[0] == "chart: ADAPT GONG, realization 3, made up, 2014-01-15T12:00:00.000 UTC"

    def test_of_a_day(self):
        view = view_of(make_chart(noise()), at(100, 5), 696 * u.Mm)
        assert view.origin == "a chart of 2014-01-15 as a made-up observer would see it"
        assert view.sources[0] == "chart: HMI, made up, 2014-01-15T12:00:00.000 UTC"


class TestSeveral:
    def test_one(self):
        for observer, obstime in (("earth", DATE), (at(1, 2), None), ("mars", "2014-01-15"), ("mars", (2014, 1, 15))):
            places, several = resolve_observers(observer, obstime, DATE)
            assert not several
            assert len(places) == 1

    def test_observers(self):
        observers = [at(10, 0), "earth", "mars"]
        for given_ in (observers, tuple(observers), iter(observers)):
            places, several = resolve_observers(given_, default=DATE)
            assert several
            expected = [resolve_observer(observer, default=DATE) for observer in observers]
            for place, other in zip(places, expected, strict=True):
                assert place.separation_3d(other) < 1 * u.km

    def test_coordinates_of_several(self):
        frame = HeliographicStonyhurst(obstime=DATE)
        track = SkyCoord([0, 10, 20] * u.deg, [0, 0, 5] * u.deg, [1, 1, 0.9] * u.au, frame=frame)
        places, several = resolve_observers(track)
        assert several
        np.testing.assert_allclose([place.lon.deg for place in places], [0, 10, 20], atol=1e-9)

    def test_times(self):
        times = DATE + [0, 1, 2] * u.day
        for given_ in (times, list(times), times.isot, times.datetime64):
            places, several = resolve_observers("earth", given_)
            assert several
            np.testing.assert_allclose([(place.obstime - DATE).to_value(u.day) for place in places], [0, 1, 2])

    def test_pairs(self):
        places, _ = resolve_observers(["earth", "mars"], DATE + [0, 1] * u.day)
        assert abs(places[1].obstime - DATE - 1 * u.day) < 1 * u.s
        with pytest.raises(ValueError, match="there are 2 observers and 3 times"):
            resolve_observers(["earth", "mars"], DATE + [0, 1, 2] * u.day)

    def test_one_of_several_is_bad(self):
        with pytest.raises(ValueError, match="must be outside of the Sun"):
            resolve_observers([at(0, 0), at(0, 0, 0.001)])
        with pytest.raises(TypeError, match="got int"):
            resolve_observers([at(0, 0), 7])


class TestObservers:
    def test_earth(self):
        for name in ("earth", "Earth", "SDO", " sdo "):
            place = resolve_observer(name, DATE)
            earth = get_earth(DATE)
            assert place.obstime == DATE
            assert u.allclose([place.lat, place.lon], [earth.lat, earth.lon])
            assert u.allclose(place.radius, earth.radius)

    def test_l1(self):
        place = resolve_observer("L1", "2014-01-15T12:00:00")
        assert (get_earth(DATE).radius - place.radius).to_value(u.km) == pytest.approx(1.5e6, rel=0.01)

    @pytest.mark.parametrize("name", ["moon", "mercury", "venus", "mars", "jupiter", "saturn", "uranus", "neptune"])
    def test_bodies(self, name):
        """At all times: Saturn was farther than 10 au in 2018."""
        for date in (DATE, Time("2018-05-01"), Time("1996-05-01")):
            place = resolve_observer(name, date)
            assert place.separation_3d(get_body_heliographic_stonyhurst(name, date)) < 1 * u.km
        assert project(make_chart(noise()), name, SMALL).known.all()

    def test_with_earth(self):
        earth = resolve_observer("earth", DATE)
        for name, longitude in (("L4", 60), ("l5", -60)):
            place = resolve_observer(name, DATE)
            assert u.isclose(place.radius, earth.radius, rtol=1e-6)
            assert place.separation_3d(earth).to_value(u.au) == pytest.approx(earth.radius.to_value(u.au), rel=1e-3)
            # The ecliptic is tilted against the Sun's equator by 7 degrees.
            assert place.lon.wrap_at(180 * u.deg).deg == pytest.approx(longitude, abs=1)
            assert abs(place.lat.deg) < 7.3

    @pytest.mark.parametrize("name", ["sun", "Sun", "far side", "far_side", "south pole"])
    def test_no_places(self, name):
        with pytest.raises(ValueError, match=r"must be one place; .* Give longitude, latitude and distance"):
            resolve_observer(name, DATE)

    def test_times(self):
        without = SkyCoord(30 * u.deg, 5 * u.deg, 1 * u.au, frame=HeliographicStonyhurst)
        within = SkyCoord(30 * u.deg, 5 * u.deg, 1 * u.au, frame=HeliographicStonyhurst(obstime=DATE))
        assert resolve_observer(without, DATE).obstime == DATE
        assert resolve_observer(without, default=DATE).obstime == DATE
        assert resolve_observer(within, default=DATE + 1 * u.day).obstime == DATE
        assert resolve_observer(within, DATE).obstime == DATE
        assert resolve_observer("earth", default=DATE).obstime == DATE
        assert project(make_chart(noise()), "earth", SMALL).known.all()
        with pytest.raises(ValueError, match="there is none with these coordinates"):
            resolve_observer(without)
        with pytest.raises(ValueError, match="there is none for 'earth'"):
            resolve_observer("earth")
        with pytest.raises(ValueError, match="must be where it is at obstime"):
            resolve_observer(within, DATE + 1 * u.day)
        with pytest.raises(ValueError, match="obstime must be a time"):
            resolve_observer("earth", "yesterday")
        with pytest.raises(ValueError, match="obstime must be one time; got 2"):
            resolve_observer("earth", DATE + [0, 1] * u.day)

    @pytest.mark.parametrize(
        "frame",
        [
            HeliographicStonyhurst(obstime=DATE),
            HeliographicCarrington(obstime=DATE, observer="self"),
            frames.HeliocentricInertial(obstime=DATE),
            frames.HeliocentricEarthEcliptic(obstime=DATE),
            "hcrs",
            "icrs",
        ],
    )
    def test_frames(self, frame):
        """The same place, in whatever frame it is given."""
        expected = SkyCoord(30 * u.deg, 5 * u.deg, 0.7 * u.au, frame=HeliographicStonyhurst(obstime=DATE))
        given = expected.transform_to(frame)
        place = resolve_observer(given.frame, DATE)
        assert place.frame.name == "heliographic_stonyhurst"
        assert place.separation_3d(expected) < 3000 * u.km
        assert resolve_observer(given, DATE).separation_3d(expected) < 3000 * u.km

    def test_carrington_of_nobody(self):
        """Coordinates that do not say whose they are are the observer's own."""
        place = SkyCoord(100 * u.deg, 5 * u.deg, 1 * u.au, frame="heliographic_carrington")
        assert resolve_observer(place, DATE).separation_3d(resolve_observer(at(100, 5))) < 1 * u.km

    @pytest.mark.parametrize(
        ("radius", "match"),
        [
            (0.5 * u.R_sun, "must be outside of the Sun"),
            (1.5 * u.R_sun, "must be 0.01 to 50 au from the Sun; these coordinates are 0.006976 au from it"),
            (
                1000 * u.au,
                "must be 0.01 to 50 au from the Sun; these coordinates are 1000 au from it. Check the time, or",
            ),
        ],
    )
    def test_distance(self, radius, match):
        with pytest.raises(ValueError, match=match):
            resolve_observer(SkyCoord(0 * u.deg, 0 * u.deg, radius, frame=HeliographicStonyhurst(obstime=DATE)))

    def test_no_distance(self):
        place = SkyCoord(0 * u.deg, 0 * u.deg, frame=HeliographicStonyhurst(obstime=DATE))
        with pytest.raises(ValueError, match="Give a radius, such as 1 au"):
            resolve_observer(place)
        with pytest.raises(ValueError, match=r"must be a place in space|at some place|outside of the Sun"):
            resolve_observer(SkyCoord(0 * u.deg, 0 * u.deg, frame="icrs"), DATE)
        with pytest.raises(ValueError, match=r"must be a place in space|at some place"):
            resolve_observer(SkyCoord(0 * u.deg, 0 * u.deg, np.nan * u.au, frame=HeliographicStonyhurst), DATE)

    def test_several(self):
        with pytest.raises(ValueError, match="must be one place; got 2"):
            resolve_observer(SkyCoord([0, 1] * u.deg, [0, 1] * u.deg, 1 * u.au, frame=HeliographicStonyhurst), DATE)

    @pytest.mark.filterwarnings("ignore:ERFA function")
    @pytest.mark.parametrize("year", ["0001", "1600", "9999"])
    def test_years(self, year):
        """Of some sunpy makes today."""
        for observer in ("earth", SkyCoord(0 * u.deg, 0 * u.deg, 1 * u.au, frame=HeliographicStonyhurst)):
            with pytest.raises(ValueError, match=rf"a time from 1800 to 2200; got {int(year)}-01-01"):
                resolve_observer(observer, Time(f"{year}-01-01"))

    @pytest.mark.parametrize("observer", [None, 3, ("earth",), 1 * u.au])
    def test_no_observer(self, observer):
        with pytest.raises(TypeError, match="must be a SkyCoord, or a name"):
            resolve_observer(observer, DATE)

    def test_map_for_an_observer(self):
        for resolve in (resolve_observer, resolve_observers):
            with pytest.raises(TypeError, match=r"got \w+Map\. Give the observer_coordinate of the Map"):
                resolve(sample_chart(), DATE)
        with pytest.raises(ValueError, match="obstime must be a time"):
            resolve_observers("earth", sample_chart())
        with pytest.raises(TypeError, match=r"got list\. Call once for each"):
            resolve_observer(["earth"], DATE)

    @pytest.mark.parametrize(
        ("name", "asked"),
        [
            ("stereo_a", "STEREO-A"),
            ("STEREO-A", "STEREO-A"),
            ("Solar Orbiter", "Solar Orbiter"),
            ("solar_orbiter", "solar orbiter"),
            ("psp", "Parker Solar Probe"),
        ],
    )
    def test_spacecraft(self, monkeypatch, name, asked):
        def horizons(body, time):
            assert body == asked
            return SkyCoord(-120 * u.deg, 1 * u.deg, 0.96 * u.au, frame=HeliographicStonyhurst(obstime=time))

        monkeypatch.setattr(vantage, "get_horizons_coord", horizons)
        place = resolve_observer(name, DATE)
        assert place.lon.deg == pytest.approx(-120)
        assert place.obstime == DATE
        assert place.info.name == name.replace("_", " ")

    @pytest.mark.parametrize("error", [ValueError("No matches found."), RuntimeError("Unknown error:\nhelp")])
    def test_unknown_spacecraft(self, monkeypatch, error):
        monkeypatch.setattr(vantage, "get_horizons_coord", raising(error))
        with pytest.raises(ValueError, match=r"'sterio' is unknown to JPL's Horizons at 2014.*earth, sdo, l1"):
            resolve_observer("sterio", DATE)
        with pytest.raises(ValueError, match=r"Did you mean 'earth'\?"):
            resolve_observer("earht", DATE)
        with pytest.raises(ValueError, match="must have a name"):
            resolve_observer(" ", DATE)

    def test_no_network(self, monkeypatch):
        monkeypatch.setattr(vantage, "get_horizons_coord", raising(OSError("no route to host")))
        with pytest.raises(
            ConnectionError, match=r"cannot be reached \(no route to host\)\. Give a SkyCoord, or one of"
        ):
            resolve_observer("stereo_a", DATE)
        for name, meant in (("Earht", "earth"), ("mras", "mars"), ("sterio_a", "stereo a"), ("far_sied", "far side")):
            with pytest.raises(ConnectionError, match=rf"observer {name!r} is none of .* Did you mean {meant!r}\?"):
                resolve_observer(name, DATE)

    @pytest.mark.remote_data
    def test_horizons(self):
        place = resolve_observer("stereo_a", "2012-06-01")
        assert place.lon.deg == pytest.approx(117, abs=2)
        assert place.radius.to_value(u.au) == pytest.approx(0.96, abs=0.02)


def raising(error):
    """A function that fails."""

    def fail(*args):
        raise error

    return fail


@pytest.fixture(scope="module")
def chart(test_data):
    """HMI's chart of rotation 2130."""
    paths = list(test_data.glob("inputs/hmi.Synoptic_Mr_small.2130.fits"))
    if not paths:
        pytest.skip("there is no such chart")
    return chart_of(read_chart(paths[0]))


@pytest.fixture(scope="module")
def training(test_data):
    """Times at which the whole disk is in that chart, with sub-Earth coordinates, and the field to train on."""
    path = test_data / "browse_pairs" / "hourly_2012.npz"
    if not path.exists():
        pytest.skip("there is no such archive")
    with np.load(path) as data:
        rotation = sun.carrington_rotation_number(Time(data["time"]))
        (chosen,) = np.nonzero((rotation > 2130.3) & (rotation < 2130.7))
        fields = data["magnetogram"]
        return [(Time(data["time"][i]), data["l0"][i], data["b0"][i], fields[i].astype(float)) for i in chosen[::6]]


class TestTrainingFields:
    """Chart 2130, and fields that the packaged weights were trained on."""

    def test_from_afar(self, chart, training):
        """The archive's lines of sight are parallel; from 10 au they nearly are."""
        assert len(training) > 5
        for date, longitude, latitude, expected in training:
            field = project(chart, at(longitude, latitude, 9.9, date), GRID).values
            disk = GRID.radius < 1
            assert np.corrcoef(field[disk], expected[disk])[0, 1] > 0.99
            assert np.polyfit(field[disk], expected[disk], 1)[0] == pytest.approx(1, abs=0.03)

    def test_from_earth(self, chart, training):
        """From Earth, perspective moves the field by up to 0.2 pixels, which shows in single pixels of network only."""
        for date, longitude, latitude, expected in training:
            place = resolve_observer("earth", date)
            view = vantage._View.of(place)
            assert math.degrees(view.longitude) % 360 == pytest.approx(longitude, abs=1e-3)
            assert math.degrees(view.latitude) == pytest.approx(latitude, abs=1e-3)
            field = project(chart, place, GRID).values
            disk = GRID.radius < 1
            assert np.corrcoef(field[disk], expected[disk])[0, 1] > 0.95
            blocks = [
                values.reshape(64, 4, 64, 4).mean(axis=(1, 3))[GRID.binned(4).radius < 0.97]
                for values in (field, expected)
            ]
            assert np.corrcoef(*blocks)[0, 1] > 0.99

    def test_age_is_that_of_longitude(self, chart, training):
        """Stonyhurst longitude over 13.2 degrees a day, in a chart of a rotation."""
        date = training[0][0]
        ages = ages_of(chart, resolve_observer("earth", date), GRID)
        assert abs(ages[128, 128]) < 0.1
        assert ages[128, 128 + 85] == pytest.approx(60.1 / 13.2, abs=0.15)
        assert ages[128, 127 - 85] == pytest.approx(-60.1 / 13.2, abs=0.15)
