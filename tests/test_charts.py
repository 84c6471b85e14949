"""Charts of the whole Sun: files as archives ship them, and what is behind them."""

import re

import numpy as np
import pytest
from aia_images import make_aia
from hypothesis import given, settings
from hypothesis import strategies as st

import astropy.units as u
import sunpy.map
from astropy.io import fits
from astropy.time import Time
from sunpy.coordinates import get_earth, sun
from sunpy.map.header_helper import make_heliographic_header
from sunpy.util.exceptions import SunpyUserWarning

from sunpy_mag2euv.charts import chart_of, read_chart

#: What the header of HMI's small chart of a rotation says, of 2010 in the main, but for its shape.
HMI = {
    "TELESCOP": "SDO/HMI",
    "INSTRUME": "HMI_SIDE1",
    "BUNIT": "Mx/cm^2",
    "CONTENT": "Carrington Synoptic Chart Of Br Field",
    "CTYPE1": "CRLN-CEA",
    "CTYPE2": "CRLT-CEA",
    "CUNIT1": "Degree",
    "CUNIT2": "Sine Latitude",
    "CRVAL1": 360 * 2098.5,
    "CRVAL2": 0.0,
    "CAR_ROT": 2099,
    "T_OBS": "2010.07.26_23:22:04_TAI",
    "T_ROT": "2010.07.26_23:22:04_TAI",
    "T_REC": "-4712.01.01_11:59:28_TAI",
}

ADAPT = {
    "MODEL": "ADAPT",
    "MAPTIME": "2020-01-01T00:00:00",
    "MAPDATA": "GONG",
    "FLUXSCAL": 1.85,
    "MISSING": -9999.0,
    "CTYPE1": "Long",
    "CTYPE2": "Lat",
    "CUNIT1": "deg",
    "CUNIT2": "deg",
    "CRVAL1": 180.0,
    "CRVAL2": 0.0,
}


def field(rows=36, columns=72, equal_area=True):
    """A field of both signs in gauss that says longitude and latitude, without structure where those end."""
    middles = (np.arange(rows) + 0.5) / rows * 2 - 1
    sine = middles if equal_area else np.sin(middles * np.pi / 2)
    longitude = 2 * np.pi * (np.arange(columns) + 0.5) / columns
    return (100 * np.cos(longitude - 1) * np.sqrt(1 - sine**2)[:, None] + 30 * sine[:, None]).astype(np.float32)


def write(path, data, header=None, **keywords):
    """A chart's file; None leaves a keyword out, and "nan" is written without quotes, as JSOC does."""
    rows, columns = data.shape[-2:]
    geometry = {
        "CRPIX1": columns / 2 + 0.5,
        "CRPIX2": rows / 2 + 0.5,
        "CDELT1": -360 / columns,
        "CDELT2": 2 / rows,
    }
    unit = fits.PrimaryHDU(data)
    for key, value in (geometry | (HMI if header is None else header) | keywords).items():
        if value is not None:
            unit.header[key] = value
    unit.writeto(path)
    # Without quotes, and as long.
    path.write_bytes(path.read_bytes().replace(b"'nan     '", b"       nan"))
    return path


def generic(rows=36, columns=72, code="CEA", data=None, **keywords):
    """A chart that follows the standard, of nobody in particular."""
    date = "2014-01-15T12:00:00"
    header = make_heliographic_header(
        date,
        get_earth(date),
        (rows, columns),
        frame="carrington",
        projection_code=code,
        map_center_longitude=180 * u.deg,
    )
    header = header | {"bunit": "G", "content": "radial field", "instrume": "HMI"} | keywords
    return sunpy.map.Map(field(rows, columns, code == "CEA") if data is None else data, header)


class TestReading:
    def test_values_by_longitude_and_latitude(self, tmp_path):
        chart = chart_of(read_chart(write(tmp_path / "hmi.fits", field())))
        np.testing.assert_allclose(chart.values, field())
        np.testing.assert_allclose(chart.longitudes, 2.5 + 5 * np.arange(72), atol=1e-6)
        np.testing.assert_allclose(np.sin(np.radians(chart.latitudes)), (np.arange(36) + 0.5) / 18 - 1)
        assert chart.known.all()
        assert not chart.filled.any()
        assert (chart.rotation, chart.instrument, chart.on_hmi_scale, chart.objections) == (2099, "HMI", True, {})
        assert chart.values.dtype == np.float32

    @pytest.mark.parametrize(
        ("keywords", "said"),
        [
            ({"CUNIT1": "degreedegree"}, "CUNIT1 was degreedegree"),
            ({"CUNIT1": "Degree"}, "CUNIT1 was Degree"),
            ({"CUNIT2": "sin(deg)"}, r"CUNIT2 was sin\(deg\)"),
            ({}, "CUNIT2 was Sine Latitude"),
            ({"CDELT2": 0.069444}, "CDELT2 was 0.069444, with which 36 rows go beyond the poles"),
            ({"CRPIX2": 18.0}, "CRPIX2 was 18, which is not the middle"),
            (
                {"CRVAL1": 360 * 2098.5 + 2.5, "LON_LAST": 360 * 2099 - 2.5},
                "CRVAL1 was -2.5 degrees from what",
            ),
            ({}, "CRVAL1 was 755460, a Carrington time, and CDELT1 -5"),
            ({"CRDER1": "nan", "CSYSER2": "nan"}, "CRDER1, CSYSER2 said nan"),
            ({}, "DATE-OBS is from T_OBS"),
            ({"T_OBS": None, "T_ROT": None}, "DATE-OBS is from CAR_ROT"),
            ({"T_OBS": "2010.07.26_23:22:60_TAI"}, "DATE-OBS is from T_OBS"),
            ({"T_ROT": None, "LON_FRST": 360 * 2098 + 2.5, "CAR_ROT": 2199}, "CAR_ROT was 2199, where .* have 2099"),
            ({"LON_FRST": 360 * 2098 + 2.5, "CAR_ROT": 2100}, "CAR_ROT was 2100, where .* have 2099"),
            ({"CAR_ROT": None}, "CAR_ROT was missing, and is 2099 by DATE-OBS"),
            ({"DATE-OBS": "2010-08-15T00:00:00"}, "DATE-OBS said another time than T_OBS, which is taken"),
            ({"DATE-OBS": "2010-07-30T00:00:00"}, "DATE-OBS said another time than T_OBS, which is taken"),
            (
                {"DATE-OBS": "2010-07-13T09:00:00", "T_OBS": None, "T_ROT": None},
                "DATE-OBS said another time than CAR_ROT, which is taken",
            ),
            ({"CTYPE1": "crln-cea", "CTYPE2": "crlt-cea"}, "CTYPE1 was crln-cea; CTYPE2 was crlt-cea"),
            ({"CONTENT": "Br", "T_ROT": None}, "CONTENT did not say that it is of a rotation, which the file's name"),
            ({"BUNIT": None}, "BUNIT was missing, and is G by HMI's documentation"),
            ({}, "the observer is Earth"),
        ],
    )
    def test_repairs_and_says_so(self, tmp_path, keywords, said):
        image = read_chart(write(tmp_path / "hmi.Synoptic_Mr.fits", field(), **keywords))
        assert re.search(said, image.meta["history"])
        chart = chart_of(image)
        np.testing.assert_allclose(chart.values, field())
        assert chart.first_longitude == pytest.approx(2.5)
        assert abs(chart.time - Time("2010-07-26T23:22:00")) < 1 * u.hour
        assert (chart.rotation, image.meta["car_rot"]) == (2099, 2099)
        ages = (chart.time - chart.observed).to_value(u.day)
        assert (ages.min(), ages.max()) == pytest.approx((-13.6, 13.6), abs=0.3)
        # The Map is as sound as the chart, for everybody else.
        longitude, latitude = image.wcs.pixel_to_world_values(10, 30)
        assert longitude % 360 == pytest.approx(chart.longitudes[10])
        assert latitude == pytest.approx(chart.latitudes[30])
        assert image.unit == u.G
        assert abs(image.date - chart.time) < 1 * u.s

    def test_nothing_to_repair(self, tmp_path):
        image = generic()
        image.save(tmp_path / "chart.fits")
        assert "put right" not in str(read_chart(tmp_path / "chart.fits").meta.get("history", ""))

    def test_history_stays(self, tmp_path):
        image = read_chart(write(tmp_path / "hmi.fits", field(), HISTORY="made by hand"))
        assert image.meta["history"].startswith("made by hand\nsunpy_mag2euv put right: ")

    def test_written_and_read_again(self, tmp_path):
        image = read_chart(write(tmp_path / "hmi.fits", field()))
        image.save(tmp_path / "again.fits")
        first, second = chart_of(image), chart_of(read_chart(tmp_path / "again.fits"))
        np.testing.assert_array_equal(first.values, second.values)
        assert second.first_longitude == pytest.approx(first.first_longitude)
        assert abs(second.time - first.time) < 1 * u.s

    def test_name_says_that_it_is_radial(self, tmp_path):
        path = write(tmp_path / "hmi.Synoptic_Mr_small.2099.fits", field(), CONTENT="Carrington Synoptic Chart")
        image = read_chart(path)
        assert image.meta["content"] == "Carrington Synoptic Chart of Br"
        assert chart_of(image).objections == {}

    @pytest.mark.parametrize("name", ["hmi.Synoptic_Mr_small.2099.fits", "radial.fits", "Br.fits"])
    @pytest.mark.parametrize("keyword", ["CONTENT", "BTYPE"])
    def test_no_name_makes_a_line_of_sight_field_radial(self, tmp_path, name, keyword):
        says = {"CONTENT": "Carrington Synoptic Chart", keyword: "Carrington Synoptic Chart Of Los Field"}
        with pytest.raises(ValueError, match=rf"of the radial field; {keyword} of this .* Of Los Field"):
            read_chart(write(tmp_path / name, field(), **says))

    @pytest.mark.parametrize("name", ["los_angeles_Mr.fits", "my_bp_Mr.fits", "los.fits", "continuum.fits"])
    def test_no_name_makes_a_radial_field_another(self, tmp_path, name):
        chart = chart_of(read_chart(write(tmp_path / name, field())))
        assert (chart.content, chart.objections) == (HMI["CONTENT"], {})

    def test_nobody_says_that_it_is_radial(self, tmp_path):
        path = write(tmp_path / "chart.fits", field(), CONTENT="Carrington Synoptic Chart")
        assert (
            "does not say that it is of the radial field" in chart_of(read_chart(path)).objections["component unsaid"]
        )

    def test_whole_numbers(self, tmp_path):
        """Scaled, with one that stands for none, as MDI's files have them."""
        data = np.rint(field() * 4).astype(np.int16)
        data[18, 7] = -32768
        path = write(tmp_path / "hmi.fits", data, BSCALE=0.25, BLANK=-32768)
        chart = chart_of(read_chart(path))
        assert not chart.known[18, 7]
        np.testing.assert_allclose(chart.values[chart.known], field()[chart.known], atol=0.13)

    @pytest.mark.parametrize(
        "keywords",
        [
            {"CAR_ROT": 2100},
            {"CAR_ROT": 2160},
            {"T_OBS": "2010.09.26_23:22:04_TAI", "T_ROT": None},
            {"DATE-OBS": "2011-07-26T23:22:04", "T_ROT": None, "CAR_ROT": None},
        ],
    )
    def test_two_words_against_each_other(self, tmp_path, keywords):
        """Nobody knows which is right: the ages of what it shows would be anything."""
        with pytest.raises(ValueError, match="the chart must be of one time; counted in Carrington rotations"):
            read_chart(write(tmp_path / "hmi.fits", field(), **keywords))

    def test_two_words_against_each_other_of_a_day(self, tmp_path):
        """A few days turn the Sun by a quarter."""
        frame = {"CONTENT": "Update Synoptic MAP (Mr)", "T_ROT": None, "CRVAL1": 360 * 2098.1}
        path = write(tmp_path / "a.fits", field(), **frame, **{"DATE-OBS": "2010-08-02T00:00:00"})
        with pytest.raises(ValueError, match="the chart must be of one time"):
            read_chart(path)
        path = write(tmp_path / "b.fits", field(), **frame, **{"DATE-OBS": "2010-10-02T00:00:00"})
        image = read_chart(path)
        assert "DATE-OBS said another time than T_OBS" in image.meta["history"]
        assert abs(chart_of(image).time - image.date) < 1 * u.s

    def test_nobody_says_of_which_rotation(self, tmp_path):
        for number, keywords in enumerate(({"CONTENT": "Br", "T_ROT": None}, {"CAR_ROT": None, "T_ROT": None})):
            keywords = {"T_OBS": "2010.08.09_14:00:00_TAI"} | keywords
            chart = chart_of(read_chart(write(tmp_path / f"{number}.fits", field(), **keywords)))
            assert chart.rotation is None
            assert "does not say whether it is of one rotation" in chart.objections["rotation unsaid"]

    @pytest.mark.parametrize("keywords", [{"BUNIT": "foo"}, {"WAVEUNIT": "foo", "WAVELNTH": 1.0}])
    def test_what_sunpy_cannot_read(self, tmp_path, keywords):
        with pytest.raises(ValueError, match=r"a header that sunpy can read; it says: .*(foo|WAVEUNIT).*\. Use"):
            read_chart(write(tmp_path / "hmi.fits", field(), **keywords))

    def test_no_path(self, tmp_path):
        with pytest.raises(TypeError, match=r"the path of a file; got list\. Call it once for each"):
            read_chart([tmp_path / "chart.fits"])
        with pytest.raises(TypeError, match=r"got \w+Map\. What has been read already can be given to generate"):
            read_chart(generic())
        with pytest.raises(TypeError, match=r"got int\. Give the path"):
            read_chart(3)
        with pytest.raises(IsADirectoryError, match=r"is a directory\. Give the path of one chart"):
            read_chart(tmp_path)

    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="there is no file"):
            read_chart(tmp_path / "chart.fits")

    def test_no_fits(self, tmp_path):
        (tmp_path / "chart.fits").write_text("a chart")
        with pytest.raises(OSError, match=r"cannot be read as FITS: it is something else\. Give a chart's FITS file"):
            read_chart(tmp_path / "chart.fits")
        with pytest.raises(OSError, match=r"is no file with contents of its own"):
            read_chart("/dev/null")
        (tmp_path / "empty.fits").write_bytes(b"")
        with pytest.raises(OSError, match=r"cannot be read as FITS \(.*\)\. Download it again"):
            read_chart(tmp_path / "empty.fits")

    def test_no_image(self, tmp_path):
        fits.PrimaryHDU().writeto(tmp_path / "chart.fits")
        with pytest.raises(ValueError, match="there is none in it"):
            read_chart(tmp_path / "chart.fits")


class TestArchives:
    def test_daily_frame(self, tmp_path):
        path = write(
            tmp_path / "hmi.mrdailysynframe_small_720s.fits",
            field(),
            CONTENT="Update Synoptic MAP (Mr)",
            CUNIT2="sin(deg)",
            HGLN_OBS="nan",
            CRVAL1=360 * 2210 - 339.7,
            CAR_ROT=2210,
            T_OBS="2018.11.06_11:56:08_TAI",
        )
        chart = chart_of(read_chart(path))
        assert chart.rotation is None
        start = (339.7 - 5 * 35.5) % 5
        np.testing.assert_allclose(chart.longitudes, start + 5 * np.arange(72), atol=1e-6)
        # The middle of the chart is half a turn from where the day's magnetograms begin, 60 degrees west.
        ages = (chart.time - chart.observed).to_value(u.day)
        carrington = sun.L0(chart.time).deg
        since = (chart.longitudes - carrington + 60) % 360 - 60
        assert (ages[since <= 60] == 0).all()
        np.testing.assert_allclose(ages[since > 60], since[since > 60] / 360 * 27.2753, atol=0.2)

    def test_gong(self, tmp_path):
        header = {
            "TELESCOP": "NSO-GONG",
            "DATE-OBS": "2018-11-06",
            "TIME-OBS": "00:04",
            "BUNIT": "Gauss",
            "CTYPE1": "CRLN-CEA",
            "CTYPE2": "CRLT-CEA",
            "CRVAL1": 346,
            "CRVAL2": 0.0,
            "CDELT1": 5.0,
            "CDELT2": 0.0555556,
            "CAR_ROT": 2210,
        }
        image = read_chart(write(tmp_path / "mrzqs181106t0004c2210_166.fits", field(), header))
        chart = chart_of(image)
        assert chart.instrument == "GONG"
        assert chart.time.isot == "2018-11-06T00:04:00.000"
        assert chart.rotation is None
        start = (346 - 5 * 35.5) % 5
        assert chart.first_longitude == pytest.approx(start, abs=1e-3)
        np.testing.assert_allclose(chart.values, 1.438 * np.roll(field(), 33, axis=1), rtol=1e-5)
        # What has not passed the central meridian has been seen all the same.
        assert (chart.observed <= chart.time + 1 * u.s).all()
        # 1 degree on from 60 degrees in, where the map's time is.
        assert image.wcs.pixel_to_world_values(0, 17.5)[1] == pytest.approx(0, abs=1e-6)

    def test_mdi(self, tmp_path):
        keywords = {"TELESCOP": "SOHO", "INSTRUME": "MDI", "CONTENT": "Carrington Synoptic Chart Of Mr Field"}
        chart = chart_of(read_chart(write(tmp_path / "mdi.fits", field(), **keywords)))
        np.testing.assert_allclose(chart.values, 0.701 * field(), rtol=1e-6)
        assert (chart.instrument, chart.rotation) == ("MDI", 2099)

    def test_adapt(self, tmp_path):
        one = field(equal_area=False)
        members = np.stack([one, 2 * one, 3 * one])
        members[1, 20, 10] = -9999
        path = write(tmp_path / "adapt40311.fts", members, ADAPT, CDELT1=5.0, CDELT2=5.0)
        chart = chart_of(read_chart(path, realization=1))
        known = np.ones(one.shape, bool)
        known[20, 10] = False
        np.testing.assert_array_equal(chart.known, known)
        np.testing.assert_allclose(chart.values[known], 2 * one[known] * 1.438 / 1.85, rtol=1e-5)
        np.testing.assert_allclose(chart.latitudes, -87.5 + 5 * np.arange(36))
        assert chart.time.isot == "2020-01-01T00:00:00.000"
        assert (chart.instrument, chart.realization) == ("ADAPT GONG", 1)
        assert not chart.equal_area
        assert read_chart(path).data[20, 10] == one[20, 10]
        for wrong in (3, -1, 1.0, True, None):
            with pytest.raises(ValueError, match="realization must be a whole number from 0 to 2"):
                read_chart(path, realization=wrong)

    def test_unknown_scale(self, tmp_path):
        path = write(tmp_path / "adapt.fts", field(equal_area=False), ADAPT, CDELT1=5.0, CDELT2=5.0, MAPDATA="VSM")
        image = read_chart(path)
        with pytest.warns(SunpyUserWarning, match="no conversion to HMI's field scale is known for ADAPT VSM"):
            chart = chart_of(image)
        assert not chart.on_hmi_scale
        np.testing.assert_allclose(chart.values, field(equal_area=False))

    def test_real_ones(self, test_data):
        paths = [
            *sorted(test_data.glob("inputs/hmi.Synoptic_Mr_small.*.fits")),
            *test_data.glob("inputs/hmi.mrdailysynframe_small_720s.*.fits"),
            *test_data.glob("inputs/mrzqs*.fits"),
        ]
        if not paths:
            pytest.skip("there are no charts")
        assert len(paths) == 9
        for path in paths:
            chart = chart_of(read_chart(path))
            assert chart.objections == {}
            assert chart.known.all()
            assert chart.filled_share < 0.01
            assert chart.instrument == ("GONG" if path.name.startswith("mrzqs") else "HMI")
            if "Synoptic" in path.name:
                assert chart.rotation == int(path.name.split(".")[2])
                assert abs(chart.time - sun.carrington_rotation_time(chart.rotation + 0.5)) < 1 * u.hour
                seen = chart.observed - sun.carrington_rotation_time(chart.rotation)
                assert -1 * u.hour < seen.min() < seen.max() < 27.4 * u.day

    def test_two_archives_see_the_same_sun(self, test_data):
        """HMI's daily frame and GONG's chart of that day, of 1° each: a shift or a mirror would show."""
        try:
            (hmi,) = test_data.glob("inputs/hmi.mrdailysynframe_small_720s.20181106*.fits")
            (gong,) = test_data.glob("inputs/mrzqs181106*.fits")
        except ValueError:
            pytest.skip("there are no charts of that day")
        hmi, gong = chart_of(read_chart(hmi)), chart_of(read_chart(gong))
        both = [hmi.values.reshape(180, 2, 360, 2).mean(axis=(1, 3)), gong.values]
        rows = slice(30, 150)
        correlations = {
            (up, along): np.corrcoef(both[0][rows].ravel(), np.roll(both[1], (up, along), (0, 1))[rows].ravel())[0, 1]
            for up in (-2, -1, 0, 1, 2)
            for along in (-2, -1, 0, 1, 2)
        }
        assert max(correlations, key=correlations.get) == (0, 0)
        assert correlations[0, 0] > 0.5


class TestChart:
    @settings(max_examples=25)
    @given(
        columns=st.sampled_from([24, 60, 72]),
        first=st.floats(0, 359.9),
        code=st.sampled_from(["CEA", "CAR"]),
        turned=st.booleans(),
    )
    def test_columns_are_where_the_header_has_them(self, columns, first, code, turned):
        """Wherever the first one is, and whichever way they go."""
        data = field(24, columns, code == "CEA")
        step = 360 / columns * (-1 if turned else 1)
        # sunpy takes steps of HMI's charts for positive; those of nobody in particular count as they are.
        image = generic(24, columns, code, data, instrume="", telescop="", crpix1=1.0, crval1=first, cdelt1=step)
        with pytest.warns(SunpyUserWarning, match="no conversion"):
            chart = chart_of(image)
        assert 0 <= chart.first_longitude < 360
        assert (np.diff(chart.longitudes) > 0).all()
        for column in (0, columns // 3, columns - 1):
            longitude = first + step * column
            index = round((longitude - chart.first_longitude) / chart.step) % columns
            assert (chart.longitudes[index] - longitude + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)
            np.testing.assert_allclose(chart.values[:, index], data[:, column])

    def test_polar_gaps_are_filled(self):
        data = field(72)
        data[:2] = np.nan
        data[2, 10:] = np.nan
        data[-1, :5] = np.nan
        data[18, 7] = np.nan
        chart = chart_of(generic(72, data=data))
        expected = np.isnan(data)
        expected[18, 7] = False
        np.testing.assert_array_equal(chart.filled, expected)
        assert not chart.known[18, 7]
        assert chart.known.sum() == chart.known.size - 1
        # Mirrored at the edge.
        np.testing.assert_array_equal(chart.values[1::-1, :10], data[2:4, :10])
        np.testing.assert_array_equal(chart.values[2::-1, 10:], data[3:6, 10:])
        np.testing.assert_array_equal(chart.values[-1, :5], data[-2, :5])
        np.testing.assert_array_equal(chart.values[2, :10], data[2, :10])
        assert chart.filled_share == pytest.approx(expected.mean())

    def test_deep_gaps_are_filled_back_and_forth(self):
        data = field(144, equal_area=False)
        data[:12] = np.nan
        data[13, 7] = np.nan
        chart = chart_of(generic(144, code="CAR", data=data))
        assert chart.filled[:12].all()
        np.testing.assert_array_equal(chart.values[11:6:-1, 8:], data[12:17, 8:])
        np.testing.assert_array_equal(chart.values[6:1:-1, 8:], data[16:11:-1, 8:])
        np.testing.assert_array_equal(chart.values[1::-1, 8:], data[12:14, 8:])
        # What would be a mirrored hole is a mean.
        assert chart.values[10, 7] == pytest.approx(np.nanmean(data[12:17]), rel=1e-5)
        assert not chart.known[13, 7]

    def test_how_well_earth_saw_it(self):
        data = field(72)
        data[:2] = np.nan
        chart = chart_of(generic(72, data=data))
        tilt = sun.B0("2014-01-15T12:00:00").deg
        assert tilt < -4
        row = 36
        np.testing.assert_allclose(chart.cosine[row], np.cos(np.radians(chart.latitudes[row] - tilt)), atol=0.01)
        # The south pole is in view, the north pole is not, and what was filled is as what it was filled with.
        assert (chart.cosine[-1] < 0.15).all()
        np.testing.assert_array_equal(chart.cosine[:2], chart.cosine[3:1:-1])
        assert (chart.cosine[2] > 0.3).all()

    def test_nobody_saw_a_model(self, tmp_path):
        path = write(tmp_path / "adapt.fts", field(equal_area=False), ADAPT, CDELT1=5.0, CDELT2=5.0)
        assert chart_of(read_chart(path)).cosine is None

    def test_fluctuation(self):
        """Noise is told from the mean nearby, of which what was seen badly is no part."""
        rng = np.random.default_rng(1)
        noise = rng.normal(0, 1, (360, 720))
        chart = chart_of(generic(360, 720, data=8 + noise / 0.3))
        noisy = chart.cosine < 0.3
        assert chart.fluctuation[noisy].std() == pytest.approx((noise[noisy] / 0.3).std(), rel=0.05)
        np.testing.assert_allclose((chart.values - chart.fluctuation)[noisy], 8, atol=2)
        known = chart_of(generic(360, 720, data=np.where(chart.cosine < 0.1, 1000, noise))).fluctuation
        assert abs(known[noisy & (chart.cosine > 0.2)]).mean() < 60

    def test_gaps_elsewhere_are_not(self):
        data = field()
        data[:, 20:30] = np.nan
        chart = chart_of(generic(data=data))
        np.testing.assert_array_equal(chart.known, np.isfinite(data))
        assert not chart.filled.any()
        assert (chart.values[~chart.known] == 0).all()

    @pytest.mark.parametrize("code", ["CEA", "CAR"])
    @pytest.mark.parametrize("deep", [12, 72])
    def test_a_stripe_does_not_change_how_poles_are_filled(self, code, deep):
        """It may end before the equator, or at the other pole."""
        data = field(72, equal_area=code == "CEA")
        data[:2] = np.nan
        plain = chart_of(generic(72, code=code, data=data))
        striped = data.copy()
        striped[:deep, 30:33] = np.nan
        chart = chart_of(generic(72, code=code, data=striped))
        beside = np.delete(np.arange(72), [30, 31, 32])
        np.testing.assert_array_equal(chart.filled[:, beside], plain.filled[:, beside])
        np.testing.assert_array_equal(chart.values[:, beside], plain.values[:, beside])
        assert not chart.known[:deep, 30:33].any()
        assert not chart.filled[:, 30:33].any()

    def test_masked_pixels_are_unknown(self):
        image = generic()
        mask = np.zeros(image.data.shape, bool)
        mask[18, 7] = True
        chart = chart_of(sunpy.map.Map(image.data, image.meta, mask=mask))
        np.testing.assert_array_equal(chart.known, ~mask)

    def test_unit(self):
        chart = chart_of(generic(data=field() / 1e4, bunit="T"))
        np.testing.assert_allclose(chart.values, field(), rtol=1e-5)

    def test_numbers_that_no_field_has(self):
        data = field()
        data[18, 7] = 32768
        chart = chart_of(generic(data=data))
        assert not chart.known[18, 7]
        assert chart.objections["impossible field"].startswith("the chart has 1 pixels with more than 6000 G")

    def test_map_as_sunpy_reads_it(self, tmp_path):
        """What read_chart puts right is put right there, too."""
        path = write(tmp_path / "hmi.fits", field(), CRPIX2=18.0)
        chart = chart_of(sunpy.map.Map(path))
        np.testing.assert_allclose(chart.values, field())
        assert chart.first_longitude == pytest.approx(2.5)

    def test_does_not_touch_the_map(self):
        data = field()
        data[:2] = np.nan
        image = generic(data=data.copy())
        meta = dict(image.meta)
        chart_of(image)
        assert dict(image.meta) == meta
        np.testing.assert_array_equal(image.data, data)


class TestRefused:
    def refused(self, image, match):
        with pytest.raises(ValueError, match=match):
            chart_of(image)

    def test_no_map(self):
        with pytest.raises(TypeError, match=r"the chart must be a sunpy\.map\.Map; got ndarray"):
            chart_of(field())

    def test_field_strength(self):
        self.refused(generic(data=np.abs(field())), "radial field, which has both signs on the Sun")

    @pytest.mark.parametrize(
        "keywords",
        [
            {"content": "HMI CONTINUUM INTENSITY"},
            {"content": "Carrington Synoptic Chart Of Bl Field"},
            {"content": "line-of-sight magnetic field"},
            {"content": "Carrington Synoptic Chart Of Bt Field"},
            {"btype": "field strength"},
        ],
    )
    def test_another_quantity(self, keywords):
        self.refused(generic(**{"content": "", **keywords}), "must be of the radial field; (CONTENT|BTYPE) of this ")

    @pytest.mark.parametrize(
        "name",
        ["hmi.Synoptic_Ml_small.2099.fits", "hmi.b_synoptic_small.2267.Bp.fits", "hmi.mldailysynframe_720s.fits"],
    )
    def test_another_quantity_by_name(self, tmp_path, name):
        path = write(tmp_path / name, field(), CONTENT="Carrington Synoptic Chart")
        with pytest.raises(ValueError, match=r"must be of the radial field; .* by its name"):
            read_chart(path)

    def test_unit(self):
        self.refused(generic(bunit="DN"), "in gauss or another unit of the field; .* 'DN'")
        image = generic(instrume="")
        del image.meta["bunit"]
        self.refused(image, "this one is without a unit")

    def test_wrong_unit(self):
        self.refused(generic(bunit="T"), "must have values on most of the Sun")

    def test_helioprojective(self, make_magnetogram):
        self.refused(make_magnetogram(), "helioprojective, .* cannot be turned to another direction")
        image = make_aia(size=64, radius=24.0)
        self.refused(image, r"helioprojective, as its observer saw it\. Use a chart of the radial magnetic field$")

    def test_stonyhurst(self):
        self.refused(generic(ctype1="HGLN-CEA", ctype2="HGLT-CEA"), "Carrington coordinates .* 'HGLN-CEA'")

    def test_projection(self):
        self.refused(generic(ctype1="CRLN-SFL", ctype2="CRLT-SFL"), "equal steps in latitude")

    def test_part_of_the_sun(self):
        self.refused(generic(cdelt1=2.0), "once around the Sun; its 72 columns .* makes 144")
        self.refused(generic(cdelt2=1.0), "from pole to pole; its 36 rows have steps of 1 .* makes 0.3142 of that")
        self.refused(generic(crpix2=10.0), "equator in the middle")
        self.refused(generic(cdelt2=-180 / np.pi * 2 / 36), "southernmost row first; by CDELT2 of its header, -3.1831")

    @pytest.mark.parametrize("code", ["CEA", "CAR"])
    @pytest.mark.parametrize("rows", [slice(1, 180), slice(0, 179), slice(1, 179)])
    def test_a_row_was_lost(self, code, rows):
        whole = generic(180, 72, code)
        meta = {**whole.meta, "crpix2": whole.meta["crpix2"] - rows.start}
        self.refused(sunpy.map.Map(whole.data[rows], meta), "from pole to pole")
        # What half a row off is wherever it is not HMI that says so.
        self.refused(generic(180, 72, code, instrume="", crpix2=90.0), "equator in the middle")
        self.refused(generic(180, 72, code, crpix2=91.0), "equator in the middle")

    def test_a_column_was_lost(self):
        whole = generic(36, 720)
        self.refused(sunpy.map.Map(whole.data[:, 1:], {**whole.meta, "cdelt1": 0.50001}), "once around the Sun")

    def test_turned(self):
        self.refused(generic(crota2=90.0, pc1_1=0.0, pc1_2=-1.0, pc2_1=1.0, pc2_2=0.0), "turned, oblique or sheared")

    @pytest.mark.parametrize("shear", [{"pc1_2": 0.1}, {"pc1_2": 0.001}, {"pc2_1": 0.01}, {"crota2": 5.0}])
    def test_sheared(self, shear):
        """Along parallels, what is right at the equator is not."""
        self.refused(generic(**shear), "columns of equal longitude; .* turned, oblique or sheared")

    @pytest.mark.parametrize("radius", [6.96e10, 696000.0, 1.0, -6.96e8])
    def test_radius_of_the_sun(self, radius):
        self.refused(generic(rsun_ref=radius), "the Sun's radius in metres, near 696e6, in RSUN_REF; its header says")
        assert chart_of(generic(rsun_ref=6.96e8)).known.all()

    @pytest.mark.parametrize("radius", [float("nan"), True])
    def test_no_radius_of_the_sun(self, radius):
        self.refused(generic(rsun_ref=radius), "must have a number in RSUN_REF")

    @pytest.mark.parametrize("number", [2160.5, float("nan"), -5, 10**9, "2160", True])
    def test_no_rotation(self, number):
        self.refused(generic(car_rot=number), "the whole number of a rotation, such as 2160, in CAR_ROT")

    def test_time_scale(self):
        self.refused(generic(timesys="XYZ"), "a scale such as UTC or TAI; TIMESYS of its header says 'XYZ'")

    def test_contradictions(self, tmp_path):
        path = write(tmp_path / "hmi.fits", field(), LON_LAST=360 * 2099 - 40.0)
        with pytest.raises(ValueError, match="one place on the Sun; by LON_LAST"):
            read_chart(path)

    @pytest.mark.parametrize("value", ["here", None, True, float("inf")])
    def test_no_number(self, value):
        image = generic()
        image.meta["crpix1"] = value
        self.refused(image, "must have a number in CRPIX1")

    def test_no_time(self, tmp_path):
        path = write(tmp_path / "hmi.fits", field(), T_OBS=None, T_ROT=None, CAR_ROT=None)
        with pytest.raises(ValueError, match="must say its time"):
            read_chart(path)

    def test_hardly_anything(self):
        data = field()
        data[:, 20:] = np.nan
        self.refused(generic(data=data), "values on most of the Sun; .* on 28%")

    def test_picture(self):
        self.refused(generic(data=np.zeros((36, 72), np.uint8)), "as pictures do")

    def test_patch_of_an_archive(self, test_data):
        paths = list(test_data.glob("inputs/hmi.sharp_cea_720s.377.*.fits"))
        if not paths:
            pytest.skip("there is no such patch")
        self.refused(sunpy.map.Map(paths[0]), "from pole to pole|once around the Sun")
