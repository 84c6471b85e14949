"""
Maps that something is wrong with, in ways that nobody thought of, for the fuzzers.

A Map of a Sun with one bright region is made with random geometry, and then keywords, pixels and mask are replaced by
what does not belong there. Whether it is used or refused, what may come of it is checked here.
"""

import re
import warnings

import numpy as np
from aia_images import make_aia
from conftest import _make_magnetogram

import astropy.units as u
import sunpy.map
from astropy.coordinates import SkyCoord

import sunpy_mag2euv as mag2euv
from sunpy_mag2euv.maps import in_known_time
from sunpy_mag2euv.preparation import prepare

#: What may stand in a header instead of what should.
ODD = (
    np.nan, np.inf, -np.inf, 0, 0.0, -1, 1, 1e-300, 1e300, -1e30, 1e5, 1e-5, 91.0, -180.0, 10**30, True, False, "", " ",
    "nan", "abc", "1.0", "2014-01-15", "2014-02-30T00:00:00", "UT", "GPS", "dex(DN)", "G", "DN", "ct / s", b"bytes",
    [1, 2], {}, None, np.float32("nan"), np.int64(-5), 1 + 1j, np.array([1.0, 2.0]), "x" * 500, "Å",
)  # fmt: skip

#: Keywords that anything here reads, and some that it does not.
KEYWORDS = (
    "cdelt1", "cdelt2", "crpix1", "crpix2", "crval1", "crval2", "cunit1", "ctype1", "ctype2", "crota2", "crota1",
    "pc1_1", "pc1_2", "pc2_1", "pc2_2", "cd1_1", "cd1_2", "lonpole", "latpole", "pv1_1", "rsun_ref", "rsun_obs",
    "dsun_obs", "hgln_obs", "hglt_obs", "crln_obs", "crlt_obs", "haex_obs", "date-obs", "date_obs", "date-avg",
    "date-beg", "t_obs", "timesys", "bunit", "pixlunit", "content", "btype", "instrume", "telescop", "detector",
    "obsrvtry", "wavelnth", "waveunit", "lvl_num", "exptime", "xposure", "quality", "img_type", "naxis", "naxis1",
    "blank", "bscale", "history", "degepoch", "deg_cor", "img_x0", "comment",
)  # fmt: skip


def odd_pixels(rng, data):
    """Data that something is wrong with."""
    rows, columns = data.shape
    part = np.s_[int(rng.integers(rows)) :, int(rng.integers(columns)) :]
    kind = int(rng.integers(20))
    if kind < 8:
        data = data.astype(float)
        data[part] = (np.nan, np.inf, -np.inf, -(2.0**31) * 0.1, 1e300, 0.0, -32768.0, 16383.0)[kind]
        return data
    return (
        lambda: data * 0,
        lambda: data * 10.0 ** int(rng.integers(-6, 6)),
        lambda: data + 10.0 ** int(rng.integers(-1, 4)),
        lambda: np.abs(data),
        lambda: np.nan_to_num(data).astype(rng.choice([">i2", "<i4", "u1", "?", "f2", ">f8", "c8", "O", "S8", "U8"])),
        lambda: data[:1],
        lambda: data[:, :1],
        lambda: data[:0],
        lambda: np.stack([data, data]),
        lambda: data[::-1, ::-1],
        lambda: np.full_like(data, 7.0),
        lambda: np.full(data.shape, np.nan),
    )[kind - 8]()


def odd_mask(rng, shape):
    """A mask, more or less."""
    return (
        lambda: False,
        lambda: True,
        lambda: np.zeros(shape, dtype=bool),
        lambda: np.ones(shape, dtype=bool),
        lambda: rng.random(shape) < 0.5,
        lambda: np.zeros(shape, dtype=int),
        lambda: np.zeros((3, 3), dtype=bool),
        lambda: "mask",
        lambda: np.full(shape, None),
    )[int(rng.integers(9))]()


def attack(rng, make, strength=3):
    """
    Make a Map and spoil it.

    Parameters
    ----------
    rng : `numpy.random.Generator`
    make : callable
        Takes it, and returns a Map.
    strength : int
        At most so many things are wrong with it.

    Returns
    -------
    `~sunpy.map.GenericMap` or None
        None if sunpy itself refuses.
    """
    image = make(rng)
    meta, data, mask, later = dict(image.meta), image.data, None, {}
    for _ in range(int(rng.integers(strength + 1))):
        what = rng.random()
        keyword, value = KEYWORDS[int(rng.integers(len(KEYWORDS)))], ODD[int(rng.integers(len(ODD)))]
        if what < 0.2:
            data = odd_pixels(rng, image.data)
        elif what < 0.3:
            mask = odd_mask(rng, image.data.shape)
        elif what < 0.4:
            meta.pop(keyword, None)
        elif what < 0.55 and isinstance(meta.get(keyword), float):
            meta[keyword] *= float(rng.choice([-1, 0, 0.5, 1.03, 2, 1e-3, 1e3, 1e-6, 1e6]))
        elif what < 0.8:
            meta[keyword] = value
        else:
            # Users change headers of Maps that are there already.
            later[keyword] = value
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = sunpy.map.Map(data, meta, mask=mask)
    except Exception:
        return None
    if isinstance(image, list):
        return None
    image.meta.update(later)
    return image


def random_geometry(rng):
    """Keywords of `_make_magnetogram`, of a Sun that is at least partly in view."""
    size = tuple(int(side) for side in rng.integers(60, 200, 2))
    observer = SkyCoord(*rng.uniform(-80, 80, 2) * u.deg, rng.uniform(0.3, 1.6) * u.au, frame="heliographic_stonyhurst")
    pixels = rng.uniform(0.2, 1.5) * min(size)
    return {
        "size": size,
        "observer": observer,
        "scale": np.degrees(np.arcsin(696e6 / observer.radius.to_value(u.m))) * 3600 / pixels,
        "rotation": float(rng.uniform(-180, 180)),
        "rotation_key": "PC" if rng.random() < 0.5 else "CROTA2",
        "offset": tuple(rng.uniform(-0.3, 0.3, 2) * min(size)),
        "flip": tuple(bool(flip) for flip in rng.random(2) < 0.2),
        "instrument": str(rng.choice(["HMI_SIDE1", "MDI", "GONG", "PHI"])),
    }


def outcome(function, *arguments, **keywords):
    """
    What comes of a call: its result, and None, or None and why it was refused.

    Raises
    ------
    Exception
        What is no documented exception with one sentence.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*arguments, **keywords), None
    except (TypeError, ValueError) as error:
        # An exception of this package's says what must be, in one line that begins with its name for the Map.
        text = str(error)
        if not re.match(r"(the|image \d|there is|\w+ is among|each|aia_maps|all|no )", text) or "\n" in text:
            raise
        return None, text


def check_answer(synthetic, source):
    """Whether an image that was made of a Map can be what it says that it is."""
    known = np.isfinite(synthetic.data)
    assert known.any(), "nothing is known"
    deviation = synthetic.uncertainty.array
    assert (np.isfinite(deviation) == known).all(), "a deviation is missing"
    assert (deviation[known] > 0).all(), "a deviation is not positive"
    assert synthetic.meta["validity"] == "no known objection" or synthetic.meta["validity"].startswith("caution: ")
    assert abs(synthetic.date - source.date) < 1 * u.ms, "another time"
    assert synthetic.meta["instrume"] == "AIA_SYNTHETIC"
    ours, theirs = (image.observer_coordinate.cartesian.xyz for image in (synthetic, source))
    assert np.linalg.norm(ours - theirs) < 1 * u.km, "another observer"


def check_place(magnetogram, grid, rng):
    """
    Whether a region that is painted into a Map lands where its header, as sunpy reads it, has it.

    Returns
    -------
    bool
        Whether there was a place to paint it.
    """
    frame = magnetogram.coordinate_frame
    radius = grid.scale(frame) * grid.solar_radius * u.pix
    known = np.argwhere(np.isfinite(np.asarray(magnetogram.data, dtype=float)))
    row, column = known[int(rng.integers(len(known)))]
    place = magnetogram.pixel_to_world(column * u.pix, row * u.pix)
    x, y = (float(axis / radius) for axis in (place.Tx, place.Ty))
    if not np.hypot(x, y) < 0.85:
        return False
    rows, columns = np.indices(magnetogram.data.shape)
    size = max(1.5, 3 * abs(magnetogram.scale[0] ** -1 * grid.scale(frame)).to_value(u.one))
    region = 3000 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 2 / size**2) * u.G.to(magnetogram.unit)
    painted = sunpy.map.Map(region - 1e-3, magnetogram.meta)
    values = prepare(painted, grid).values
    if not values.max() > 300:
        return False
    found = np.unravel_index(np.argmax(values), values.shape)
    expected = np.array([y, x]) * grid.solar_radius + grid.center[::-1]
    coarse = magnetogram.scale[0].to_value(u.arcsec / u.pix) / grid.scale(frame).to_value(u.arcsec / u.pix)
    assert np.hypot(*(found - expected)) < 2 + 1.5 * abs(coarse), f"{found} instead of {expected}"
    return True


def attack_generate(rng, model):
    """
    One Map, and `generate` with it.

    Returns
    -------
    str
        "no map" if sunpy made none of it, "refused", "used", or "used, and in place".

    Raises
    ------
    Exception
        If it is neither used nor refused as it should.
    """
    magnetogram = attack(rng, random_magnetogram)
    if magnetogram is None:
        return "no map"
    synthetic, refusal = outcome(mag2euv.generate, magnetogram, 193, model=model)
    if refusal is not None:
        return "refused"
    source = in_known_time(magnetogram)
    check_answer(synthetic, source)
    return "used, and in place" if check_place(source, model.grid, rng) else "used"


def attack_translate(rng, model):
    """One or two images, of which something is wrong with one, as `attack_generate`."""
    images = [attack(rng, random_image)]
    if images[0] is None:
        return "no map"
    if rng.random() < 0.3:
        images.append(make_aia(wavelength=304, size=100, radius=45.0))
    synthetic, refusal = outcome(mag2euv.translate, images, 193, model=model)
    if refusal is not None:
        return "refused"
    check_answer(synthetic, in_known_time(images[0]))
    return "used"


def attack_compare(rng, model=None):
    """A synthetic image and an observation, of which something is wrong with either; scores are numbers or NaN."""
    spoilt, sound = attack(rng, random_image), make_aia(size=128, radius=49.0, wavelength=171)
    if spoilt is None:
        return "no map"
    pair = (spoilt, sound) if rng.random() < 0.5 else (sound, spoilt)
    table, refusal = outcome(mag2euv.compare, *pair)
    if refusal is not None:
        return "refused"
    assert table["pixels"].sum() > 0, "nothing was compared"
    scored = table["pixels"] > 1
    assert np.isfinite(table["rmse"][scored]).all(), "a score is missing"
    assert np.isnan(table["rmse"][table["pixels"] == 0]).all(), "nothing has a score"
    assert table.meta["passband"] == 171
    return "used"


def random_magnetogram(rng):
    """Noise and regions, by an instrument, somewhere, rolled somehow."""
    geometry = random_geometry(rng)
    noise = np.random.default_rng(0).normal(0, 5, geometry["size"])
    x, y = rng.uniform(-0.6, 0.6, 2)
    regions = [(x, y, 0.08, 600.0), (x - 0.15, y, 0.08, -600.0)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        magnetogram = _make_magnetogram(regions, **geometry)
        return sunpy.map.Map(magnetogram.data + noise, magnetogram.meta)


def random_image(rng):
    """An image in 171, somehow rolled."""
    return make_aia(
        size=tuple(int(side) for side in rng.integers(60, 160, 2)),
        radius=float(rng.uniform(20, 90)),
        roll=float(rng.uniform(-180, 180)),
        center=tuple(float(shift) for shift in rng.uniform(-20, 20, 2)),
        unit=(None, "DN", "DN / s", "ct")[int(rng.integers(4))],
        wavelength=171,
    )


#: What is attacked.
VERBS = {"generate": attack_generate, "translate": attack_translate, "compare": attack_compare}
