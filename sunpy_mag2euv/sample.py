"""
A made-up full-disk magnetogram, AIA images to match, and a chart, so that demo, tests and gallery need no file and no
network.

All flux is a cloud of points on the sphere, each of about 5e17 Mx: a spot is a dense disk of them, plage and network
are clusters near the edges of supergranules. The cloud is painted onto pixels of any size, so foreshortening at the
limb and the loss of network flux in coarse pixels come out by themselves.
"""

import operator
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from scipy.spatial import KDTree

import sunpy.map
from sunpy.map import GenericMap
from sunpy.map.sources import AIAMap, HMIMap

__all__ = ["sample_aia_maps", "sample_chart", "sample_magnetogram"]

# The observer is the Earth's centre at 2014-01-15T00:00 UTC, as `sunpy.coordinates.get_earth` has it.
_B0, _L0, _DISTANCE = -4.53681844, 5.0461202, 147145789882.42  # degrees, degrees, metres
_RADIUS = 696.0e6  # metres, RSUN_REF of all HMI headers
_MM = 1e6 / _RADIUS  # one megametre in solar radii
_CM2 = (_RADIUS * 100) ** 2  # one squared solar radius in cm²

_CROTA2 = 179.93  # degrees: HMI's cameras see the Sun upside down
_OFFSET = (0.61, -0.43)  # arcsec from the middle of the array to the Sun's centre
_BLUR = 0.7  # arcsec, standard deviation: the instrument's, and the size of flux elements
_NOISE = 6.4  # gauss in a pixel of 0.504 arcsec, hmi.M_720s (Liu et al. 2012, doi:10.1007/s11207-012-9976-x)

_ELEMENT = 5e17  # Mx of one point
_CELL = 30 * _MM  # diameter of a supergranule
_WEAK = 3  # gauss, standard deviation of what is smoothed to a chart's half degree, but for the shape
_GOLDEN = np.pi * (1 + 5**0.5)  # steps by this angle are spread evenly


def sample_magnetogram(seed: int = 0, *, size: int = 1024) -> HMIMap:
    """
    Make up a line-of-sight magnetogram of an active Sun, as HMI would see it.

    Active regions follow the laws of Hale and Joy; around them are decayed regions, the supergranular network, coronal
    holes and polar fields, with HMI's noise, field of view, roll and header. Everything but the noise is the same for
    every ``size``.

    Parameters
    ----------
    seed : int, optional
        Another seed, another Sun.
    size : int, optional
        Pixels a side, at least 64; HMI has 4096.

    Returns
    -------
    `~sunpy.map.sources.HMIMap`
        In gauss, NaN off the limb. ``INSTRUME``, ``ORIGIN`` and ``HISTORY`` say that it is not an observation.

    Raises
    ------
    ValueError
        If ``size`` is not an integer of at least 64.

    Examples
    --------
    >>> from sunpy_mag2euv.sample import sample_magnetogram
    >>> magnetogram = sample_magnetogram(size=128)
    >>> magnetogram.unit, magnetogram.meta["instrume"]
    (Unit("G"), 'HMI_SYNTHETIC')
    """
    try:
        valid = operator.index(size) >= 64
    except TypeError:
        valid = False
    if not valid:
        raise ValueError(f"the size of a sample magnetogram must be an integer of at least 64 pixels; got {size!r}")

    rng = np.random.default_rng(seed)
    regions = _regions(rng)
    cells = _Supergranules(rng)
    internetwork, network = _quiet_sun(rng, cells)
    clouds = [network, *(cloud for region in regions for cloud in _bipole(rng, region, cells))]
    points, fluxes = (np.concatenate(parts) for parts in zip(*clouds, strict=True))

    scale = 0.504 * 4096 / size
    field = _paint(points, fluxes, size, scale, blur=_BLUR, fading=1)
    # Towards the limb, the horizontal fields of the internetwork make up for foreshortening.
    points, fluxes = internetwork
    field += _paint(points, fluxes, size, scale, blur=1.5, fading=-0.8)
    # Noise of neighbouring pixels is correlated, so that averaging reduces it less than by the root of their number.
    field += _NOISE * (size / 4096) ** 0.7 * rng.normal(size=field.shape)
    return sunpy.map.Map(field.astype(np.float32), _header(seed, size, scale))


def sample_aia_maps(passbands: Iterable[Any], seed: int = 0) -> list[AIAMap]:
    """
    Make up AIA images of the Sun that `sample_magnetogram` shows, in the form of level 1.5 observations.

    They are what the packaged weights make of that magnetogram, so they are smoother than the Sun, and what is found
    out about them says nothing about the Sun.

    Parameters
    ----------
    passbands : sequence
        As `~sunpy_mag2euv.generate` takes them.
    seed : int, optional
        Another seed, another Sun.

    Returns
    -------
    list of `~sunpy.map.sources.AIAMap`
        In DN/s, 1024 pixels a side, at the epoch of AIA's sensitivity that the weights learnt from. ``INSTRUME`` and
        ``HISTORY`` say that they are not observations.

    Examples
    --------
    >>> from sunpy_mag2euv.sample import sample_aia_maps
    >>> (image,) = sample_aia_maps([171])
    >>> image.wavelength, image.processing_level, image.meta["instrume"]
    (<Quantity 171. Angstrom>, 1.5, 'AIA_SAMPLE')
    """
    # Imported here, since generating needs much that making magnetograms up does not.
    from sunpy_mag2euv.aia import View, make_map
    from sunpy_mag2euv.inference import resolve_device, resolve_model, resolve_passbands
    from sunpy_mag2euv.models import FieldModel
    from sunpy_mag2euv.preparation import prepare
    from sunpy_mag2euv.validity import assess

    # As `generate` does, but for what there is to say against synthetic images, which these do not pretend to be.
    model, magnetogram = resolve_model(None, FieldModel), sample_magnetogram(seed)
    passbands = resolve_passbands(passbands, model)
    field = prepare(magnetogram, model.grid)
    images, _ = model.outputs(model.run(field.values, resolve_device()))
    images[:, ~(field.known & model.valid)] = np.nan
    maps = []
    for passband, report in assess(field, model, passbands).items():
        image = images[model.passbands.index(passband)]
        synthetic = make_map(image, None, model.grid, passband, View.of([magnetogram]), model, report)
        header = {key: value for key, value in synthetic.meta.items() if key not in report.header()}
        maps.append(sunpy.map.Map(image.value, header | {"instrume": "AIA_SAMPLE", "lvl_num": 1.5, **_marks(seed)}))
    return maps


def sample_chart(seed: int = 0) -> GenericMap:
    """
    Make up a chart of the radial field of an active Sun, as HMI's small charts of a rotation are.

    Some three dozen bipolar regions, young and decayed, which follow the laws of Hale and Joy, on weak fields of both
    signs and those of the poles. It is another Sun than that of `sample_magnetogram`, and a simpler one.

    Parameters
    ----------
    seed : int, optional
        Another seed, another Sun.

    Returns
    -------
    `~sunpy.map.GenericMap`
        In gauss, 360 rows of equal steps in the sine of latitude by 720 columns of half a degree of longitude.
        ``INSTRUME``, ``ORIGIN`` and ``HISTORY`` say that it is not an observation.

    Examples
    --------
    >>> from sunpy_mag2euv.sample import sample_chart
    >>> chart = sample_chart()
    >>> chart.data.shape, chart.unit, chart.meta["instrume"]
    ((360, 720), Unit("G"), 'HMI_SYNTHETIC')
    """
    rng = np.random.default_rng(seed)
    rows, columns = 360, 720
    longitudes = np.radians((np.arange(columns) + 0.5) * 360 / columns)
    sines = (np.arange(rows) + 0.5) / rows * 2 - 1
    places = _sphere(longitudes, np.arcsin(sines)[:, None])

    weak = gaussian_filter(rng.normal(size=(rows, columns)), 1, mode=("nearest", "wrap"))
    field = _WEAK * np.sign(weak) * np.abs(weak / weak.std()) ** 1.5
    # As in `_quiet_sun`, the poles have reversed.
    field += 4 * np.sign(sines[:, None]) * np.abs(sines[:, None]) ** 8
    # Regions of this side and of the other.
    for region in _regions(rng) + [replace(region, longitude=region.longitude + np.pi) for region in _regions(rng)]:
        width = 0.3 * region.extent
        for side in (1, -1):
            center = region.locate(side * region.extent / 2, 0)
            shape = np.exp(-(1 - places @ np.ravel(center)) / width**2)
            field += side * region.leading_sign * region.flux / (2 * np.pi * width**2 * _CM2) * shape
    return sunpy.map.Map(field.astype(np.float32), _chart_header(seed, rows, columns))


@dataclass(frozen=True)
class _Region:
    """
    A bipolar region of cycle 24.

    Attributes
    ----------
    latitude, longitude : float
        Stonyhurst, radians.
    flux : float
        Mx in each polarity.
    extent : float
        Distance between the polarities, in solar radii.
    young : bool
        With spots and dense plage, or decayed to enhanced network.
    """

    latitude: float
    longitude: float
    flux: float
    extent: float
    young: bool

    @property
    def leading_sign(self) -> float:
        """Hale's law: in cycle 24, −1 in the north and 1 in the south (Hale et al. 1919, doi:10.1086/142452)."""
        return -np.sign(self.latitude)

    @property
    def tilt(self) -> float:
        """
        Joy's law, radians: the leading polarity lies nearer to the equator, further south where this is positive.

        Wang & Sheeley 1991, ApJ 375, 761.
        """
        return np.arcsin(0.5 * np.sin(self.latitude))

    def locate(self, along: Any, across: Any) -> npt.NDArray:
        """Unit vectors at some solar radii from the centre, along the axis to the leading polarity and across."""
        west = along * np.cos(self.tilt) + across * np.sin(self.tilt)
        north = across * np.cos(self.tilt) - along * np.sin(self.tilt)
        center = _sphere(self.longitude, self.latitude)
        to_west, to_north = _sphere(self.longitude + np.pi / 2, 0), _sphere(self.longitude, self.latitude + np.pi / 2)
        return _unit(center + np.multiply.outer(west, to_west) + np.multiply.outer(north, to_north))


def _regions(rng: np.random.Generator) -> list[_Region]:
    """Draw active regions in both activity belts, from limb to limb, and decayed ones around and poleward of them."""
    regions = []
    for young, number, latitudes, fluxes, degrees in (
        (True, rng.integers(8, 13), (8, 28), (1e21, 1.5e22), 5.5),
        (False, rng.integers(6, 10), (14, 38), (4e21, 1.2e22), 12),
    ):
        longitudes = np.radians(np.linspace(-80, 80, number) + rng.uniform(-6, 6, number))
        latitudes = np.radians(rng.permutation(np.resize([-1, 1], number)) * rng.uniform(*latitudes, number))
        fluxes = np.exp(rng.uniform(*np.log(fluxes), int(number)))  # type: ignore[call-overload]
        extents = np.radians(degrees) * (fluxes / 4e21) ** 0.4
        regions += [_Region(*place, young) for place in zip(latitudes, longitudes, fluxes, extents, strict=True)]
    return regions


class _Supergranules:
    """Cells of about 30 Mm, whose edges attract flux."""

    def __init__(self, rng: np.random.Generator) -> None:
        # A Fibonacci lattice, jittered; the ripples bend the otherwise straight edges.
        index = np.arange(round(16 / _CELL**2))
        lattice = _sphere(_GOLDEN * index, np.arcsin(1 - (2 * index + 1) / len(index)))
        self.centers = KDTree(_unit(lattice + 0.25 * _CELL * rng.normal(size=lattice.shape)))
        self.waves = _unit(rng.normal(size=(16, 3))) * 2 * np.pi / (rng.uniform(5, 30, (16, 1)) * _MM)
        self.ripples = 0.8 * _MM * rng.normal(size=(16, 3))

    def attract(self, points: npt.NDArray, strength: float) -> npt.NDArray:
        """Move points towards the nearest edge, by a part ``strength`` of the way."""
        _, nearest = self.centers.query(points, k=2)
        first, second = self.centers.data[nearest[:, 0]], self.centers.data[nearest[:, 1]]
        normal = _unit(second - first)
        distance = np.sum((points - (first + second) / 2) * normal, axis=1, keepdims=True)
        return _unit(points - strength * distance * normal + np.sin(points @ self.waves.T) @ self.ripples)


def _break_up(
    rng: np.random.Generator, positions: npt.NDArray, fluxes: npt.NDArray, cells: _Supergranules, strength: float
) -> tuple[npt.NDArray, npt.NDArray]:
    """Turn flux clusters into points near the edges of supergranules."""
    number = np.ceil(np.abs(fluxes) / _ELEMENT).astype(int)
    points = np.repeat(positions, number, axis=0)
    radius = 0.3 * _MM * np.sqrt(np.repeat(number, number))
    points = cells.attract(points + radius[:, None] * rng.normal(size=points.shape), strength)
    return _unit(points + 0.5 * _MM * rng.normal(size=points.shape)), np.repeat(fluxes / number, number)


def _bipole(rng: np.random.Generator, region: _Region, cells: _Supergranules) -> list[tuple]:
    """Points of one region, cloud by cloud; its two polarities cancel exactly."""
    # For each polarity: its side, the part of its flux in every spot, and its width.
    if region.young:
        mean_flux, strength, polarities = 2e19, 0.55, ((1, (0.3,), 0.25), (-1, (0.06, 0.04, 0.03), 0.35))
    else:
        mean_flux, strength, polarities = 8e18, 1, ((1, (), 0.4), (-1, (), 0.4))
    clouds = []
    for side, shares, width in polarities:
        # A few clumps rather than one round heap, one of them in the middle of the leading polarity.
        clumps = [side * region.extent / 2, 0] + width * region.extent * rng.normal(size=(7, 2))
        if side > 0:
            clumps[0] = region.extent / 2, 0
        sign, rest = side * region.leading_sign, (1 - sum(shares)) * region.flux
        fluxes = rng.lognormal(0, 1, round(rest / mean_flux))
        fluxes *= sign * rest / fluxes.sum()
        scatter = width / 2 * region.extent * rng.standard_t(4, (len(fluxes), 2))
        places = clumps[rng.integers(len(clumps), size=len(fluxes))] + scatter
        points, fluxes = _break_up(rng, region.locate(*places.T), fluxes, cells, strength)
        for place, share in zip(clumps, shares, strict=False):
            radius, spot, spot_fluxes = _spot(rng, region, place, share * region.flux)
            clouds.append((spot, sign * spot_fluxes))
            # Plage makes room: an area-preserving map that opens a hole for the spot.
            away = points - region.locate(*place)
            points = _unit(points - away + away * np.sqrt(1 + radius**2 / np.sum(away**2, axis=1, keepdims=True)))
        clouds.append((points, fluxes))
    return clouds


def _spot(rng: np.random.Generator, region: _Region, place: Any, flux: float) -> tuple:
    """Radius (solar radii) and points of a spot that has 2 kG in its middle and a third of that at its rim."""
    index = np.arange(round(flux / _ELEMENT))
    share = (index + 0.5) / len(index)
    angle = _GOLDEN * index
    radius = np.sqrt(flux / (1300 * np.pi * _CM2))
    shape = 1 + 0.12 * np.cos(2 * angle + rng.uniform(0, 7)) + 0.06 * np.cos(3 * angle + rng.uniform(0, 7))
    reach = radius * np.sqrt(share) * shape
    weight = 1 - 0.65 * share
    points = region.locate(place[0] + reach * np.cos(angle), place[1] + reach * np.sin(angle))
    return radius, points, flux * weight / weight.sum()


def _quiet_sun(rng: np.random.Generator, cells: _Supergranules) -> tuple:
    """Points of the internetwork, inside the cells, and of the network, near their edges."""
    # Number of clusters by flux: Parnell et al. 2009, doi:10.1088/0004-637X/698/1/75; a bit more than the near side.
    index, smallest, largest, edge = 0.85, 1e17, 3e19, -0.1
    number = round(2 * np.pi * (1 - edge) * _CM2 * 3.6e-17 / index * (smallest / 1e16) ** -index)
    fluxes = smallest * rng.uniform((largest / smallest) ** -index, 1, number) ** (-1 / index)
    positions = _sphere(rng.uniform(0, 2 * np.pi, number), np.arcsin(rng.uniform(edge, 1, number)))[:, [2, 0, 1]]
    signs = rng.uniform(-1, 1, number)
    weak = fluxes < 2.5e18
    internetwork = positions[weak], fluxes[weak] * np.sign(signs[weak])

    # The network has both signs too, but for the poles and coronal holes, and a lesser imbalance elsewhere. In 2014 the
    # polar fields had just reversed: they and the holes have the following polarity of their hemisphere.
    holes = _sphere(*np.radians(rng.uniform([-60, 25], [60, 50], (4, 2)) * np.tile([[1, 1], [1, -1]], (2, 1))).T)
    patches = _unit(rng.normal(size=(80, 3)))
    centers = np.concatenate([[[0, 0, 1], [0, 0, -1]], holes, patches])
    imbalance = np.concatenate([np.sign(centers[:6, 2]), rng.uniform(-0.6, 0.6, len(patches))])
    radius = np.radians(np.repeat([22, 12, 7], [2, 4, len(patches)]))
    positions, fluxes, signs = positions[~weak], fluxes[~weak], signs[~weak]
    excess = np.exp((positions @ centers.T - 1) / radius**2) @ imbalance
    return internetwork, _break_up(rng, positions, np.where(signs < excess, fluxes, -fluxes), cells, 1)


def _sphere(longitude: Any, latitude: Any) -> npt.NDArray:
    """Unit vectors in Stonyhurst's frame: x to the central meridian, y to the west, z to the north."""
    x, y, z = np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)
    return np.stack(np.broadcast_arrays(x, y, z), axis=-1)


def _unit(vectors: npt.NDArray) -> npt.NDArray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _paint(points: npt.NDArray, fluxes: npt.NDArray, size: int, scale: float, *, blur: Any, fading: Any) -> npt.NDArray:
    """Gauss on HMI's pixels of flux points whose strength goes as µ to the power ``fading``; NaN off the limb."""
    x, west, z = points.T
    sin_b0, cos_b0 = np.sin(np.radians(_B0)), np.cos(np.radians(_B0))
    north, toward = z * cos_b0 - x * sin_b0, x * cos_b0 + z * sin_b0
    distance = _DISTANCE / _RADIUS
    near = toward > 1 / distance
    west, north, toward, fluxes = west[near], north[near], toward[near], fluxes[near]

    # HPLN-TAN and HPLT-TAN: plane coordinates are tangents, and CROTA2 turns them into pixels.
    pixel = np.radians(scale / 3600)
    plane_x, plane_y = west / (distance - toward) / pixel, north / (distance - toward) / pixel
    center_x, center_y = (size - 1) / 2 + np.array(_OFFSET) / scale
    sin, cos = np.sin(np.radians(_CROTA2)), np.cos(np.radians(_CROTA2))
    columns = np.rint(center_x + cos * plane_x + sin * plane_y).astype(int)
    rows = np.rint(center_y - sin * plane_x + cos * plane_y).astype(int)

    mu = (toward * distance - 1) / np.sqrt(distance**2 - 2 * toward * distance + 1)
    area = ((distance - toward) * pixel) ** 2 * _CM2 / mu  # of the Sun's surface in a pixel
    field = np.bincount(rows * size + columns, fluxes * mu**fading / area, size**2).reshape(size, size)
    field = gaussian_filter(field, blur / scale)

    rows, columns = np.ogrid[:size, :size]
    off_limb = np.hypot(columns - center_x, rows - center_y) * pixel > 1 / np.sqrt(distance**2 - 1)
    field[off_limb] = np.nan
    return field


def _marks(seed: int) -> dict[str, Any]:
    """What says that this is no observation."""
    return {
        "origin": "made up by sunpy_mag2euv.sample",
        "history": f"made up by sunpy_mag2euv.sample, seed {seed}: not an observation",
    }


def _header(seed: int, size: int, scale: float) -> dict[str, Any]:
    """HMI's keywords, and what says that this is no observation."""
    return {
        "telescop": "SDO/HMI",
        "instrume": "HMI_SYNTHETIC",
        **_marks(seed),
        "content": "MAGNETOGRAM",
        "bunit": "Gauss",
        "wavelnth": 6173.0,
        "waveunit": "Angstrom",
        "quality": 0,
        "date-obs": "2014-01-15T00:00:00.00",  # UTC
        "t_obs": "2014.01.15_00:00:35_TAI",  # the same instant
        "wcsname": "Helioprojective-cartesian",
        "ctype1": "HPLN-TAN",
        "ctype2": "HPLT-TAN",
        "cunit1": "arcsec",
        "cunit2": "arcsec",
        "crval1": 0.0,
        "crval2": 0.0,
        "crpix1": (size + 1) / 2 + _OFFSET[0] / scale,
        "crpix2": (size + 1) / 2 + _OFFSET[1] / scale,
        "cdelt1": scale,
        "cdelt2": scale,
        "crota2": _CROTA2,
        "rsun_ref": _RADIUS,
        "rsun_obs": np.degrees(np.arcsin(_RADIUS / _DISTANCE)) * 3600,
        "dsun_obs": _DISTANCE,
        "hgln_obs": 0.0,
        "hglt_obs": _B0,
        "crln_obs": _L0,
        "crlt_obs": _B0,
        "car_rot": 2145,
    }


def _chart_header(seed: int, rows: int, columns: int) -> dict[str, Any]:
    """Keywords of HMI's charts, but for what is wrong in them, and what says that this is no observation."""
    return {
        "telescop": "SDO/HMI",
        "instrume": "HMI_SYNTHETIC",
        **_marks(seed),
        "content": "Carrington synoptic chart of Br",
        "bunit": "G",
        "wavelnth": 6173.0,
        "waveunit": "Angstrom",
        "date-obs": "2014-01-01T17:09:05",  # the middle of the rotation
        "car_rot": 2145,
        "ctype1": "CRLN-CEA",
        "ctype2": "CRLT-CEA",
        "cunit1": "deg",
        "cunit2": "deg",
        "crval1": 180.0,
        "crval2": 0.0,
        "crpix1": (columns + 1) / 2,
        "crpix2": (rows + 1) / 2,
        "cdelt1": 360 / columns,
        "cdelt2": np.degrees(2 / rows),
        "rsun_ref": _RADIUS,
        "hgln_obs": 0.0,
        "hglt_obs": -3.09,
        "dsun_obs": 147096e6,
    }
