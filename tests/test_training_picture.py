"""The picture of a day that was left out, by what is in its cells."""

import dataclasses

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from browse_archives import as_command
from training_store import GRID, configure, make_run, make_store, manifest

from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.metrics import correlation
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.recipe import picture
from sunpy_mag2euv.training.recipe.folds import Fold
from sunpy_mag2euv.training.recipe.picture import draw

#: What is drawn, from left to right; and what the store has, and the model in another order.
DRAWN = (171, 193, 304, 1600)
BANDS = (94, *DRAWN)
OF_MODEL = (1600, 304, 94, 193, 171)

#: Neither side as long as the other, so that they cannot be mistaken.
WIDE = Grid((32, 48), 13.0)

#: When the frames are from, of which the last two are watched, and the lower limits in the first of these.
ROTATIONS = (2094.1, 2097.2, 2097.6)
CEILINGS = {193: 300.0}


def make_picture_run(directory, grid):
    """The directory of a run, of any kind, that watches some frames, and its store."""
    store = make_store(directory / "store", frames=manifest(ROTATIONS), bands=BANDS, grid=grid)
    images = dict(zip(BANDS, store.images(1), strict=True))
    images[193] = np.minimum(images[193], CEILINGS[193])
    store.write(1, store.field(1), images, ceilings=CEILINGS)
    split = {"method": "rotations", "validation": [2097], "test": [], "gap": 0}
    config = configure(directory, directory / "store", data={"passbands": list(OF_MODEL)}, split=split)
    return make_run(directory / "run", config), store


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The fold, the store and the figure."""
    directory, store = make_picture_run(tmp_path_factory.mktemp("picture"), WIDE)
    fold = Fold.read(directory)
    assert list(fold.watched) == [1, 2]
    return fold, store, draw(fold)


@pytest.fixture(scope="module")
def cells(drawn):
    """The axes of the figure by column and row, counted from the upper left one."""
    cells = {}
    for axes in drawn[2].axes:
        left, bottom, width, height = axes.get_position().bounds
        assert (width, height) == (pytest.approx(1 / 5), pytest.approx(1 / 2))
        cells[round(5 * left), 1 - round(2 * bottom)] = axes
    return cells


def shown(axes):
    """The one image in a cell, which has north up."""
    (image,) = axes.images
    assert image.origin == "lower"
    return image


def test_the_figure_has_the_pixels_of_the_images(drawn, cells):
    figure = drawn[2]
    assert tuple(figure.get_size_inches() * figure.dpi) == (5 * 48, 2 * 32)
    for axes in cells.values():
        extent = axes.get_window_extent()
        assert (extent.width, extent.height) == (pytest.approx(48), pytest.approx(32))
        assert not axes.axison
        assert shown(axes).get_interpolation() == "none"


def test_there_is_a_magnetogram_and_a_pair_for_each_passband(drawn, cells):
    titles = {place: [text.get_text() for text in axes.texts] for place, axes in cells.items()}
    expected = {(0, 0): ["HMI magnetogram"]}
    for column, band in enumerate(DRAWN, start=1):
        expected |= {(column, 0): [f"{band} Å, synthetic"], (column, 1): [f"{band} Å, AIA"]}
    assert titles == expected
    assert len(drawn[2].axes) == 1 + 2 * len(DRAWN)


def test_images_are_those_of_model_and_store(drawn, cells):
    fold, store, _ = drawn
    images, _ = fold.model.outputs(fold.model.run(store.field(1), torch.device("cpu")))
    for column, band in enumerate(DRAWN, start=1):
        np.testing.assert_array_equal(shown(cells[column, 0]).get_array(), images[OF_MODEL.index(band)].value)
        observed = shown(cells[column, 1]).get_array()
        np.testing.assert_array_equal(np.ma.filled(observed, np.nan), store.images(1, [band])[0])


def test_images_of_a_pair_are_on_one_scale_of_brightness(drawn, cells):
    _, store, _ = drawn
    disk = WIDE.radius < 1
    for column, band in enumerate(DRAWN, start=1):
        synthetic, observed = (shown(cells[column, row]) for row in (0, 1))
        assert synthetic.norm is observed.norm
        assert synthetic.get_cmap() == observed.get_cmap() == matplotlib.colormaps[f"sdoaia{band}"]
        values = store.images(1, [band])[0][disk]
        low, median, high = np.quantile(values, [0.01, 0.5, 0.999])
        assert (observed.norm.vmin, observed.norm.vmax) == (pytest.approx(low), pytest.approx(high))
        # A quiet Sun is neither black nor white.
        assert 0.1 < observed.norm(median) < 0.7


def test_the_magnetogram_is_that_of_the_store(drawn, cells):
    _, store, _ = drawn
    image, disk = shown(cells[0, 0]), WIDE.radius < 1
    np.testing.assert_array_equal(image.get_array()[disk], store.field(1)[disk])
    # Black as the rest of the figure where there is nothing.
    assert (image.norm.vmin, image.norm.vmax) == (-100, 100)
    assert (image.get_array()[~disk] == -100).all()
    assert image.get_cmap() == matplotlib.colormaps["gray"]
    assert drawn[2].get_facecolor() == (0, 0, 0, 1)


def test_words_say_when_it_was_and_how_much_is_right(drawn):
    fold, store, figure = drawn
    (text,) = figure.texts
    time, learnt, nothing, *scores = text.get_text().split("\n")
    assert time == f"{store.frames['time'][1].datetime:%Y-%m-%d %H:%M} UTC"
    assert (learnt, nothing) == ("not learnt from", "")
    assert text.get_position()[0] < 1 / 5
    assert text.get_position()[1] < 1 / 2
    images, _ = fold.model.outputs(fold.model.run(store.field(1), torch.device("cpu")))
    expected = []
    for band in DRAWN:
        pair = images[OF_MODEL.index(band)].value, store.images(1, [band])[0]
        # Brighter than its limit, an image says nothing.
        known, limit = (WIDE.radius < 1) & np.isfinite(pair[1]), CEILINGS.get(band, np.inf)
        expected.append(f"{band} Å: CC {correlation(*(np.minimum(image, limit)[known] for image in pair)):.3f}")
    assert scores == expected


def test_only_the_first_watched_frame_is_drawn(drawn):
    fold, store, _ = drawn
    later = draw(dataclasses.replace(fold, watched=fold.watched[1:]))
    image = shown(later.axes[0]).get_array()
    disk = WIDE.radius < 1
    np.testing.assert_array_equal(image[disk], store.field(2)[disk])
    assert later.texts[0].get_text().startswith(f"{store.frames['time'][2].datetime:%Y-%m-%d %H:%M} UTC\n")


def test_what_is_not_known_is_no_harm(drawn):
    """A corner of the disk that was not observed, as under the time stamp of an image."""
    fold, _, _ = drawn
    store = Store.open(fold.config["data"]["store"], "r+")
    images = dict(zip(BANDS, store.images(2), strict=True))
    hidden = np.zeros(WIDE.shape, dtype=bool)
    hidden[:12] = True
    store.write(2, store.field(2), {band: np.where(hidden, np.nan, image) for band, image in images.items()})
    figure = draw(dataclasses.replace(fold, watched=[2]))
    observed = shown(figure.axes[2])
    assert np.isfinite([observed.norm.vmin, observed.norm.vmax]).all()
    assert (np.isnan(np.ma.filled(observed.get_array(), np.nan)) == hidden).sum() > hidden.size - 10
    assert "nan" not in figure.texts[0].get_text()


def test_as_a_command(tmp_path):
    directory, _ = make_picture_run(tmp_path, GRID)
    open_figures = plt.get_fignums()
    as_command(picture, directory, tmp_path / "picture.png")
    as_command(picture, directory, tmp_path / "picture.jpg")
    for name in ("picture.png", "picture.jpg"):
        assert plt.imread(tmp_path / name).shape[:2] == (2 * 32, 5 * 32)
    draw(Fold.read(directory)).savefig(tmp_path / "drawn.png")
    np.testing.assert_array_equal(plt.imread(tmp_path / "picture.png"), plt.imread(tmp_path / "drawn.png"))
    # None is left open.
    assert plt.get_fignums() == open_figures


@pytest.mark.parametrize("arguments", [[], ["run"], ["run", "file.jpg", "more"]])
def test_commands_that_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as refused:
        as_command(picture, *arguments)
    assert refused.value.code == 2
    assert capsys.readouterr().err.startswith("usage: python -m sunpy_mag2euv.training.recipe.picture")
