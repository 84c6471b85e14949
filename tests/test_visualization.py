"""Figures, tested by what they hold."""

import copy
import dataclasses
import pickle

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Circle

import astropy.units as u
import sunpy.map
from astropy.coordinates import SkyCoord
from astropy.nddata import InverseVariance, StdDevUncertainty, UnknownUncertainty, VarianceUncertainty
from astropy.visualization import AsinhStretch, LinearStretch

from sunpy_mag2euv.metrics.comparison import compare
from sunpy_mag2euv.reprojection import reproject
from sunpy_mag2euv.sample import sample_chart
from sunpy_mag2euv.stitching import generate_chart
from sunpy_mag2euv.synthesis import generate, generate_cube
from sunpy_mag2euv.visualization import (
    animate,
    contact_sheet,
    normalization,
    picture,
    plot_comparison,
    plot_passbands,
    plot_uncertainty,
)


@pytest.fixture(scope="module")
def magnetogram(make_magnetogram):
    return make_magnetogram(rotation=179.93, size=1100)


@pytest.fixture(scope="module")
def images(magnetogram, tiny_model):
    return generate(magnetogram, [171, 193, 304], model=tiny_model)


def _with_data(image, data):
    return sunpy.map.Map(np.asarray(data, dtype=float), image.meta)


def _on_disk(image):
    return sunpy.map.coordinate_is_on_solar_disk(sunpy.map.all_coordinates_from_map(image))


def test_normalization(images):
    """Black is the darkest hundredth on the disk and off it, white the brightest thousandth."""
    rng = np.random.default_rng(0)
    disk = _on_disk(images[0])
    data = rng.lognormal(np.where(disk, 4, 2), 1)
    data[rng.random(disk.shape) < 0.1] = np.nan
    norm = normalization(_with_data(images[0], data))
    known = np.isfinite(data)
    assert np.mean(data[known] < norm.vmin) == pytest.approx(0.01, abs=2e-3)
    assert np.mean(data[known] > norm.vmax) == pytest.approx(0.001, abs=1e-3)
    # The knee of the curve is at the disk's median.
    assert isinstance(norm.stretch, AsinhStretch)
    median = np.median(data[known & disk])
    assert norm.stretch.a == pytest.approx((median - norm.vmin) / (norm.vmax - norm.vmin), rel=0.05)
    assert 0.1 < norm(median) < 0.4


def test_the_corona_is_not_cut_off(images):
    """It falls to black where it is faintest, and not along a line above which it is fainter than coronal holes."""
    where = sunpy.map.all_coordinates_from_map(images[0])
    height = (np.hypot(where.Tx, where.Ty) / images[0].rsun_obs).value - 1
    data = np.where(height < 0, 100, 50 * np.exp(-height / 0.05)) * (1 + 0.1 * np.sin(1e3 * height))
    data[height > 0.25] = np.nan
    norm = normalization(_with_data(images[0], data))
    assert norm.vmin < np.quantile(data[(height > 0) & (height < 0.25)], 0.05)


def test_normalization_leaves_out_what_is_masked(images):
    data = np.where(_on_disk(images[0]), np.linspace(1, 10, 256**2).reshape(256, 256), 1e9)
    image = sunpy.map.Map(data, images[0].meta, mask=data > 10)
    assert normalization(image).vmax <= 10


def test_one_scale_of_several(images):
    one, other = (_with_data(images[0], np.full((256, 256), value)) for value in (1.0, 5.0))
    norm = normalization(one, other)
    assert (norm.vmin, norm.vmax) == (1, 5)


@pytest.mark.parametrize("make", ["generate", "reproject"])
def test_first_plot(make, images, magnetogram):
    """What `plot` and `peek` show of a Map that was just made is what pictures show."""
    image = images[1] if make == "generate" else reproject(images[1], like=magnetogram)
    drawn = image.plot(axes=Figure().add_subplot(projection=image))
    norm = normalization(images[1])
    assert (drawn.norm.vmin, drawn.norm.vmax) == (pytest.approx(norm.vmin), pytest.approx(norm.vmax))
    assert drawn.norm.stretch.a == pytest.approx(norm.stretch.a, rel=1e-3)
    assert drawn.cmap.name == "sdoaia193"
    assert tuple(drawn.cmap(np.ma.masked_invalid([np.nan]))[0]) == (0, 0, 0, 1)
    title = drawn.axes.get_title()
    assert title.startswith("AIA (synthetic) tiny $193 ")
    assert title.endswith("2014-01-15 00:00:00")


def test_the_scale_stays(images):
    """What sunpy makes of a Map, and copies of it, are shown as it is."""
    image = images[1]
    norm = image.plot_settings["norm"]
    for other in (
        image.submap([100, 100] * u.pix, width=50 * u.pix, height=50 * u.pix),
        image.rotate(30 * u.deg),
        image.resample([64, 64] * u.pix),
        pickle.loads(pickle.dumps(image)),
        copy.deepcopy(image),
    ):
        kept = other.plot_settings["norm"]
        assert (kept.vmin, kept.vmax, kept.stretch.a) == (norm.vmin, norm.vmax, norm.stretch.a)
    # Neither the image nor anything else of its size is kept with it.
    assert len(pickle.dumps(norm)) < 2000


def test_contours_of_a_synthetic_image(images):
    """matplotlib refuses with a warning what it does not know among the settings."""
    axes = Figure().add_subplot(projection=images[0])
    assert images[1].draw_contours([50] * u.percent, axes=axes) is not None


def test_names_of_models_in_titles(tiny_model, magnetogram):
    """Braces and dollars mean something else to sunpy and matplotlib."""
    image = generate(magnetogram, 193, model=dataclasses.replace(tiny_model, name="{a} $b$"))
    axes = Figure().add_subplot(projection=image)
    image.plot(axes=axes)
    assert axes.get_title().startswith("AIA (synthetic) _a_ _b_ $193 ")


@pytest.mark.filterwarnings("ignore")
def test_what_is_made_of_charts(tiny_model):
    """From where it is seen is in the title; of the whole Sun, all is on the Sun."""
    place = SkyCoord(-120 * u.deg, 5 * u.deg, 0.7 * u.au, frame="heliographic_stonyhurst")
    view, whole = (
        generate(sample_chart(), 193, observer=place, model=tiny_model),
        generate_chart(sample_chart(), 193, model=tiny_model),
    )
    (title,) = (axes.get_title() for axes in picture(view).axes)
    assert title.endswith("\nfrom Stonyhurst longitude -120°, latitude 5°, 0.70 au")
    (title,) = (axes.get_title() for axes in picture(whole).axes)
    assert title == f"AIA 193 Å (synthetic)  {whole.date.strftime('%Y-%m-%d %H:%M')} UTC"
    norm = normalization(whole)
    assert norm.vmin == pytest.approx(np.quantile(whole.data, 0.01), rel=0.02)
    assert norm.vmax == pytest.approx(np.quantile(whole.data, 0.999), rel=0.02)
    for image in (view, whole):
        kept, norm = image.plot_settings["norm"], normalization(image)
        assert (kept.vmin, kept.vmax) == (norm.vmin, norm.vmax)
        assert kept.stretch.a == pytest.approx(norm.stretch.a, rel=1e-3)


def test_normalization_off_the_disk(images):
    disk = _on_disk(images[0])
    norm = normalization(
        _with_data(images[0], np.where(disk, np.nan, np.linspace(0, 10, disk.size).reshape(disk.shape)))
    )
    assert 0 < norm.vmin < 0.5
    assert 9.5 < norm.vmax <= 10


@pytest.mark.parametrize(("value", "low"), [(3, 3), (np.nan, 0)])
def test_normalization_of_nothing_to_see(images, value, low):
    norm = normalization(_with_data(images[0], np.full((256, 256), value)))
    assert (norm.vmin, norm.vmax) == (low, low + 1)
    assert isinstance(norm.stretch, LinearStretch)


def test_picture(images, tmp_path):
    figure = picture(images[1])
    (axes,) = figure.axes
    assert axes.get_title() == "AIA 193 Å (synthetic)  2014-01-15 00:00 UTC"
    assert axes.get_facecolor() == (0, 0, 0, 1)
    (drawn,) = axes.images
    assert drawn.cmap.name == "sdoaia193"
    assert drawn.norm.vmin == normalization(images[1]).vmin
    assert axes.wcs.wcs.compare(images[1].wcs.wcs)
    figure.savefig(tmp_path / "picture.png")


def test_an_observation_is_not_called_synthetic(images):
    observed = sunpy.map.Map(images[0].data, dict(images[0].meta) | {"instrume": "AIA_3"})
    assert picture(observed).axes[0].get_title().startswith("AIA 171 Å  ")


def test_contact_sheet(magnetogram, images, tmp_path, caplog):
    before = plt.get_fignums()
    with caplog.at_level("INFO"):
        figure = contact_sheet(magnetogram, images)
    assert not caplog.records
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == before
    assert figure.get_suptitle() == "2014-01-15 00:00 UTC"
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["SDO magnetogram", *(f"AIA {band} Å (synthetic)" for band in (171, 193, 304))]
    for axes, image in zip(figure.axes, [images[0], *images], strict=True):
        assert axes.wcs.wcs.compare(image.wcs.wcs)
        assert axes.get_xlim() == axes.get_ylim() == (-0.5, 255.5)
        assert not axes.axison
        assert len(axes.images) == 1
        (limb,) = (child for child in axes.get_children() if isinstance(child, Circle))
        assert limb.get_radius() == pytest.approx(98 * image.scale[0].value / 3600, rel=1e-4)  # degrees
    assert [axes.images[0].cmap.name for axes in figure.axes] == ["gray", "sdoaia171", "sdoaia193", "sdoaia304"]
    figure.savefig(tmp_path / "sheet.png")


def test_the_magnetogram_is_symmetric_coarse_and_north_up(magnetogram, images):
    axes = contact_sheet(magnetogram, images).axes[0]
    (drawn,) = axes.images
    assert (drawn.norm.vmin, drawn.norm.vmax) == (-200, 200)
    assert drawn.get_array().shape == (550, 550)
    # The file has its first row in the north; positions in the figure say where it is drawn.
    to_pixel = drawn.get_transform() - axes.transData
    first, last = to_pixel.transform([(275, 0), (275, 549)])
    assert first[1] > last[1]
    assert drawn.get_clip_path() is not None


def test_the_magnetogram_is_on_the_same_pixels_as_the_images(make_magnetogram, tiny_model):
    magnetogram = make_magnetogram([(0.3, 0.2, 0.05, 500.0), (0.6, 0.2, 0.05, -400.0)], rotation=179.93, offset=(9, -6))
    image = generate(magnetogram, 193, model=tiny_model)
    axes = contact_sheet(magnetogram, [image]).axes[0]
    (drawn,) = axes.images
    row, column = np.unravel_index(np.nanargmax(drawn.get_array()), drawn.get_array().shape)
    drawn_at = (drawn.get_transform() - axes.transData).transform((column, row))
    np.testing.assert_allclose(drawn_at, (127.5 + 0.3 * 98, 127.5 + 0.2 * 98), atol=1)


def test_units_of_the_magnetogram(make_magnetogram, images):
    drawn = contact_sheet(make_magnetogram(unit="mT"), images).axes[0].images[0]
    assert drawn.norm.vmax == pytest.approx(20)


def test_a_made_up_magnetogram_is_called_synthetic(make_magnetogram, images):
    made_up = make_magnetogram(instrument="HMI_SYNTHETIC")
    assert contact_sheet(made_up, images).axes[0].get_title() == "SDO magnetogram (synthetic)"


def test_observers_that_differ_by_rounding(make_magnetogram, images):
    """Seen from a little aside, half of the limb would count as hidden, and half of the disk not be drawn."""
    observer = SkyCoord(1e-5 * u.deg, 0 * u.deg, 1 * u.au, frame="heliographic_stonyhurst")
    axes = contact_sheet(make_magnetogram(observer=observer), images).axes[0]
    assert any(isinstance(child, Circle) for child in axes.get_children())


@pytest.mark.parametrize(("columns", "rows"), [(5, 1), (3, 2), (1, 4)])
def test_columns(magnetogram, images, columns, rows):
    figure = contact_sheet(magnetogram, images, columns=columns)
    grid = figure.axes[0].get_gridspec()
    assert (grid.nrows, grid.ncols) == (rows, min(columns, 4))


def test_a_figure_of_pyplot(magnetogram, images):
    figure = plt.figure()
    try:
        assert contact_sheet(magnetogram, images, figure=figure) is figure
        assert len(figure.axes) == 4
    finally:
        plt.close(figure)


@pytest.fixture(scope="module")
def observed(images):
    """The second image, twice as bright, a little smaller on the detector, upside down, and in DN."""
    header = dict(images[1].meta) | {"instrume": "AIA_2", "bunit": "DN", "exptime": 2.0, "lvl_num": 1.5}
    image = sunpy.map.Map(4 * images[1].data, header)
    return image.rotate(180 * u.deg, order=3, missing=np.nan)


def test_comparison(images, observed, tmp_path):
    synthetic = images[1]
    before = plt.get_fignums()
    figure = plot_comparison(synthetic, observed)
    assert plt.get_fignums() == before
    first, second, _, ratio, _, scatter = figure.axes
    assert first.get_title() == "AIA 193 Å (synthetic)\n2014-01-15 00:00 UTC"
    assert second.get_title() == "AIA 193 Å\n2014-01-15 00:00 UTC"
    # Both on the same pixels and on one scale of brightness, which shows all of either, in DN/s.
    for axes in (first, second, ratio):
        assert axes.wcs.wcs.compare(synthetic.wcs.wcs)
        assert any(isinstance(child, Circle) for child in axes.get_children())
    np.testing.assert_allclose(second.images[0].get_array(), 2 * first.images[0].get_array(), rtol=1e-3)
    assert (
        first.images[0].norm.vmin
        == second.images[0].norm.vmin
        == pytest.approx(normalization(synthetic).vmin, rel=0.02)
    )
    assert (
        first.images[0].norm.vmax
        == second.images[0].norm.vmax
        == pytest.approx(2 * normalization(synthetic).vmax, rel=0.1)
    )
    np.testing.assert_allclose(ratio.images[0].get_array().compressed(), 0.5, rtol=1e-3)
    assert ratio.get_title() == "AIA 193 Å (synthetic) / AIA 193 Å"
    assert (scatter.get_xlabel(), scatter.get_ylabel()) == ("AIA 193 Å in DN/s", "AIA 193 Å (synthetic) in DN/s")
    assert scatter.get_xlim() == scatter.get_ylim()
    table = compare(synthetic, observed)
    (words,) = scatter.texts
    assert words.get_text().splitlines()[:2] == [f"CC {table['cc'][0]:.3f}", f"RE {table['re'][0]:.3f}"]
    assert words.get_text().splitlines()[1] == "RE -0.500"
    assert figure.get_supxlabel() == table.meta["level"]
    figure.savefig(tmp_path / "comparison.png")


def test_what_is_scored_is_what_is_drawn(images, observed):
    """Binned pixels, another time and an own figure."""
    later = sunpy.map.Map(observed.data, dict(observed.meta) | {"date-obs": "2014-01-15T00:30:00", "t_obs": None})
    figure = plt.figure()
    try:
        drawn = plot_comparison(images[1], later, figure=figure, binning=4, max_time_difference=40 * u.min)
        assert drawn is figure
        assert figure.axes[1].get_title() == "AIA 193 Å\n2014-01-15 00:30 UTC"
        assert figure.axes[3].images[0].get_array().shape == (64, 64)
    finally:
        plt.close(figure)


def test_the_corona_of_an_observation_of_another_second(images, observed):
    """Observations are never of the very second, from the very place."""
    later = sunpy.map.Map(observed.data, dict(observed.meta) | {"date-obs": "2014-01-15T00:00:04.84", "t_obs": None})
    first, second = plot_comparison(images[1], later).axes[:2]
    assert (second.get_xlim(), second.get_ylim()) == (first.get_xlim(), first.get_ylim())
    off = ~_on_disk(images[1]) & ~first.images[0].get_array().mask
    assert off.any()
    assert np.mean(second.images[0].get_array().mask[off]) < 0.2
    np.testing.assert_allclose(second.images[0].get_array(), 2 * first.images[0].get_array(), rtol=1e-3)


def test_comparison_refuses_what_compare_does(images):
    with pytest.raises(ValueError, match="must be of one passband"):
        plot_comparison(images[0], images[1])


def test_passbands(magnetogram, images, tiny_model):
    """Of a cube as of a list."""
    cube = generate_cube(magnetogram, [171, 193, 304], model=tiny_model)
    for maps in (images, cube):
        figure = plot_passbands(maps, columns=2)
        assert [axes.get_title() for axes in figure.axes] == [f"AIA {band} Å (synthetic)" for band in (171, 193, 304)]
        assert [axes.images[0].cmap.name for axes in figure.axes] == ["sdoaia171", "sdoaia193", "sdoaia304"]
        assert figure.axes[0].get_gridspec().ncols == 2
        for axes, image in zip(figure.axes, images, strict=True):
            np.testing.assert_array_equal(axes.images[0].get_array().filled(np.nan), image.data)
    (axes,) = plot_passbands(images[0]).axes
    assert axes.get_title() == "AIA 171 Å (synthetic)"
    assert len(contact_sheet(magnetogram, cube).axes) == 4


def test_what_is_no_sheet(images):
    with pytest.raises(ValueError, match=r"at least one image and one column; got 0 images in 5 columns"):
        plot_passbands([])
    with pytest.raises(ValueError, match=r"at least one image and one column; got 3 images in 0 columns"):
        plot_passbands(images, columns=0)
    for draw in (plot_passbands, animate):
        with pytest.raises(TypeError, match=r"each of maps must be a sunpy.map.Map; got ndarray"):
            draw([images[0], images[0].data])


def test_uncertainty(images, tmp_path):
    image = images[1]
    figure = plot_uncertainty(image)
    left, _, right, bar = figure.axes
    np.testing.assert_array_equal(left.images[0].get_array().filled(np.nan), image.data)
    expected = 100 * image.uncertainty.array / np.where(image.data > 0, image.data, np.nan)
    np.testing.assert_allclose(right.images[0].get_array().filled(np.nan), expected, rtol=1e-6)
    assert bar.get_ylabel() == "standard deviation in % of the image"
    assert figure.get_suptitle() == "AIA 193 Å (synthetic)  2014-01-15 00:00 UTC"
    figure.savefig(tmp_path / "uncertainty.png")


@pytest.mark.parametrize(
    ("kind", "array", "unit"),
    [
        (StdDevUncertainty, 0.2, None),
        (StdDevUncertainty, 0.2, u.DN / u.s),
        (StdDevUncertainty, 200, u.DN / u.ks),
        (VarianceUncertainty, 0.04, (u.DN / u.s) ** 2),
        (InverseVariance, 25, (u.s / u.DN) ** 2),
    ],
)
def test_kinds_of_uncertainty(images, kind, array, unit):
    header = images[0].meta
    image = sunpy.map.Map(np.full((256, 256), 2.0), header, uncertainty=kind(np.full((256, 256), array), unit=unit))
    drawn = plot_uncertainty(image).axes[2].images[0]
    np.testing.assert_allclose(drawn.get_array(), 10)


@pytest.mark.parametrize(
    ("uncertainty", "words"),
    [(None, "this one has none"), (UnknownUncertainty(np.ones((256, 256))), "this one is UnknownUncertainty")],
)
def test_no_uncertainty(images, uncertainty, words):
    with pytest.raises(ValueError, match=words):
        plot_uncertainty(sunpy.map.Map(images[0].data, images[0].meta, uncertainty=uncertainty))


def test_animation(images):
    """Blink two images on the same pixels; each has its own title, colours and coordinates."""
    other = sunpy.map.Map(
        3 * images[0].data, dict(images[0].meta) | {"instrume": "AIA_3", "cdelt1": 9.0, "cdelt2": 9.0}
    )
    axes = Figure().add_subplot(projection=images[0])
    player = animate([images[0], other, images[2]], axes=axes, interval=500)
    html = player._repr_html_()
    assert html.count("data:image/png;base64") == 3
    assert axes.get_title() == "AIA 304 Å (synthetic)  2014-01-15 00:00 UTC"
    # What was drawn before is gone.
    (drawn,) = axes.images
    assert drawn.cmap.name == "sdoaia304"
    assert axes.wcs.wcs.compare(images[2].wcs.wcs)
    assert sum(isinstance(child, Circle) for child in axes.get_children()) == 1


def test_one_scale_in_time(images):
    """Nothing flickers: images of one passband are on one scale."""
    maps = [images[0], _with_data(images[0], 2 * images[0].data)]
    player = animate(maps)
    (axes,) = player._fig.axes
    norm = normalization(*maps)
    seen = []
    for number in range(2):
        player._show(number)
        (drawn,) = axes.images
        seen.append((drawn.norm.vmin, drawn.norm.vmax))
    assert seen == [(norm.vmin, norm.vmax)] * 2
    player.to_jshtml()


@pytest.mark.parametrize("maps", [[], "resampled"])
def test_what_cannot_be_animated(images, maps):
    if maps:
        maps = [images[0], images[1].resample([128, 128] * u.pix)]
    with pytest.raises(ValueError, match=r"maps must be one or more images of one number of pixels; found (128|none)"):
        animate(maps)
