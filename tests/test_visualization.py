"""Figures, tested by what they hold."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Circle

import astropy.units as u
import sunpy.map
from astropy.coordinates import SkyCoord
from astropy.visualization import AsinhStretch, LinearStretch

from sunpy_mag2euv.sample import sample_chart
from sunpy_mag2euv.stitching import generate_chart
from sunpy_mag2euv.synthesis import generate
from sunpy_mag2euv.visualization import contact_sheet, normalization, picture


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


def test_normalization_is_that_of_the_disk(images):
    rng = np.random.default_rng(0)
    disk = _on_disk(images[0])
    data = np.where(disk, rng.lognormal(4, 1, disk.shape), 1e9)
    data[disk & (rng.random(disk.shape) < 0.1)] = np.nan
    norm = normalization(_with_data(images[0], data))
    known = data[disk & np.isfinite(data)]
    assert np.mean(known < norm.vmin) == pytest.approx(0.01, abs=1e-3)
    assert np.mean(known > norm.vmax) == pytest.approx(0.001, abs=1e-3)
    # The knee of the curve is at the median.
    assert isinstance(norm.stretch, AsinhStretch)
    assert norm.stretch.a == pytest.approx((np.median(known) - norm.vmin) / (norm.vmax - norm.vmin))
    assert 0.1 < norm(np.median(known)) < 0.4


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
    assert norm.vmin == pytest.approx(np.quantile(whole.data, 0.01))
    assert norm.vmax == pytest.approx(np.quantile(whole.data, 0.999))


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


def test_contact_sheet(magnetogram, images, tmp_path):
    figure = contact_sheet(magnetogram, images)
    assert isinstance(figure, Figure)
    assert not plt.get_fignums()
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
