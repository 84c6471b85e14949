import concurrent.futures
import dataclasses

import numpy as np
import pytest
import torch

import astropy.units as u
import sunpy.map
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import StdDevUncertainty
from sunpy.data.test import get_dummy_map_from_header, get_test_filepath
from sunpy.util.exceptions import SunpyUserWarning

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.ageing import widening
from sunpy_mag2euv.aia import View, make_map
from sunpy_mag2euv.charts import chart_of
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.models import DEFAULT_MODEL, FieldModel
from sunpy_mag2euv.network import build_network
from sunpy_mag2euv.passbands import PASSBANDS
from sunpy_mag2euv.preparation import prepare
from sunpy_mag2euv.sample import sample_chart
from sunpy_mag2euv.scaling import LinearScaling, LogScaling
from sunpy_mag2euv.validity import assess
from sunpy_mag2euv.vantage import ages_of, project, resolve_observer

WELL_KNOWN = [angstrom for angstrom in PASSBANDS if angstrom != 211]


@pytest.fixture(scope="module")
def magnetogram(make_magnetogram):
    return make_magnetogram(rotation=179.93, size=300)


@pytest.fixture(scope="module")
def cutout(make_magnetogram):
    """A part of the disk, turned by 30°, so that it does not fill the part of the grid that it is on."""
    return make_magnetogram(rotation=30, size=(120, 160), scale=5.0, offset=(-60, -20))


@pytest.fixture(scope="module")
def certain_model(tiny_model):
    """The tiny model with a network that does not say how far off it may be."""
    architecture = tiny_model.architecture | {"deviations": False}
    state = build_network(**architecture).state_dict()
    return dataclasses.replace(tiny_model, architecture=architecture, deviation_factors={}, state=state)


@pytest.fixture
def no_network(monkeypatch):
    """Fails the test if a network is run, or even made."""
    monkeypatch.setattr(FieldModel, "run", lambda *args: pytest.fail("a network was run"))
    monkeypatch.setattr(FieldModel, "network", lambda *args: pytest.fail("a network was made"))


# -- What comes out ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "passband", [193, "193", 193 * u.angstrom, 19.3 * u.nm, PASSBANDS[193], np.int64(193)], ids=repr
)
def test_one_passband_one_map(magnetogram, tiny_model, passband):
    image = mag2euv.generate(magnetogram, passband, model=tiny_model)
    assert isinstance(image, sunpy.map.sources.AIAMap)
    assert image.wavelength == 193 * u.AA
    assert image.unit == u.DN / u.s
    assert image.data.shape == (256, 256)
    assert image.meta["instrume"] == "AIA_SYNTHETIC"


@pytest.mark.parametrize(
    "passbands",
    [
        [304, 171],
        (304, "171"),
        np.array([304, 171]),
        [304, 171] * u.AA,
        [PASSBANDS[304], 171],
        [304 * u.AA, 171 * u.AA],
        [304, 17.1 * u.nm],
    ],
    ids=repr,
)
def test_many_passbands_a_list(magnetogram, tiny_model, passbands):
    images = mag2euv.generate(magnetogram, passbands, model=tiny_model)
    assert isinstance(images, list)
    assert [image.wavelength.to_value(u.AA) for image in images] == [304, 171]
    for image in images:
        alone = mag2euv.generate(magnetogram, image.wavelength, model=tiny_model)
        np.testing.assert_array_equal(image.data, alone.data)


def test_one_in_a_list_gives_a_list(magnetogram, tiny_model):
    images = mag2euv.generate(magnetogram, [193], model=tiny_model)
    assert isinstance(images, list)
    assert len(images) == 1


def test_is_the_data_flow_of_the_parts(magnetogram, tiny_model):
    field = prepare(magnetogram, tiny_model.grid)
    images, _ = tiny_model.outputs(tiny_model.run(field.values, torch.device("cpu")))
    for image in mag2euv.generate(magnetogram, WELL_KNOWN, model=tiny_model):
        plane = images[list(PASSBANDS).index(image.wavelength.value)].value
        np.testing.assert_array_equal(image.data[tiny_model.valid], plane[tiny_model.valid])
    assert len({plane.value[128, 128] for plane in images}) == 9


def test_input_is_left_alone(make_magnetogram, tiny_model):
    magnetogram = make_magnetogram()
    data, meta = magnetogram.data.copy(), magnetogram.meta.copy()
    mag2euv.generate(magnetogram, 193, model=tiny_model)
    np.testing.assert_array_equal(magnetogram.data, data)
    assert magnetogram.meta == meta


def test_nan_where_the_model_has_learnt_nothing(magnetogram, tiny_model):
    image = mag2euv.generate(magnetogram, 193, model=tiny_model)
    np.testing.assert_array_equal(np.isnan(image.data), tiny_model.grid.radius > tiny_model.valid_radius)
    narrow = mag2euv.generate(magnetogram, 193, model=dataclasses.replace(tiny_model, valid_radius=0.9))
    np.testing.assert_array_equal(np.isnan(narrow.data), tiny_model.grid.radius > 0.9)


def test_nan_where_the_field_is_unknown(make_magnetogram, tiny_model):
    known = mag2euv.generate(make_magnetogram(lambda x, y: 10 * x), 193, model=tiny_model)
    gap = make_magnetogram(lambda x, y: np.where(np.hypot(x + 0.3, y - 0.2) < 0.1, np.nan, 10 * x))
    image = mag2euv.generate(gap, 193, model=tiny_model)
    y, x = (np.indices((256, 256)) - 127.5) / 98
    distance = np.hypot(x + 0.3, y - 0.2)
    assert np.isnan(image.data[distance < 0.08]).all()
    assert np.isfinite(image.data[(distance > 0.12) & tiny_model.valid]).all()
    assert np.isfinite(known.data[distance < 0.08]).all()


def test_cutout_covers_its_field_of_view(cutout, tiny_model):
    image = mag2euv.generate(cutout, 193, model=tiny_model)
    full = tiny_model.grid.scale(cutout.coordinate_frame)
    assert u.allclose(u.Quantity(image.scale), full)
    # The window is the field of view's bounding box, to the pixel.
    corners = cutout.pixel_to_world([-0.5, 159.5, -0.5, 159.5] * u.pix, [-0.5, -0.5, 119.5, 119.5] * u.pix)
    x, y = (axis.to_value(u.pix) for axis in image.world_to_pixel(corners))
    assert image.data.shape[1] < 256
    for extent, size in ((x, image.data.shape[1]), (y, image.data.shape[0])):
        assert -1 <= extent.min() <= 0
        assert size - 1 <= extent.max() <= size


def test_cutout_is_nan_outside_its_field_of_view(cutout, tiny_model):
    image = mag2euv.generate(cutout, 193, model=tiny_model)
    x, y = cutout.world_to_pixel(sunpy.map.all_coordinates_from_map(image))
    margin = np.minimum.reduce([x.value + 0.5, 159.5 - x.value, y.value + 0.5, 119.5 - y.value])
    assert np.isnan(image.data[margin < -0.01]).all()
    assert np.isfinite(image.data[margin > 0.01]).all()
    assert 0.3 < np.isnan(image.data).mean() < 0.7  # turned by 30°, it leaves the corners free


def test_cutout_answers_as_the_full_disk_does(make_magnetogram, tiny_model):
    # The tiny network sees 30 pixels far, so the middle of a large cutout cannot tell that it is one.
    magnetogram = make_magnetogram(lambda x, y: 13 * np.sin(20 * x) * np.cos(15 * y), size=512)
    cutout = magnetogram.submap([100, 120] * u.pix, top_right=[420, 400] * u.pix)
    full = mag2euv.generate(magnetogram, 193, model=tiny_model)
    part = mag2euv.generate(cutout, 193, model=tiny_model)
    corner = part.pixel_to_world(0 * u.pix, 0 * u.pix)
    column, row = (round(float(axis.to_value(u.pix))) for axis in full.world_to_pixel(corner))
    rows, columns = part.data.shape
    expected = full.data[row : row + rows, column : column + columns]
    np.testing.assert_allclose(part.data[40:-40, 40:-40], expected[40:-40, 40:-40], rtol=1e-3)
    assert part.data[40:-40, 40:-40].size > 1000


def test_uncertainty(magnetogram, tiny_model):
    field = prepare(magnetogram, tiny_model.grid)
    _, deviations = tiny_model.outputs(tiny_model.run(field.values, torch.device("cpu")))
    for image in mag2euv.generate(magnetogram, [171, 193], model=tiny_model):
        assert isinstance(image.uncertainty, StdDevUncertainty)
        assert image.uncertainty.unit == image.unit == u.DN / u.s
        assert image.uncertainty.array.shape == image.data.shape == (256, 256)
        assert image.uncertainty.array.dtype == np.float32
        np.testing.assert_array_equal(np.isnan(image.uncertainty.array), np.isnan(image.data))
        plane = deviations[list(PASSBANDS).index(image.wavelength.value)].value
        np.testing.assert_array_equal(image.uncertainty.array[tiny_model.valid], plane[tiny_model.valid])
        assert (plane > 0).all()


def test_uncertainty_is_nan_where_the_field_is_unknown(make_magnetogram, tiny_model):
    gap = make_magnetogram(lambda x, y: np.where(np.hypot(x + 0.3, y - 0.2) < 0.1, np.nan, 10 * x))
    image = mag2euv.generate(gap, 193, model=tiny_model)
    missing = np.isnan(image.uncertainty.array)
    np.testing.assert_array_equal(missing, np.isnan(image.data))
    assert missing[147, 98]  # the gap's middle


def test_uncertainty_of_a_cutout(cutout, tiny_model):
    image = mag2euv.generate(cutout, 193, model=tiny_model)
    assert image.uncertainty.array.shape == image.data.shape
    np.testing.assert_array_equal(np.isnan(image.uncertainty.array), np.isnan(image.data))


def test_uncertainty_is_multiplied_by_the_passbands_factor(magnetogram, tiny_model):
    plain, doubled = (dataclasses.replace(tiny_model, deviation_factors=factors) for factors in ({}, {193: 2.0}))
    for passband, factor in ((193, 2), (171, 1)):
        before, after = (mag2euv.generate(magnetogram, passband, model=model) for model in (plain, doubled))
        np.testing.assert_allclose(after.uncertainty.array, factor * before.uncertainty.array, rtol=1e-6)
        np.testing.assert_array_equal(after.data, before.data)


def test_no_uncertainty_from_a_model_without_deviations(magnetogram, certain_model):
    assert mag2euv.generate(magnetogram, 193, model=certain_model).uncertainty is None
    assert mag2euv.generate_cube(magnetogram, [171, 193], model=certain_model).uncertainty is None


def test_device(magnetogram, tiny_model):
    expected = mag2euv.generate(magnetogram, 193, model=tiny_model, device="cpu")
    given = mag2euv.generate(magnetogram, 193, model=tiny_model, device=torch.device("cpu"))
    np.testing.assert_array_equal(given.data, expected.data)


def test_gpu_is_used_if_there_is_one(magnetogram, tiny_model, monkeypatch):
    used = []
    run = FieldModel.run

    def run_on_cpu(self, field, device):
        used.append(device)
        return run(self, field, torch.device("cpu"))

    monkeypatch.setattr(FieldModel, "run", run_on_cpu)
    for available in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda available=available: available)
        mag2euv.generate(magnetogram, 193, model=tiny_model)
    assert used == [torch.device("cuda"), torch.device("cpu")]


def test_model_by_path(magnetogram, tiny_weights):
    image = mag2euv.generate(magnetogram, 193, model=tiny_weights)
    assert mag2euv.load_model(tiny_weights).sha256 in image.meta["history"]
    np.testing.assert_array_equal(image.data, mag2euv.generate(magnetogram, 193, model=str(tiny_weights)).data)


def test_default_model(magnetogram, tiny_model, monkeypatch):
    asked = []
    monkeypatch.setattr("sunpy_mag2euv.inference.load_model", lambda name, _: asked.append(name) or tiny_model)
    assert "model: tiny" in mag2euv.generate(magnetogram, 193).meta["history"]
    mag2euv.generate_cube(magnetogram, [193])
    assert asked == [DEFAULT_MODEL, DEFAULT_MODEL]


# -- Cubes -------------------------------------------------------------------------------------------------------------


def test_cube_of_all_passbands(magnetogram, tiny_model):
    with pytest.warns(SunpyUserWarning, match="211 Å") as warned:
        cube = mag2euv.generate_cube(magnetogram, model=tiny_model)
    assert len(warned) == 1
    assert cube.data.shape == (9, 256, 256)
    assert u.allclose(cube.axis_world_coords(0)[0], list(PASSBANDS) * u.AA)
    np.testing.assert_array_equal(cube.mask, np.broadcast_to(~tiny_model.valid, cube.data.shape))
    for image in mag2euv.generate(magnetogram, WELL_KNOWN, model=tiny_model):
        plane = cube[list(PASSBANDS).index(image.wavelength.value)]
        np.testing.assert_array_equal(plane.data, image.data)


def test_cube_of_a_cutout(cutout, tiny_model):
    cube = mag2euv.generate_cube(cutout, [171, "304"], model=tiny_model)
    image = mag2euv.generate(cutout, 304, model=tiny_model)
    assert cube.data.shape == (2, *image.data.shape)
    np.testing.assert_array_equal(cube.mask[1], np.isnan(image.data))
    assert cube[1].wcs.pixel_to_world(3, 5).separation(image.pixel_to_world(3 * u.pix, 5 * u.pix)) < 1e-6 * u.arcsec


def test_cube_carries_the_uncertainty(magnetogram, tiny_model):
    cube = mag2euv.generate_cube(magnetogram, [171, 304], model=tiny_model)
    assert isinstance(cube.uncertainty, StdDevUncertainty)
    assert cube.uncertainty.unit == u.DN / u.s
    assert cube.uncertainty.array.shape == cube.data.shape
    np.testing.assert_array_equal(np.isnan(cube.uncertainty.array), cube.mask)
    for index, passband in enumerate((171, 304)):
        image = mag2euv.generate(magnetogram, passband, model=tiny_model)
        np.testing.assert_array_equal(cube[index].uncertainty.array, image.uncertainty.array)


def test_one_network_run_for_all_passbands(magnetogram, tiny_model, monkeypatch):
    runs = []
    run = FieldModel.run
    monkeypatch.setattr(FieldModel, "run", lambda *args: runs.append(1) or run(*args))
    mag2euv.generate_cube(magnetogram, WELL_KNOWN, model=tiny_model)
    assert len(runs) == 1


# -- Warnings ----------------------------------------------------------------------------------------------------------


def test_scarce_passband_warns(magnetogram, tiny_model):
    with pytest.warns(SunpyUserWarning, match="211 Å: the weights rest on few images") as warned:
        mag2euv.generate(magnetogram, [193, 211], model=tiny_model)
    assert len(warned) == 1


def test_unknown_instrument_warns(make_magnetogram, tiny_model):
    with pytest.warns(SunpyUserWarning, match="no conversion to HMI's field scale is known for SPMG"):
        mag2euv.generate(make_magnetogram(instrument="SPMG"), 193, model=tiny_model)


def test_well_known_passbands_do_not_warn(magnetogram, tiny_model, recwarn):
    mag2euv.generate(magnetogram, WELL_KNOWN, model=tiny_model)
    assert [str(warning.message) for warning in recwarn] == []


def test_a_network_of_the_paper(magnetogram):
    """One passband from the signed field alone, on a quarter of the paper's grid: no code has to know of it."""
    architecture = {"kind": "generator", "levels": 8, "normalization": "running"}
    model = FieldModel(
        name="p19",
        description="Model A of Park et al. 2019, untrained",
        architecture=architecture,
        grid=Grid((256, 256), 98.0),
        planes=("signed",),
        field_scaling=LinearScaling(-3000.0, 3000.0),
        image_scalings={193: LogScaling(0.0, 2.0**14 - 1, offset=1.0)},
        unpolarized=False,
        valid_radius=1.3,
        calibration={193: "2011-01-01"},
        provenance="nothing",
        sha256="0" * 64,
        state=build_network(**architecture).state_dict(),
    )
    image = mag2euv.generate(magnetogram, 193, model=model)
    assert image.data.shape == (256, 256)
    assert 0 <= np.nanmin(image.data) < np.nanmax(image.data) < 2**14
    with pytest.raises(ValueError, match="the model p19 has no passband 171 Å; it has 193 Å"):
        mag2euv.generate(magnetogram, 171, model=model)


# -- Bad input, refused before any network is run ----------------------------------------------------------------------


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("passbands", [193, "193"])
def test_a_cube_takes_a_sequence(magnetogram, tiny_model, passbands):
    with pytest.raises(TypeError, match=r"must be a sequence, such as \[171, 193\]"):
        mag2euv.generate_cube(magnetogram, passbands, model=tiny_model)


@pytest.mark.usefixtures("no_network")
class TestBadInput:
    def refused(self, magnetogram, model, error=ValueError, match=""):
        """Both verbs refuse, in the same words."""
        for verb, passband in ((mag2euv.generate, 193), (mag2euv.generate_cube, [193])):
            with pytest.raises(error, match=match):
                verb(magnetogram, passband, model=model)

    def test_continuum(self, tiny_model):
        continuum = sunpy.map.Map(get_test_filepath("resampled_hmi.fits"))
        self.refused(
            continuum,
            tiny_model,
            match="must be a line-of-sight magnetogram in gauss; this Map is HMI FRONT2 continuum in DN / s",
        )

    def test_aia(self, tiny_model):
        aia = sunpy.map.Map(get_test_filepath("aia_171_level1.fits"))
        self.refused(
            aia, tiny_model, match=r"must be a line-of-sight magnetogram in gauss; this Map is AIA.* 171.0 Angstrom in"
        )

    def test_own_output(self, magnetogram, tiny_model):
        dark = np.zeros(tiny_model.grid.shape) * u.DN / u.s
        validity = assess(prepare(magnetogram, tiny_model.grid), tiny_model, [PASSBANDS[193]])[PASSBANDS[193]]
        synthetic = make_map(dark, None, tiny_model.grid, PASSBANDS[193], View.of([magnetogram]), tiny_model, validity)
        self.refused(synthetic, tiny_model, match="in gauss; this Map is AIA SYNTHETIC 193.0 Angstrom in DN / s")

    def test_real_sharp_patch(self, test_data, tiny_model):
        (path,) = (test_data / "inputs").glob("hmi.sharp_cea_720s.*.magnetogram.fits")
        self.refused(
            sunpy.map.Map(path),
            tiny_model,
            match=r"must be helioprojective .* heliographic carrington coordinates. Use the full-disk magnetogram",
        )

    def test_sharp_patch(self, tiny_model):
        sharp = get_dummy_map_from_header(get_test_filepath("hmi_cea_sharp_magnetogram.header"))
        self.refused(sharp, tiny_model, match="must be helioprojective .* heliographic carrington coordinates")

    def test_carrington_chart(self, make_magnetogram, tiny_model):
        chart = make_magnetogram(
            ctype1="CRLN-CEA", ctype2="CRLT-CEA", cunit1="deg", cunit2="deg", cdelt1=1.0, cdelt2=0.5
        )
        self.refused(chart, tiny_model, match="must be helioprojective .* instead of a remapped patch or chart")

    def test_no_unit(self, make_magnetogram, tiny_model):
        self.refused(
            make_magnetogram(bunit=None),
            tiny_model,
            match=r"this Map is HMI SIDE1 magnetogram.*map.meta\['bunit'\], such as to 'G'",
        )

    @pytest.mark.parametrize("missing", [["dsun_obs"], ["hgln_obs", "hglt_obs"], ["dsun_obs", "hgln_obs", "hglt_obs"]])
    def test_no_observer(self, make_magnetogram, tiny_model, missing):
        self.refused(
            make_magnetogram(**dict.fromkeys(missing)),
            tiny_model,
            match="must say its observer.*Add DSUN_OBS, HGLN_OBS and HGLT_OBS",
        )

    def test_no_observer_even_if_sunpy_has_warned_before(self, make_magnetogram, tiny_model):
        magnetogram = make_magnetogram(dsun_obs=None)
        with pytest.warns(match="Missing metadata for observer"):
            assert magnetogram.coordinate_frame is not None
        self.refused(magnetogram, tiny_model, match="must say its observer")

    def test_no_time(self, make_magnetogram, tiny_model):
        self.refused(
            make_magnetogram(**{"date-obs": None}), tiny_model, match="must say its observation time.*DATE-OBS"
        )

    @pytest.mark.filterwarnings("ignore:All-NaN")  # sunpy's, from finding a range to plot
    def test_all_nan(self, make_magnetogram, tiny_model):
        empty = make_magnetogram(lambda x, y: np.nan * x)
        self.refused(empty, tiny_model, match="must have values on the solar disk; this HMI SIDE1 magnetogram .* none")

    def test_nothing_of_the_disk(self, make_magnetogram, tiny_model):
        beside = make_magnetogram(offset=(400, 0), off_limb=0)
        self.refused(beside, tiny_model, match="must show .* of the solar disk; this HMI SIDE1 magnetogram .* none")

    def test_three_dimensions(self, make_magnetogram, tiny_model, tmp_path):
        magnetogram = make_magnetogram()
        header = fits.Header({key: value for key, value in magnetogram.meta.items() if not key.startswith("naxis")})
        fits.writeto(tmp_path / "cube.fits", np.stack([magnetogram.data] * 3), header)
        with pytest.warns(SunpyUserWarning, match="more than 2 dimensions"):
            first = sunpy.map.Map(tmp_path / "cube.fits")
        self.refused(first, tiny_model, match="must be one image with two dimensions; this Map was made from 3. Choose")

    @pytest.mark.parametrize(
        ("given", "kind"),
        [
            ("magnetogram.fits", "str"),
            (np.zeros((256, 256)), "ndarray"),
            (np.zeros((3, 8, 8)), "ndarray"),
            (None, "NoneType"),
        ],
    )
    def test_no_map(self, tiny_model, given, kind):
        self.refused(
            given, tiny_model, TypeError, rf"must be a sunpy.map.Map; got {kind}. Read files with sunpy.map.Map\(path\)"
        )

    def test_path(self, tiny_model, tmp_path):
        self.refused(tmp_path / "magnetogram.fits", tiny_model, TypeError, "must be a sunpy.map.Map; got PosixPath")

    def test_nested_lists(self, magnetogram, tiny_model):
        for verb in (mag2euv.generate, mag2euv.generate_cube):
            with pytest.raises(TypeError, match=r"must be a sunpy\.map\.Map; got list"):
                next(verb([[magnetogram]], [193], model=tiny_model))

    def test_allow_errors_of_one(self, magnetogram, tiny_model):
        for verb in (mag2euv.generate, mag2euv.generate_cube):
            with pytest.raises(ValueError, match="allow_errors must be left out for one image"):
                verb(magnetogram, [193], model=tiny_model, allow_errors=True)

    @pytest.mark.parametrize(
        ("passband", "error", "message"),
        [
            (4500, ValueError, "no AIA passband 4500; choose one of 94, 131"),
            ("4500", ValueError, "no AIA passband 4500"),
            (193 * u.nm, ValueError, r"no AIA passband 193.0 nm \(1930 Å\); choose one of"),
            ([171, 4500], ValueError, "no AIA passband 4500"),
            (193 * u.G, ValueError, "one wavelength"),
            (None, TypeError, "got NoneType"),
            ([], ValueError, "at least one, each once"),
            ([193, 193], ValueError, "at least one, each once"),
            ([193, "193"], ValueError, "at least one, each once"),
        ],
        ids=repr,
    )
    def test_passband(self, magnetogram, tiny_model, passband, error, message):
        with pytest.raises(error, match=message):
            mag2euv.generate(magnetogram, passband, model=tiny_model)

    @pytest.mark.parametrize(
        ("passbands", "error", "message"),
        [
            ([171, 4500], ValueError, "no AIA passband 4500"),
            ([193 * u.nm], ValueError, r"no AIA passband 193.0 nm \(1930 Å\)"),
            ([], ValueError, "at least one, each once"),
            ([193, 193], ValueError, "at least one, each once"),
        ],
        ids=repr,
    )
    def test_passbands_of_a_cube(self, magnetogram, tiny_model, passbands, error, message):
        with pytest.raises(error, match=message):
            mag2euv.generate_cube(magnetogram, passbands, model=tiny_model)

    def test_passband_that_the_model_lacks(self, magnetogram, tiny_model):
        scalings = {angstrom: tiny_model.image_scalings[angstrom] for angstrom in (171, 304)}
        model = dataclasses.replace(tiny_model, image_scalings=scalings)
        with pytest.raises(ValueError, match="the model tiny has no passband 193 Å; it has 171 Å, 304 Å"):
            mag2euv.generate(magnetogram, 193, model=model)

    def test_unknown_model(self, magnetogram):
        for verb, passband in ((mag2euv.generate, 193), (mag2euv.generate_cube, [193])):
            with pytest.raises(ValueError, match="there is no model 'pix2pix'; choose one of detail-browse"):
                verb(magnetogram, passband, model="pix2pix")
            with pytest.raises(FileNotFoundError, match="there is no weights file"):
                verb(magnetogram, passband, model="absent.safetensors")

    @pytest.mark.parametrize("device", ["cuda:9", "nonsense", "meta", 3.5])
    def test_device_that_is_not_there(self, magnetogram, tiny_model, device):
        for verb, passband in ((mag2euv.generate, 193), (mag2euv.generate_cube, [193])):
            with pytest.raises(
                ValueError, match=f"the device {device} cannot be used here .*; use 'cpu', or leave it out"
            ):
                verb(magnetogram, passband, model=tiny_model, device=device)

    def test_options_are_keywords(self, magnetogram, tiny_model):
        with pytest.raises(TypeError, match="positional"):
            mag2euv.generate(magnetogram, 193, tiny_model)


# -- From anywhere -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chart():
    return sample_chart()


def at(longitude, latitude=0, radius=1):
    return SkyCoord(longitude * u.deg, latitude * u.deg, radius * u.au, frame="heliographic_stonyhurst")


class TestChart:
    def test_is_the_data_flow_of_the_parts(self, chart, tiny_model):
        image = mag2euv.generate(chart, 171, observer=at(120, 10), model=tiny_model)
        field_of = chart_of(chart)
        place = resolve_observer(at(120, 10), default=field_of.time)
        field = project(field_of, place, tiny_model.grid)
        images, deviations = tiny_model.outputs(tiny_model.run(field.values, torch.device("cpu")))
        number = [*tiny_model.image_scalings].index(171)
        np.testing.assert_array_equal(image.data[tiny_model.valid], images[number].value[tiny_model.valid])
        factor = widening(ages_of(field_of, place, tiny_model.grid), tiny_model.grid.radius, PASSBANDS[171])
        expected = deviations[number].value * factor
        np.testing.assert_allclose(image.uncertainty.array[tiny_model.valid], expected[tiny_model.valid], rtol=1e-6)
        assert (factor > 1).any()

    def test_header(self, chart, tiny_model, tmp_path):
        image = mag2euv.generate(chart, 171, observer=at(120, 10, 0.7), obstime="2014-01-05", model=tiny_model)
        image.save(tmp_path / "image.fits")
        for copy in (image, sunpy.map.Map(tmp_path / "image.fits")):
            assert isinstance(copy, sunpy.map.sources.AIAMap)
            assert copy.meta["telescop"] == "SDO/AIA-like (synthetic)"
            assert copy.date.isot == copy.reference_date.isot == "2014-01-05T00:00:00.000"
            observer = copy.observer_coordinate
            np.testing.assert_allclose([observer.lon.deg, observer.lat.deg], [120, 10], atol=1e-6)
            assert u.isclose(observer.radius, 0.7 * u.au)
            assert u.isclose(copy.rsun_meters, chart.rsun_meters)
            assert u.isclose(copy.rsun_obs, np.arcsin(chart.rsun_meters / (0.7 * u.au)).to(u.arcsec), rtol=1e-6)
            history = str(copy.meta["history"]).replace("\n", " ")
            assert "chart of rotation 2145 as a made-up observer would see it: not an observation" in history
            assert "Stonyhurst longitude 120.000 deg" in history

    def test_default_model(self, chart, tiny_model, monkeypatch):
        asked = []
        monkeypatch.setattr("sunpy_mag2euv.inference.load_model", lambda *args: asked.append(args) or tiny_model)
        mag2euv.generate(chart, 171, observer="earth")
        assert asked == [("shared-browse", None)]

    def test_seen_from_earth_in_time_deviations_are_those_of_training(self, chart, tiny_model):
        there = mag2euv.generate(chart, 193, observer="earth", model=tiny_model)
        behind = mag2euv.generate(chart, 193, observer=at(180), model=tiny_model)
        plain = chart_of(chart)
        field = project(plain, "earth", tiny_model.grid)
        _, deviations = tiny_model.outputs(tiny_model.run(field.values, torch.device("cpu")))
        number = [*tiny_model.image_scalings].index(193)
        inside = tiny_model.grid.radius < 1
        np.testing.assert_allclose(there.uncertainty.array[inside], deviations[number].value[inside], rtol=0.01)
        assert np.nanmedian(behind.uncertainty.array) > 1.1 * np.nanmedian(there.uncertainty.array)

    def test_whole_turn(self, chart, tiny_model):
        first, again = mag2euv.generate(chart, 193, observer=[at(33, 7), at(33 - 360, 7)], model=tiny_model)
        np.testing.assert_allclose(again.data, first.data, rtol=1e-5)

    def test_sequence(self, chart, tiny_model, monkeypatch):
        runs = []
        run = FieldModel.run
        monkeypatch.setattr(FieldModel, "run", lambda *args: runs.append(1) or run(*args))
        observers = [at(longitude) for longitude in (0, 120, 240)]
        images = mag2euv.generate(chart, 193, observer=observers, model=tiny_model)
        assert iter(images) is images
        assert not runs
        first = next(images)
        assert len(runs) == 1
        rest = list(images)
        assert [image.observer_coordinate.lon.wrap_at(360 * u.deg).deg for image in rest] == pytest.approx([120, 240])
        alone = mag2euv.generate(chart, 193, observer=at(0), model=tiny_model)
        np.testing.assert_array_equal(first.data, alone.data)

    def test_sequence_of_many_passbands(self, chart, tiny_model):
        times = ["2014-01-01", "2014-01-02"]
        images = list(mag2euv.generate(chart, [171, 193], observer="earth", obstime=times, model=tiny_model))
        assert [len(of_one) for of_one in images] == [2, 2]
        assert [of_one[0].date.isot[:10] for of_one in images] == times

    def test_what_there_is_to_say_is_said_once(self, chart, tiny_model):
        with pytest.warns(SunpyUserWarning, match="211") as said:
            list(mag2euv.generate(chart, 211, observer=[at(0), at(90)], model=tiny_model))
        assert len(said) == 1

    def test_cubes(self, chart, tiny_model):
        cube = mag2euv.generate_cube(chart, [171, 193], observer=at(50), model=tiny_model)
        assert cube.data.shape == (2, 256, 256)
        cubes = mag2euv.generate_cube(chart, [171, 193], observer=[at(50), at(60)], model=tiny_model)
        np.testing.assert_array_equal(next(cubes).data, cube.data)

    def test_no_observer(self, chart, tiny_model, no_network):
        with pytest.raises(ValueError, match=r"a chart must have an observer, .* which nobody sees at once"):
            mag2euv.generate(chart, 193, model=tiny_model)
        with pytest.raises(ValueError, match="a chart must have an observer"):
            mag2euv.generate_cube(chart, obstime="2014-01-01", model=tiny_model)

    def test_observer_of_a_helioprojective_magnetogram(self, magnetogram, tiny_model, no_network):
        for observer in ("earth", at(30), [at(30)]):
            with pytest.raises(ValueError, match="line-of-sight field cannot be turned to another direction"):
                mag2euv.generate(magnetogram, 193, observer=observer, model=tiny_model)
        with pytest.raises(ValueError, match="obstime must come with an observer"):
            mag2euv.generate(magnetogram, 193, obstime="2014-01-01", model=tiny_model)

    @pytest.mark.parametrize(
        ("observer", "error", "match"),
        [
            (at(0, 0, 0.001), ValueError, "must be outside of the Sun"),
            (at(0, 0, 100), ValueError, "0.01 to 50 au from the Sun"),
            ([at(0), at(0, 0, 0.001)], ValueError, "must be outside of the Sun"),
            (7, TypeError, "observer must be a SkyCoord, or a name"),
        ],
    )
    def test_bad_observer(self, chart, tiny_model, no_network, observer, error, match):
        with pytest.raises(error, match=match):
            mag2euv.generate(chart, 193, observer=observer, model=tiny_model)

    def test_charts_of_something_else(self, chart, tiny_model, no_network):
        strength = sunpy.map.Map(np.abs(chart.data), chart.meta)
        continuum = sunpy.map.Map(chart.data, {**chart.meta, "content": "continuum intensity"})
        for other in (strength, continuum):
            with pytest.raises(ValueError, match="the chart must be of the radial field"):
                mag2euv.generate(other, 193, observer="earth", model=tiny_model)

    def test_patch(self, chart, tiny_model, no_network):
        patch = chart.submap([100, 100] * u.pix, top_right=[300, 200] * u.pix)
        with pytest.raises(ValueError, match="must be of the line-of-sight field"):
            mag2euv.generate(patch, 193, model=tiny_model)
        with pytest.raises(ValueError, match="must go from pole to pole"):
            mag2euv.generate(patch, 193, observer="earth", model=tiny_model)


@pytest.mark.filterwarnings("ignore")
def test_eight_threads(make_magnetogram, tiny_model):
    """Each gets the answers that it would get alone, whatever the others are given."""
    good = [make_magnetogram(size=64, rotation=30.0 * number) for number in range(5)]
    bad = [make_magnetogram(size=64, **{keyword: None}) for keyword in ("dsun_obs", "date-obs", "cdelt1")]
    alone = [mag2euv.generate(magnetogram, 193, model=tiny_model).data for magnetogram in good]

    def answer(number):
        magnetogram = (good + bad)[number % 8]
        try:
            return mag2euv.generate(magnetogram, 193, model=tiny_model).data
        except ValueError as error:
            return str(error)

    with concurrent.futures.ThreadPoolExecutor(8) as executor:
        answers = list(executor.map(answer, range(200)))
    for number, found in enumerate(answers):
        if number % 8 < 5:
            np.testing.assert_allclose(found, alone[number % 8], rtol=1e-5)
        else:
            assert f"must say its {('observer', 'observation time', 'scale')[number % 8 - 5]}" in found
