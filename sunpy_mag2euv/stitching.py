"""
Stitching: a chart of the radial field → a chart of the whole Sun in AIA's passbands.

A network shows what one observer sees of one side. Here many look, from all around and from above both poles, and each
place is a mean of what is seen from above it, with weights that change smoothly from one to the next. So there are no
seams, and nothing is seen from the side.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.time import Time
from sunpy.coordinates import HeliographicCarrington, get_earth
from sunpy.map import GenericMap
from sunpy.map.header_helper import make_fitswcs_header
from sunpy.util import MetaDict

from sunpy_mag2euv.aia import View, make_map
from sunpy_mag2euv.charts import Chart, chart_of
from sunpy_mag2euv.inference import answers, is_single, resolve_device, resolve_model, resolve_passbands, say
from sunpy_mag2euv.maps import solar_radius
from sunpy_mag2euv.models import DEFAULT_CHART_MODEL, FieldModel
from sunpy_mag2euv.passbands import Passband, PassbandLike
from sunpy_mag2euv.synthesis import look
from sunpy_mag2euv.validity import Validity
from sunpy_mag2euv.vantage import MUCH_UNSEEN, locate, resolve_observer, view_of

if TYPE_CHECKING:
    import torch

__all__ = ["generate_chart"]

#: Rows and columns. Half a degree at the equator, somewhat less than the pixels of the model that charts go with.
_SHAPE = (360, 720)

#: In degrees, how far observers around the equator are apart.
_APART = 15

#: How much a view from above a pole counts, of which there are as many as around the equator: all of them at each pole
#: as much as four. With more, they would count where the equator's see better; with fewer views, images would depend on
#: where longitude 0 is.
_ABOVE = 4 / (360 / _APART)

#: By this power of the cosine of the angle from the vertical a view has weight: half of it at 33 degrees, and less than
#: a hundredth from 72 degrees on, where pixels cover much of the surface.
_POWER = 4

#: Projections begin half a turn from their reference point. The first and the last column end just inside of that, so
#: that who plots them in other coordinates does not find an edge of theirs at the other end.
_INSIDE = 1 - 1e-7


@dataclass(frozen=True)
class _Cylinder:
    """Pixels of equal area around the Sun, with the methods of a `~sunpy_mag2euv.grid.Grid` that headers need."""

    shape: tuple[int, int]

    @property
    def longitudes(self) -> npt.NDArray:
        """Of the columns' middles in degrees."""
        return (np.arange(self.shape[1]) + 0.5) * 360 / self.shape[1]

    @property
    def latitudes(self) -> npt.NDArray:
        """Of the rows' middles in degrees."""
        return np.degrees(np.arcsin((np.arange(self.shape[0]) + 0.5) / self.shape[0] * 2 - 1))

    def header(self, frame: Any, **kwargs: Any) -> MetaDict:
        """World coordinates in an observer's Carrington ``frame``."""
        rows, columns = self.shape
        return make_fitswcs_header(
            self.shape,
            SkyCoord(180 * u.deg, 0 * u.deg, frame=frame),
            reference_pixel=[(columns - 1) / 2, (rows - 1) / 2] * u.pix,
            scale=[360 / columns * _INSIDE, np.degrees(2 / rows)] * u.deg / u.pix,
            projection_code="CEA",
            **kwargs,
        )


@dataclass(frozen=True, kw_only=True)
class _ChartValidity(Validity):
    """What there is to say against any of the views, each of which has a report, and the share of the Sun not seen."""

    views: list[Validity]
    unseen: float

    def _findings(self) -> dict[str, str | None]:
        findings: dict[str, str | None] = {}
        for view in self.views:
            findings = view._findings() | findings
        # Of each view as a part of the disk, here of the Sun.
        findings.pop("unseen pole", None)
        if self.unseen > MUCH_UNSEEN:
            findings["unseen pole"] = (
                f"{self.unseen:.1%} of the Sun are poles that were turned away while the chart was made: what is "
                "beside them is in their place, mirrored"
            )
        return findings | super()._findings()


def generate_chart(
    chart: GenericMap,
    passband: PassbandLike | Sequence[PassbandLike],
    *,
    model: str | os.PathLike | FieldModel | None = None,
    device: "str | torch.device | None" = None,
) -> GenericMap | list[GenericMap]:
    """
    Generate a chart of the whole Sun as AIA would show it.

    Parameters
    ----------
    chart : `~sunpy.map.GenericMap`
        Of the radial field, as `~sunpy_mag2euv.read_chart` reads it.
    passband : int, str, `~astropy.units.Quantity` or sequence of these
    model, device : optional
        All as `~sunpy_mag2euv.generate` takes them.

    Returns
    -------
    `~sunpy.map.sources.AIAMap`, or list of them for a sequence of passbands
        In DN/s, in Carrington coordinates, 360 rows of equal steps in the sine of latitude by 720 columns, which begin
        at longitude 0. NaN where nobody has seen the field. Its time is that of the chart; each place is shown with the
        field that the chart has of it, which was observed up to half a rotation before or after, and the standard
        deviations, if the model gives them, have grown with that age.

    Raises
    ------
    TypeError, ValueError
        As by `~sunpy_mag2euv.generate`.

    Warns
    -----
    SunpyUserWarning
        As by `~sunpy_mag2euv.generate`, each sentence once.

    Notes
    -----
    Twenty-four observers around the equator, 15 degrees apart, and twenty-four above each pole, with another meridian
    up each, look from 1 au; the weight of a view is the fourth power of the cosine of the angle between the vertical
    and the line of sight, and from above a pole a sixth of that. Standard deviations are averaged as the images are,
    since all views err alike. Light is taken to come from the surface, so that loops that are high above it lie flat.

    Examples
    --------
    >>> import sunpy_mag2euv as mag2euv
    >>> from sunpy_mag2euv.sample import sample_chart
    >>> synthetic = mag2euv.generate_chart(sample_chart(), 193)
    >>> synthetic.data.shape, synthetic.wavelength, synthetic.coordinate_system.axis1
    ((360, 720), <Quantity 193. Angstrom>, 'CRLN-CEA')
    """
    model = resolve_model(DEFAULT_CHART_MODEL if model is None else model, FieldModel)
    # What is_single tells apart, mypy does not know.
    passbands = resolve_passbands([passband] if is_single(passband) else passband, model)  # type: ignore[arg-type]
    device = resolve_device(device)
    field_of = chart_of(chart)
    cylinder, places = _Cylinder(_SHAPE), _observers(field_of.time)
    images, deviations, reports = _stitch(field_of, places, cylinder, passbands, model, device)
    say(model, reports, set())
    view = _view(field_of, places[0], solar_radius(chart))
    maps = [
        make_map(image, deviation, cylinder, passband, view, model, reports[passband])  # type: ignore[arg-type]
        for passband, image, deviation in zip(passbands, images, deviations, strict=True)
    ]
    return maps[0] if is_single(passband) else maps


def _observers(time: Time, first: float = 0.0) -> list[SkyCoord]:
    """Places around the equator, from a longitude in degrees on, and above the poles."""
    around = [(first + longitude, 0) for longitude in range(0, 360, _APART)]
    frame = HeliographicCarrington(observer="self", obstime=time)
    # Above a pole, no direction is up.
    above = [(first + longitude, latitude) for latitude in (90, -90) for longitude in range(0, 360, _APART)]
    return [
        resolve_observer(SkyCoord(longitude * u.deg, latitude * u.deg, 1 * u.au, frame=frame))
        for longitude, latitude in around + above
    ]


def _stitch(
    chart: Chart,
    places: Sequence[SkyCoord],
    cylinder: _Cylinder,
    passbands: Sequence[Passband],
    model: FieldModel,
    device: Any,
) -> tuple[list, list, dict[Passband, _ChartValidity]]:
    """
    Weighted means of views.

    Returns
    -------
    images, deviations : list of `~astropy.units.Quantity`
        For every passband, of the cylinder's shape; the deviations may be None.
    reports : dict
        For every passband its `_ChartValidity`.
    """
    longitudes, latitudes = cylinder.longitudes, cylinder.latitudes[:, None]
    shape = (2, len(passbands), *cylinder.shape)
    sums, weights = np.zeros(shape, np.float32), np.zeros(cylinder.shape, np.float32)
    views, certain = [], True
    for place in places:
        field_of, reports, factors = look(chart, place, passbands, model)
        views.append(reports)
        (planes,) = answers(model, [field_of], device)
        certain = planes[1] is None
        row, column, cosine = locate(place, model.grid, longitudes, latitudes)
        weight = np.maximum(cosine, 0) ** _POWER * (_ABOVE if abs(place.lat.deg) > 45 else 1)
        seen = np.nonzero(weight)
        at, known = (row[seen], column[seen]), None
        for number, passband in enumerate(passbands):
            index = model.passbands.index(passband)
            for sum_, plane, factor in zip(sums, planes, (1, factors[passband]), strict=True):
                if plane is None:
                    continue
                values = map_coordinates(plane[index].value * factor, at, order=1)
                # What is unknown is so in all planes.
                known = np.isfinite(values) if known is None else known
                sum_[number][seen] += np.where(known, values, 0) * weight[seen]
        weights[seen] += weight[seen] * known
    with np.errstate(invalid="ignore", divide="ignore"):
        images, deviations = np.where(weights > 0, sums / weights, np.nan) * u.DN / u.s
    reports = {
        passband: _ChartValidity(
            training_images=reports[passband].training_images,
            caveat=reports[passband].caveat,
            views=[view[passband] for view in views],
            unseen=chart.filled_share,
        )
        for passband in passbands
    }
    return list(images), [None] * len(passbands) if certain else list(deviations), reports


def _view(chart: Chart, place: SkyCoord, solar_radius: u.Quantity) -> View:
    """What headers say of many views."""
    one = view_of(chart, place, solar_radius)
    frame = HeliographicCarrington(observer=get_earth(chart.time), obstime=chart.time, rsun=solar_radius)
    what, _, age = one.sources
    seen = f"seen by: made-up observers around the Sun, {_APART} deg apart, and above its poles; stitched"
    return type(one)(
        frame=frame,
        date=chart.time,
        reference_date=chart.time,
        origin=one.origin.removesuffix(" as a made-up observer would see it"),
        sources=(what, seen, age),
        telescope=one.telescope,
    )
