"""
Charts: files of the whole Sun's radial field → Maps with sound headers → the field by longitude and latitude.

Archives ship charts with headers that contradict the standard, each other and themselves. What is known to be wrong
with them is put right here, one by one, and said; whatever else is wrong is refused, since a chart that is shifted or
stretched is as plausible as one that is not.
"""

import functools
import math
import numbers
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter

import astropy.units as u
import sunpy.map
from astropy.io import fits
from astropy.time import Time
from sunpy.coordinates import get_earth, sun
from sunpy.map import GenericMap
from sunpy.map.sources import GONGSynopticMap, MDISynopticMap
from sunpy.sun import constants
from sunpy.time import is_time, parse_time
from sunpy.util.exceptions import warn_user

from sunpy_mag2euv.aia import is_aia
from sunpy_mag2euv.headers import SOLAR_RADIUS, describe, readable_unit
from sunpy_mag2euv.maps import brief, check_map, check_pixels, in_known_time, known_pixels, shown
from sunpy_mag2euv.preparation import MAGNETOGRAPHS

__all__ = ["Chart", "chart_of", "is_chart", "read_chart"]

#: How archives write the unit of an axis of sine latitude, as which sunpy reads some of them and not others: HMI's and
#: MDI's charts, and HMI's daily frames. The steps are then of the sine, where the standard wants degrees of a cylinder
#: (Thompson 2006, section 5.5, doi:10.1051/0004-6361:20054262).
_SINES = ("sine latitude", "sin(deg)", "sin(latitude)")

#: How they write degrees; the last is in charts of 2013 and 2014.
_DEGREES = ("deg", "degree", "degrees", "degreedegree")

#: Sources whose steps of latitude sunpy takes for those of the sine whatever their unit is, MDI's and GONG's, so that
#: degrees would be wrong there.
_STEPS_OF_SINE = (GONGSynopticMap, MDISynopticMap)

#: JSOC's small charts are averages over 5 columns by 4 rows of the large ones, but until 2017 the step of latitude in
#: their headers was multiplied by 5 as well (jsoc.stanford.edu/jsocwiki/SynopticMaps).
_WRONG_STEP = 5 / 4

#: Longitudes beyond this are Carrington times, which count degrees of all rotations, against longitude.
_CARRINGTON_TIME = 1000

#: Keywords with the time of a chart, in the order in which they are asked, and JSOC's way to say that there is none.
#: ``MAPTIME`` is that of ADAPT; GONG's has no date.
_TIMES = ("T_OBS", "T_ROT", "T_REC", "MAPTIME")
_NO_TIME = "-4712"

#: What files without ``TIMESYS`` are in, and what some call it.
_UTC = ("", "none", "ut", "gmt", "z")

#: Words for charts of one rotation, which end where they begin, and for those that are brought up to date.
_OF_ROTATION = re.compile(r"synoptic.?chart|synop(?:tic)?_m|(?<![a-z])m[rl]?synop", re.I)
_UP_TO_DATE = re.compile(r"update|daily|synframe", re.I)

#: By how many rotations a chart's time and its number may differ, and two times of a chart that is brought up to date.
#: That of a rotation is its middle, but some write down its first or last day; and of others the number can be that of
#: the first column, or of the last.
_HALF, _WHOLE, _DAY = 0.55, 1.05, 1 / 27.2753

#: Carrington rotations that can have a chart: the first began in 1853.
_ROTATIONS = range(1, 10000)

#: Units that archives document but leave out of headers.
_UNITS = {"HMI": "G", "MDI": "G", "GONG": "G", "ADAPT": "G"}

#: Words for other components of the field, as archives name files and contents: HMI's and MDI's line-of-sight charts,
#: and those of the vector's components along meridians and parallels. Letters count only as words of their own.
_LINE_OF_SIGHT = re.compile(r"line.of.sight|(?<![a-z])(?:b_?los|los|m_?los|ml|bl|mldailysynframe)(?![a-z])", re.I)
_RADIAL = re.compile(r"radial|(?<![a-z])(?:mr|br|mrdailysynframe|mr(?:zqs|bqs|mqs|nqs)\d*\w*)(?![a-z])", re.I)
_ANOTHER_QUANTITY = re.compile(
    r"strength|inclin|azimuth|transvers|horizontal|continuum|intensity|doppler|velocity|"
    r"(?<![a-z])(?:bmag|btot|bt|bp|btheta|bphi|epts|ic|vlos)(?![a-z])",
    re.I,
)

#: Keywords that say of what a chart is.
_QUANTITY = ("content", "btype", "series")

_NOT_RADIAL = "the chart must be of the radial field; {found}. Use its archive's chart of the radial field (Mr or Br)"

#: In gauss. More is no field, as for magnetograms, see `sunpy_mag2euv.preparation`.
_STRONGEST_FIELD = 6000

#: In degrees. From here to the poles a gap is due to the tilt of the Sun's axis.
_POLAR = 60

#: In degrees: by how much farther from the pole than on the median a gap there may end. The tilt of the axis changes by
#: 3 degrees during a rotation.
_RAGGED = 10

#: Rows beside a polar gap that are mirrored into it: 5° of latitude and more.
_BAND = 5

#: Over this part of the rows, and this part of the way around the Sun, goes the mean that fluctuations are told from.
#: Beside a pole that is a few degrees by ten; over less, the mean has much of the noise itself.
_MEAN_ROWS, _MEAN_COLUMNS = 1 / 40, 1 / 6

#: Cosines below this count as this.
_LEAST_COSINE = 0.01

#: Half the width in degrees of what the day's magnetograms show in charts that are brought up to date with them: HMI's
#: daily frames, by their documentation, and ADAPT's, which takes in the disk to about there.
_SWATH = 60


@dataclass(frozen=True, eq=False, kw_only=True)
class Chart:
    """
    The radial field of the whole Sun, by Carrington longitude and latitude.

    Attributes
    ----------
    values : `~numpy.ndarray`
        Radial field in gauss on HMI's scale, float32, 0 where it is not known. Rows go from south to north, columns to
        larger longitudes.
    known : `~numpy.ndarray`
        Boolean, same shape.
    filled : `~numpy.ndarray`
        Boolean, same shape: the part of ``known`` that nobody has seen, at the poles.
    first_longitude : float
        Carrington longitude of the middle of the first column, in degrees.
    equal_area : bool
        Whether rows have equal steps in the sine of latitude (CEA), or in latitude (CAR).
    time : `~astropy.time.Time`
        That of the chart: of a whole rotation its middle, otherwise that of the last magnetogram in it.
    observed : `~astropy.time.Time`
        When the field of each column was observed: as it passed the central meridian, or, of what the chart's last
        magnetograms show, its ``time``.
    rotation : int or None
        Carrington rotation, if the chart is of one.
    instrument : str
        Such as "HMI".
    content : str
        What it is of, by its header, for people.
    on_hmi_scale : bool
        Whether ``values`` really are on HMI's scale; otherwise the instrument's scale is unknown, and they are as it
        gave them.
    objections : dict
        What there is to say against the chart, a sentence each, by what it is called in a word or two.
    cosine : `~numpy.ndarray` or None
        Of the angle between the vertical and the line of sight from Earth at the central meridian, on the mean of the
        times of observation, 0 where that is not in view, float32. The line-of-sight field was divided by it, and so
        was its noise. Where the chart was filled, that of what is there instead; None if the chart is a model's, or
        nobody knows whose.
    realization : int or None
        Which member of an ensemble it is, if it is one.
    """

    values: np.ndarray
    known: np.ndarray
    filled: np.ndarray
    first_longitude: float
    equal_area: bool
    time: Time
    observed: Time
    rotation: int | None
    instrument: str
    content: str
    on_hmi_scale: bool
    objections: dict[str, str] = field(default_factory=dict)
    cosine: np.ndarray | None = None
    realization: int | None = None

    @property
    def step(self) -> float:
        """Width of the columns in degrees."""
        return 360 / self.values.shape[1]

    @property
    def longitudes(self) -> npt.NDArray:
        """Carrington longitudes of the middles of the columns in degrees, ascending."""
        return self.first_longitude + self.step * np.arange(self.values.shape[1])

    @property
    def latitudes(self) -> npt.NDArray:
        """Latitudes of the middles of the rows in degrees, ascending."""
        return _latitudes(self.values.shape[0], self.equal_area)

    @property
    def filled_share(self) -> float:
        """Part of the Sun's surface that nobody has seen."""
        return _share(self.filled, self.equal_area)

    @functools.cached_property
    def fluctuation(self) -> npt.NDArray:
        """The field less its mean nearby, in which elements count by their ``cosine`` squared, as by their noise."""
        weights = self.known * np.maximum(self.cosine, _LEAST_COSINE) ** 2  # type: ignore[arg-type]
        rows, columns = self.values.shape
        size = max(1, round(rows * _MEAN_ROWS)), max(1, round(columns * _MEAN_COLUMNS))
        around: dict[str, Any] = {"size": size, "mode": ("reflect", "wrap")}
        total = np.maximum(uniform_filter(weights, **around), _LEAST_COSINE**3)
        return self.values - uniform_filter(self.values * weights, **around) / total


def read_chart(path: str | os.PathLike, *, realization: int | None = 0) -> GenericMap:
    """
    Read a chart of the whole Sun's radial field, and put right what is known to be wrong with its archive's headers.

    Parameters
    ----------
    path : path-like
        A FITS file: HMI's or MDI's chart of a rotation (``hmi.Synoptic_Mr…``, ``mdi.synoptic_Mr…``), HMI's daily frame
        (``hmi.mrdailysynframe…``), GONG's (``mrzqs…`` and the like), ADAPT's ensembles, or any whole-Sun chart in
        Carrington coordinates, as CEA or CAR.
    realization : int, optional
        Which member of an ensemble to take, counted from 0.

    Returns
    -------
    `~sunpy.map.GenericMap`
        Whose ``HISTORY`` says what was put right.

    Raises
    ------
    TypeError
        If ``path`` is no path of one file.
    FileNotFoundError
        If there is no such file.
    OSError
        If it cannot be read.
    ValueError
        If it holds no chart of the radial field, or has not that many realizations.

    Notes
    -----
    What is put right, where it occurs:

    - "nan" as text, which is no number, is removed;
    - units of axes such as ``degreedegree``, ``Sine Latitude`` or ``sin(deg)`` become degrees;
    - longitudes that are Carrington times, such as 755460, and so run against the columns, become longitudes;
    - longitudes of the reference point that contradict those of the first and last column (``LON_FRST``,
      ``LON_LAST``) become those;
    - steps of latitude that are rounded, or five quarters of what they should be, and an equator half a row off, become
      those of rows from pole to pole;
    - where the time of observation is missing, it is that of ``T_OBS`` and the like, or the middle of the rotation;
    - where the number of the rotation (``CAR_ROT``) or the time contradicts two others of ``CAR_ROT``, ``DATE-OBS``,
      ``T_OBS``, ``T_ROT``, ``LON_FRST`` and ``CARRTIME``, it becomes what these say; the time of a chart of a rotation
      becomes its middle;
    - where the unit is missing, it is the one that the archive documents;
    - where the header does not say that the field is radial, or that the chart is of a rotation, and the file's name
      does, ``CONTENT`` says so;
    - where the observer is missing, it is Earth, to whose view Carrington longitudes refer;
    - numbers that ADAPT documents as standing for none become NaN.
    """
    if not isinstance(path, (str, os.PathLike)):
        advice = "Call it once for each" if np.iterable(path) else "Give the path of a FITS file"
        if isinstance(path, sunpy.map.GenericMap):
            advice = "What has been read already can be given to generate"
        raise TypeError(f"read_chart must have the path of a file; got {type(path).__name__}. {advice}")
    path = Path(path)
    data, header = _read(path, realization)
    # A name may be anything, so that it counts only where the header says nothing.
    if not any(_component(header.get(key)) for key in _QUANTITY) and _component(path.name) not in (None, "radial"):
        raise ValueError(_NOT_RADIAL.format(found=f"{path.name} is of {_component(path.name)!r}, by its name"))
    meta, repairs = _repaired(header, data.shape, path.name)
    missing = meta.get("missing")
    if isinstance(missing, numbers.Real) and (data == missing).any():
        data = np.where(data == missing, np.nan, data)
        repairs.append(f"{missing:g}, which stands for no number, became NaN")
    if repairs:
        before = str(meta.get("history") or "").strip()
        said = "sunpy_mag2euv put right: " + "; ".join(repairs)
        meta["history"] = f"{before}\n{said}" if before else said
    chart = _map(data, meta)
    _chart_of(chart)
    return chart


def _read(path: Path, realization: Any) -> tuple[npt.NDArray, Any]:
    """Data of two dimensions and the header that belongs to them, from a file."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a directory. Give the path of one chart in it")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}. Charts come from jsoc.stanford.edu and gong.nso.edu")
    if not path.is_file():
        raise OSError(f"{path} is no file with contents of its own. Give the path of a chart's FITS file")
    try:
        with fits.open(path) as units:
            # Headers first: those of scaled integers change as data are read.
            headers = [_readable(unit) for unit in units]
            images = [
                (np.array(unit.data), header)
                for unit, header in zip(units, headers, strict=True)
                if unit.is_image and header["naxis"] in (2, 3)
            ]
    except Exception as error:
        # astropy raises whatever it comes across.
        if "SIMPLE" in str(error):
            raise OSError(f"{path} cannot be read as FITS: it is something else. Give a chart's FITS file") from error
        raise OSError(f"{path} cannot be read as FITS ({brief(error)}). Download it again") from error
    if not images:
        raise ValueError(f"{path.name} must hold a chart, an image of two dimensions; there is none in it")
    data, header = images[0]
    count = len(data) if data.ndim == 3 else 1
    whole = isinstance(realization, numbers.Integral) and not isinstance(realization, bool)
    if not (whole and 0 <= realization < count):
        raise ValueError(
            f"realization must be a whole number from 0 to {count - 1} for {path.name}, which holds {count}; "
            f"got {realization!r}"
        )
    if data.ndim == 3:
        data = data[realization]
        header["naxis"], header["realizat"] = 2, int(realization)
        del header["naxis3"]
    return data.astype(data.dtype.newbyteorder("=")), header


def _readable(unit: Any) -> Any:
    """Header of a part of a file, by keywords in lower case, with what cannot be read as text."""
    unit.verify("silentfix")
    # Data are read as what they stand for.
    without = ("", "COMMENT", "HISTORY", "BSCALE", "BZERO", "BLANK")
    meta = {key.lower(): value for key, value in unit.header.items() if key not in without}
    if "HISTORY" in unit.header:
        meta["history"] = "\n".join(unit.header["HISTORY"])
    return meta


def _map(data: npt.NDArray, meta: Mapping[str, Any]) -> GenericMap:
    """A Map whose coordinates are those of a header in degrees, whatever its source makes of units."""
    try:
        chart = sunpy.map.Map(data, meta)
        if isinstance(chart, _STEPS_OF_SINE) and meta["ctype2"].endswith("CEA"):
            steps = {"cdelt2": math.radians(meta["cdelt2"]), "cunit2": "Sine Latitude"}
            chart = sunpy.map.Map(data, {**meta, **steps})
    except Exception as error:
        # sunpy and astropy raise whatever they come across.
        raise ValueError(
            f"the chart must have a header that sunpy can read; it says: {brief(error)}. Use the chart as its archive "
            "has it"
        ) from error
    return chart


def _repaired(header: Mapping[str, Any], shape: tuple[int, ...], name: str = "") -> tuple[dict[str, Any], list[str]]:
    """
    Put right what is known to be wrong with archives' headers.

    Parameters
    ----------
    header : mapping
    shape : tuple of int
        Of the data.
    name : str, optional
        Of the file, which can say of what the chart is.

    Returns
    -------
    meta : dict
        With steps of latitude in degrees.
    repairs : list of str
        What was put right; nothing, if nothing was wrong.

    Raises
    ------
    ValueError
        If what the header says is neither right nor known to be wrong.
    """
    meta, repairs = {key.lower(): value for key, value in header.items() if key != "keycomments"}, []
    # A value that nobody filled in. FITS knows no such number, so that it is read as text.
    if empty := [key for key, value in meta.items() if isinstance(value, str) and value.strip().lower() == "nan"]:
        meta = {key: value for key, value in meta.items() if key not in empty}
        repairs.append(f"{', '.join(key.upper() for key in empty)} said nan and went")
    archive = _archive(meta)
    _repair_axes(meta, repairs, archive)
    _repair_rows(meta, repairs, shape[0])
    _repair_columns(meta, repairs, shape[1])
    _repair_time(meta, repairs)
    _repair_quantity(meta, repairs, archive, name)
    _repair_rotation(meta, repairs)
    _repair_observer(meta, repairs)
    return meta, repairs


def _archive(meta: Mapping[str, Any]) -> str:
    """Whose chart it is: a key of `MAGNETOGRAPHS`, "ADAPT", or "" where that is not known."""
    if str(meta.get("model") or "").strip().upper() == "ADAPT":
        return "ADAPT"
    names = " ".join(str(meta.get(key) or "") for key in ("instrume", "telescop", "obsrvtry", "detector")).upper()
    return next((name for name in MAGNETOGRAPHS if name in names), "")


def _repair_axes(meta: dict[str, Any], repairs: list[str], archive: str) -> None:
    """Names and units."""
    # ADAPT's, whose pixels are of equal angles: nso.edu/data/nisp-data/adapt-maps.
    if archive == "ADAPT" and (meta.get("ctype1"), meta.get("ctype2")) == ("Long", "Lat"):
        meta |= {"ctype1": "CRLN-CAR", "ctype2": "CRLT-CAR"}
        repairs.append("CTYPE1 and CTYPE2 were Long and Lat")
    axes = [str(meta.get(f"ctype{axis}") or "") for axis in (1, 2)]
    names, projections = [axis[:4].upper() for axis in axes], [axis[4:].strip("-").upper() for axis in axes]
    if names == ["HPLN", "HPLT"]:
        why = (
            "Its line-of-sight field cannot be turned to another direction, since it is one component of the field "
            "only: use a chart of the radial field; what the magnetogram shows, generate makes of it by itself"
        )
        raise ValueError(
            "the chart must show the whole Sun in Carrington coordinates; this one is helioprojective, as its observer "
            f"saw it. {why if archive else 'Use a chart of the radial magnetic field'}"
        )
    if names != ["CRLN", "CRLT"]:
        raise ValueError(
            f"the chart must be in Carrington coordinates (CRLN, CRLT); its axes are {axes[0]!r} and {axes[1]!r}. Use "
            "a chart as its archive has it"
        )
    if projections not in (["CEA", "CEA"], ["CAR", "CAR"]):
        raise ValueError(
            f"the chart must have rows of equal steps in latitude (CAR) or in its sine (CEA); its axes are {axes[0]!r} "
            f"and {axes[1]!r}. Reproject it to one of these"
        )
    for axis, said, name, projection in zip((1, 2), axes, names, projections, strict=True):
        if said != f"{name}-{projection}":
            meta[f"ctype{axis}"] = f"{name}-{projection}"
            repairs.append(f"CTYPE{axis} was {said}")
    for axis in (1, 2):
        said = meta.get(f"cunit{axis}")
        if said is None or str(said).strip().lower() in _DEGREES:
            if str(said).strip() not in ("None", "deg", "degree"):
                repairs.append(f"CUNIT{axis} was {said}")
        elif not (axis == 2 and str(said).strip().lower() in _SINES and projections[0] == "CEA"):
            raise ValueError(f"the chart must have axes in degrees; CUNIT{axis} of its header says {said!r}")


def _repair_rows(meta: dict[str, Any], repairs: list[str], count: int) -> None:
    """Latitudes: charts of the whole Sun go from pole to pole."""
    step, middle = _number(meta, "cdelt2"), _number(meta, "crpix2")
    equal_area = meta["ctype2"].upper().endswith("CEA")
    whole = 180 / count if not equal_area else math.degrees(2 / count)
    unit = str(meta.pop("cunit2", None)).strip()
    # GONG's steps are of the sine and do not say so.
    of_sine = equal_area and (unit.lower() in _SINES or abs(step - 2 / count) < 0.01 * abs(step))
    if of_sine:
        step = math.degrees(step)
        if not (unit == "Sine Latitude" and _archive(meta) in ("MDI", "GONG")):
            repairs.append(f"CUNIT2 was {unit}" if unit != "None" else "CDELT2 was a step of the sine")
    meta["cunit2"] = "deg"
    if step < 0:
        raise ValueError(
            f"the chart must have its southernmost row first; by CDELT2 of its header, {meta['cdelt2']:g}, that is the "
            "northernmost. Use the chart as its archive has it"
        )
    # Steps may be rounded, by which all of them make up less than half a row; otherwise a row was lost.
    rounded = 0.5 / count
    if equal_area and abs(step / whole / _WRONG_STEP - 1) < rounded:
        repairs.append(f"CDELT2 was {meta['cdelt2']}, with which {count} rows go beyond the poles")
    elif not abs(step / whole - 1) < rounded:
        raise ValueError(
            f"the chart must go from pole to pole; its {count} rows have steps of {meta['cdelt2']:g} (CDELT2), which "
            f"makes {step / whole:.4g} of that. Use the whole chart as its archive has it"
        )
    meta["cdelt2"] = whole
    # JSOC's charts of some years have it half a row off. Others do when a row was lost.
    half_off = _archive(meta) in ("HMI", "MDI") and count % 2 == 0 and middle == count / 2
    if not ((abs(middle - (count + 1) / 2) < 1e-3 or half_off) and meta.get("crval2", 0) == 0):
        raise ValueError(
            f"the chart must have its equator in the middle of its {count} rows; CRPIX2 and CRVAL2 of its header say "
            f"{middle:g} and {meta.get('crval2', 0)}. Use the whole chart as its archive has it"
        )
    if middle != (count + 1) / 2:
        repairs.append(f"CRPIX2 was {middle:g}, which is not the middle of the rows")
    meta |= {"crpix2": (count + 1) / 2, "crval2": 0.0}


def _repair_columns(meta: dict[str, Any], repairs: list[str], count: int) -> None:
    """Longitudes: a whole turn, and none of them a Carrington time."""
    step, value, pixel = (_number(meta, key) for key in ("cdelt1", "crval1", "crpix1"))
    meta["cunit1"] = "deg"
    if not abs(abs(step) * count - 360) < abs(step) / 2:
        raise ValueError(
            f"the chart must go once around the Sun; its {count} columns have steps of {step:g} degrees (CDELT1), "
            f"which makes {abs(step) * count:.4g}. Use the whole chart as its archive has it"
        )
    if abs(value) > _CARRINGTON_TIME:
        # By JSOC's documentation, Carrington time is 360 (rotation − 1) + 360 − longitude, all in degrees. What a
        # header says of the first and the last column is in the same; its columns begin with the last in time.
        meta |= {"cdelt1": abs(step), "crval1": -value % 360}
        repairs.append(f"CRVAL1 was {value:.12g}, a Carrington time, and CDELT1 {step:g}")
        last = meta.get("lon_last")
        if step < 0 and isinstance(last, numbers.Real) and abs(last) > _CARRINGTON_TIME:  # type: ignore[operator]
            shift = (last - (value + step * (1 - pixel)) + 180) % 360 - 180  # type: ignore[operator]
            if abs(shift) > abs(step):
                raise ValueError(
                    f"the chart must have one place on the Sun; by LON_LAST of its header its first column is "
                    f"{shift:.4g} degrees from where CRVAL1 and CRPIX1 have it. Use the chart as its archive has it"
                )
            # In 2012 they differed by half a column.
            if abs(shift) > abs(step) / 100:
                meta["crval1"] = -(value + shift) % 360
                repairs.append(f"CRVAL1 was {shift:+.4g} degrees from what LON_LAST says")


def _repair_time(meta: dict[str, Any], repairs: list[str]) -> None:
    """Time of observation, where sunpy would take now, and its scale."""
    scale = str(meta.get("timesys") or "").strip().lower()
    scale = "utc" if scale in _UTC else scale
    if scale not in Time.SCALES:
        raise ValueError(
            "the chart must have its time in a scale such as UTC or TAI; TIMESYS of its header says "
            f"{shown(meta['timesys'])}. Correct it"
        )
    meta["timesys"] = scale.upper()
    # As sunpy reads them, too, and without a word.
    for keyword in ("DATE-OBS", "T_OBS"):
        if str(meta.get(keyword.lower()) or "").strip().endswith("_TAI") and (time := _said_time(meta, keyword)):
            meta[keyword.lower()] = getattr(time, scale).isot
    said = meta.get("date-obs") or meta.get("date_obs")
    if isinstance(said, str) and is_time(said):
        return
    for keyword in _TIMES:
        if (time := _said_time(meta, keyword)) is not None:
            break
    else:
        if (rotation := _rotation(meta)) is None:
            raise ValueError(
                "the chart must say its time, since longitudes say nothing without; its header does not. Add DATE-OBS, "
                "or CAR_ROT, the number of its rotation"
            )
        keyword, time = "CAR_ROT", sun.carrington_rotation_time(rotation + 0.5)
    _set_time(meta, time)
    repairs.append(f"DATE-OBS is from {keyword}")


def _said_time(meta: Mapping[str, Any], keyword: str) -> Time | None:
    """The time that a keyword says, None if it says none."""
    # 60 seconds are how JSOC rounds them.
    words = re.sub(r":60_TAI$", ":59_TAI", str(meta.get(keyword.lower()) or "").strip())
    if not words or words.startswith(_NO_TIME) or not is_time(words):
        return None
    return parse_time(words, scale="tai" if words.endswith("_TAI") else meta["timesys"].lower())


def _set_time(meta: dict[str, Any], time: Time) -> None:
    """Write a time down wherever sunpy looks for it."""
    time = time.utc.isot
    meta |= {"date-obs": time, "timesys": "UTC"} | ({"t_obs": time} if meta.get("t_obs") else {})


def _repair_quantity(meta: dict[str, Any], repairs: list[str], archive: str, name: str) -> None:
    """Unit, and of what the chart is, where only the file's name says it."""
    if not str(meta.get("bunit") or "").strip() and archive:
        meta["bunit"] = _UNITS[archive]
        repairs.append(f"BUNIT was missing, and is {_UNITS[archive]} by {archive}'s documentation")
    # sunpy reads these where FITS does: Mx is none of its units.
    elif str(meta.get("bunit")).strip().lower() in ("mx/cm^2", "gauss"):
        meta["bunit"] = "G"
    if not any(_component(meta.get(key)) for key in _QUANTITY) and _component(name) == "radial":
        meta["content"] = f"{meta.get('content') or 'chart'} of Br"
        repairs.append("CONTENT did not say that it is of the radial field, which the file's name does")
    if _is_of_rotation(meta) is None and _OF_ROTATION.search(name) and not _UP_TO_DATE.search(name):
        meta["content"] = f"Carrington synoptic chart: {meta.get('content') or 'chart'}"
        repairs.append("CONTENT did not say that it is of a rotation, which the file's name does")


def _component(said: object) -> str | None:
    """Of which component of the field words speak: "radial", the word for another one, None if of none."""
    words = str(said or "")
    if (other := _ANOTHER_QUANTITY.search(words)) is not None:
        return other[0]
    if _RADIAL.search(words):
        return "radial"
    return None if (line_of_sight := _LINE_OF_SIGHT.search(words)) is None else line_of_sight[0]


def _rotation(meta: Mapping[str, Any]) -> int | None:
    """The number of the rotation that a header says, None if it says none."""
    said = meta.get("car_rot")
    if said is None or said == "":
        return None
    whole = isinstance(said, numbers.Real) and not isinstance(said, bool) and math.isfinite(said) and said == int(said)  # type: ignore[call-overload]
    if not (whole and int(said) in _ROTATIONS):
        raise ValueError(
            "the chart must have the whole number of a rotation, such as 2160, in CAR_ROT; its header says "
            f"{shown(said)}. Correct it, or remove it from the header"
        )
    return int(said)


def _is_of_rotation(meta: Mapping[str, Any]) -> bool | None:
    """Whether a chart is of one rotation, which begins at longitude 360; None if its header does not say."""
    content, first = str(meta.get("content") or ""), meta.get("lon_frst")
    if _archive(meta) in ("GONG", "ADAPT") or _UP_TO_DATE.search(content):
        return False
    if isinstance(first, numbers.Real) and first > _CARRINGTON_TIME:  # type: ignore[operator]
        return abs((first + 180) % 360 - 180) <= max(1, abs(meta["cdelt1"]))  # type: ignore[operator]
    return True if _OF_ROTATION.search(content) or _said_time(meta, "T_ROT") is not None else None


def _repair_rotation(meta: dict[str, Any], repairs: list[str]) -> None:
    """Time and rotation: headers say them more than once, and all have to be of the same chart."""
    of_rotation, rotation = _is_of_rotation(meta), _rotation(meta)
    times = {"DATE-OBS": _time(meta)}
    for keyword in ("T_OBS", "T_ROT"):
        time = _said_time(meta, keyword)
        # What was copied is no second word.
        if time is not None and all(abs(time - other) > 1 * u.minute for other in times.values()):
            times[keyword] = time
    # Each as the rotation at whose part the chart has its time, such as 2160.5.
    said = {keyword: float(sun.carrington_rotation_number(time)) for keyword, time in times.items()}
    if rotation is not None:
        said["CAR_ROT"] = rotation + 0.5
    for keyword, ahead in (("LON_FRST", 1.5), ("CARRTIME", 1)):
        value = meta.get(keyword.lower())
        if isinstance(value, numbers.Real) and value > _CARRINGTON_TIME:  # type: ignore[operator]
            said[keyword] = value / 360 + ahead  # type: ignore[operator]

    def agree(one: str, other: str) -> bool:
        limit = _HALF if of_rotation else _DAY if one in times and other in times else _WHOLE
        return abs(said[one] - said[other]) <= limit

    # Those of which each agrees with all others, beginning with each.
    agreeing = []
    for one in said:
        together = [one]
        for other in said:
            if other != one and all(agree(other, each) for each in together):
                together.append(other)
        agreeing.append(sorted(together, key=list(said).index))
    right = max(agreeing, key=len)
    wrong = [keyword for keyword in said if keyword not in right]
    fit = {keyword: time for keyword, time in times.items() if keyword in right}
    ambiguous = len(right) <= len(wrong) or any(len(each) == len(right) and each != right for each in agreeing)
    if ambiguous or not (of_rotation or fit):
        words = ", ".join(f"{keyword} {value:.2f}" for keyword, value in said.items())
        raise ValueError(
            f"the chart must be of one time; counted in Carrington rotations, its header says {words}. Use the chart "
            "as its archive has it, or correct what is wrong"
        )
    number = np.median([said[keyword] for keyword in right])
    if "CAR_ROT" in wrong:
        repairs.append(f"CAR_ROT was {rotation}, where {' and '.join(right)} have {math.floor(number)}")
        meta["car_rot"] = rotation = math.floor(number)
    # The middle of a rotation is a time of one rotation only, its first day is not.
    elif of_rotation and rotation is None and abs(number % 1 - 0.5) < _DAY:
        repairs.append(f"CAR_ROT was missing, and is {math.floor(number)} by {' and '.join(right)}")
        meta["car_rot"] = rotation = math.floor(number)
    if of_rotation and rotation is not None:
        middle = sun.carrington_rotation_time(rotation + 0.5)
        fit = {keyword: time for keyword, time in fit.items() if abs(time - middle) < 1 * u.day} or {"CAR_ROT": middle}
    if others := [keyword for keyword in ("DATE-OBS", "T_OBS") if keyword in times and keyword not in fit]:
        keyword, time = next(iter(fit.items()))
        repairs.append(f"{' and '.join(others)} said another time than {keyword}, which is taken")
        _set_time(meta, time)


def _repair_observer(meta: dict[str, Any], repairs: list[str]) -> None:
    """Somebody whose view longitudes refer to, and the Sun's size that sunpy takes anyway, but not without a word."""
    if meta.get("rsun_ref") is None:
        meta["rsun_ref"] = float(constants.radius.to_value(u.m))
    if not SOLAR_RADIUS[0] < _number(meta, "rsun_ref") < SOLAR_RADIUS[1]:
        raise ValueError(
            "the chart must have the Sun's radius in metres, near 696e6, in RSUN_REF; its header says "
            f"{meta['rsun_ref']:g}. Correct it, or remove it from the header"
        )
    if all(isinstance(meta.get(key), numbers.Real) for key in ("crln_obs", "crlt_obs", "dsun_obs")):
        return
    if all(isinstance(meta.get(key), numbers.Real) for key in ("hgln_obs", "hglt_obs", "dsun_obs")):
        return
    earth = get_earth(_time(meta))
    meta |= {
        "hgln_obs": float(earth.lon.deg),
        "hglt_obs": float(earth.lat.deg),
        "dsun_obs": float(earth.radius.to_value(u.m)),
    }
    repairs.append("the observer is Earth")


def _time(meta: Mapping[str, Any]) -> Time:
    """The time of a header in which it was put right."""
    said = str(meta.get("date-obs") or meta.get("date_obs"))
    if "T" not in said and meta.get("time-obs"):
        said = f"{said} {meta['time-obs']}"
    return parse_time(said, scale=str(meta.get("timesys") or "UTC").strip().lower())


def _number(meta: Mapping[str, Any], key: str) -> float:
    """What a header says, which has to be a finite number."""
    value = meta.get(key)
    if isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise ValueError(
        f"the chart must have a number in {key.upper()}; its header says {value!r}. Use it as its archive has it"
    )


def is_chart(image: GenericMap) -> bool:
    """
    Tell charts of the whole Sun from images that somebody saw, and from maps of parts of it.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`

    Returns
    -------
    bool
        By its first axis alone: a Carrington longitude, or ADAPT's, that goes about once around the Sun. Whether it is
        a sound chart, `chart_of` finds out.
    """
    step = image.meta.get("cdelt1")
    whole = isinstance(step, numbers.Real) and abs(abs(step) * image.data.shape[-1] - 360) < 10
    return whole and str(image.meta.get("ctype1") or "").upper().startswith(("CRLN", "LONG"))


def chart_of(image: GenericMap) -> Chart:
    """
    Take the whole Sun's radial field from a Map.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap`
        A chart in Carrington coordinates, CEA or CAR, in units of a magnetic field, as `read_chart` or
        `sunpy.map.Map` reads it; what `read_chart` puts right is put right here, too.

    Returns
    -------
    Chart
        On HMI's scale: the field of MDI and GONG is multiplied by their factors, see
        `~sunpy_mag2euv.preparation.MAGNETOGRAPHS`, that of ADAPT by the factor of its magnetograms over the one that
        it multiplied them by (``FLUXSCAL``). Gaps at the poles are filled with the five rows next to the gap, mirrored
        at its edge, and back and forth where it is deeper than these; other gaps are left, also those that reach a pole
        in some columns only.

    Raises
    ------
    TypeError
        If ``image`` is not a Map.
    ValueError
        If it is no chart of the whole Sun's radial field, with unit and time.

    Warns
    -----
    SunpyUserWarning
        If the field scale of its instrument is unknown.

    Notes
    -----
    HMI's and MDI's charts (``Mr``) are of magnetograms divided by the cosine of the angle from the disk's centre
    (jsoc.stanford.edu/jsocwiki/MagneticField/SynopticRadial), as are GONG's (J. Harvey, "GONG Magnetograms: raw to
    synoptic map"), and ADAPT's that are made of these. Charts of the line-of-sight field are refused: what they were
    divided by is not in the file, at the poles it is all that counts, and each archive has the radial field as well.
    """
    chart = _chart_of(image)
    if not chart.on_hmi_scale:
        warn_user(f"no conversion to HMI's field scale is known for {chart.instrument}: its field is taken as it is")
    return chart


def _chart_of(image: GenericMap) -> Chart:
    """As `chart_of`, without a warning."""
    name = "the chart"
    check_map(image, name)
    check_pixels(image, name)
    image = in_known_time(image)
    meta, _ = _repaired(dict(image.meta), image.data.shape)
    _check_quantity(image, meta)
    sound = _map(np.asarray(image.data), meta)
    unit = readable_unit(sound)
    if unit is None or not unit.is_equivalent(u.G):
        found = "without a unit" if not meta.get("bunit") else f"with {meta['bunit']!r}"
        advice = "If it is in gauss, say so with map.meta['bunit'] = 'G'"
        if unit is not None and is_aia(image.meta):
            advice = "Use the chart of the radial magnetic field that it was made of"
        raise ValueError(
            f"the chart must be in gauss or another unit of the field; {_this(image)} is {found}. {advice}"
        )
    longitudes, descending = _check_grid(sound)
    equal_area = meta["ctype1"].upper().endswith("CEA")

    gauss = unit.to(u.G)
    values = np.asarray(image.data, dtype=np.float64) * gauss
    known = known_pixels(image)
    objections = {}
    believable = known & (np.abs(np.where(known, values, 0)) <= _STRONGEST_FIELD)
    if impossible := np.count_nonzero(known & ~believable):
        objections["impossible field"] = (
            f"the chart has {impossible} pixels with more than {_STRONGEST_FIELD} G, which no field is: they count as "
            "unknown; check BUNIT, BLANK and BSCALE in its file"
        )
    if descending:
        values, believable = values[:, ::-1], believable[:, ::-1]
    start = int(np.argmin(longitudes % 360))
    values, believable = np.roll(values, -start, axis=1), np.roll(believable, -start, axis=1)
    if _share(believable, equal_area) < 0.5:
        raise ValueError(
            f"the chart must have values on most of the Sun; {_this(image)} has them on "
            f"{_share(believable, equal_area):.0%}. Use a complete one, or correct map.meta['bunit']"
        )
    if not ((values[believable] > 0).any() and (values[believable] < 0).any()):
        raise ValueError(
            f"the chart must be of the radial field, which has both signs on the Sun; {_this(image)} has one, "
            "as field strengths do. Use the chart of the radial field"
        )
    if not any(_component(meta.get(key)) for key in _QUANTITY) and _archive(meta) not in ("GONG", "ADAPT"):
        objections["component unsaid"] = (
            "the chart does not say that it is of the radial field, for which it is taken: make sure that it is not of "
            "the line-of-sight field, and read it with mag2euv.read_chart if its file's name says so"
        )
    if _is_of_rotation(meta) is not False and not (_is_of_rotation(meta) and _rotation(meta)):
        objections["rotation unsaid"] = (
            "the chart does not say whether it is of one rotation, and of which (CONTENT, CAR_ROT, LON_FRST): it is "
            "taken to show each place as it last passed the central meridian before the chart's time, on which ages "
            "and standard deviations depend"
        )
    instrument, factor = _scale(meta)
    longitudes = np.sort(longitudes % 360)
    time = _time(meta)
    observed, rotation = _observed(meta, time, longitudes)
    values, cosine = np.where(believable, values, 0), None
    filled, source = _fill_poles(values, believable, equal_area)
    if _archive(meta) in MAGNETOGRAPHS:
        away = np.radians(_latitudes(len(values), equal_area)) - sun.B0(observed.mean()).rad
        cosine = np.maximum(np.cos(away), 0).astype(np.float32)[source]
    return Chart(
        values=(values * (1 if factor is None else factor)).astype(np.float32),
        known=believable | filled,
        filled=filled,
        first_longitude=float(longitudes[0]),
        equal_area=equal_area,
        time=time,
        observed=observed,
        rotation=rotation,
        instrument=instrument,
        content=str(meta.get("content") or "chart"),
        on_hmi_scale=factor is not None,
        objections=objections,
        cosine=cosine,
        realization=meta.get("realizat"),
    )


def _this(image: GenericMap) -> str:
    """A chart in a few words, for messages."""
    return f"this {describe(image)}" if str(image.meta.get("instrume") or "").strip() else "this one"


def _check_quantity(image: GenericMap, meta: Mapping[str, Any]) -> None:
    """Refuse, with a sentence each, charts of what is not the radial field."""
    for keyword in _QUANTITY:
        said = meta.get(keyword)
        if _component(said) not in (None, "radial"):
            raise ValueError(_NOT_RADIAL.format(found=f"{keyword.upper()} of {_this(image)} says {shown(said)}"))
    if image.data.dtype.kind == "u":
        raise ValueError(
            f"the chart must hold field strengths, which have a sign; {_this(image)} holds "
            f"{image.data.dtype.name} numbers, as pictures do. Use the FITS file"
        )


def _check_grid(sound: Any) -> tuple[npt.NDArray, bool]:
    """Longitudes of the columns by the Map's own coordinates, ascending, and whether they were descending in it."""
    rows, columns = sound.data.shape
    # From the reference point; half a turn from there, projections end.
    reference = sound.meta["crpix1"] - 1
    columns_, rows_ = np.meshgrid(reference + np.array([-0.25, 0, 0.25]) * columns, np.arange(rows))
    longitudes, latitudes = sound.wcs.pixel_to_world_values(columns_, rows_)
    turned = (np.diff(longitudes, axis=1) + 180) % 360 - 180
    aside = (longitudes - longitudes[rows // 2] + 180) % 360 - 180
    direction = -1 if turned[0, 0] < 0 else 1
    expected = _latitudes(rows, sound.coordinate_system.axis2.upper().endswith("CEA"))[:, None]
    # Steps may be rounded, by which a whole turn is none.
    regular = np.allclose(turned, 90 * direction, rtol=0.01) and np.allclose(aside, 0, atol=1e-3)
    if sound.meta.get("crota2") or not (regular and np.allclose(latitudes, expected, atol=0.05)):
        raise ValueError(
            "the chart must have rows of equal latitude from south to north, and columns of equal longitude; by its "
            "header they are turned, oblique or sheared. Use the chart as its archive has it"
        )
    longitudes = longitudes[0]
    longitudes = longitudes[1] + direction * 360 / columns * (np.arange(columns) - reference)
    return longitudes[::direction], direction < 0


def _latitudes(rows: int, equal_area: bool) -> npt.NDArray:
    """Latitudes of the middles of so many rows from pole to pole, in degrees."""
    middles = (np.arange(rows) + 0.5) / rows * 2 - 1
    return np.degrees(np.arcsin(middles)) if equal_area else 90 * middles


def _share(chosen: npt.NDArray, equal_area: bool) -> float:
    """Part of the Sun's surface."""
    weights = np.ones(len(chosen)) if equal_area else np.cos(np.radians(_latitudes(len(chosen), False)))
    return float((chosen.mean(axis=1) * weights).sum() / weights.sum())


def _fill_poles(values: npt.NDArray, known: npt.NDArray, equal_area: bool) -> tuple[npt.NDArray, npt.NDArray]:
    """
    Fill what the tilt of the Sun's axis hides with the rows beside it, mirrored at the edge, in place.

    A network sees the edge of whatever is smoother or rougher than what is beside it.

    Returns
    -------
    filled : `~numpy.ndarray`
        Boolean: what was filled.
    source : `~numpy.ndarray`
        For each element the row of what is there now.
    """
    filled, source = np.zeros_like(known), np.repeat(np.arange(len(known))[:, None], known.shape[1], axis=1)
    away = np.abs(_latitudes(len(values), equal_area))
    polar = away > _POLAR
    # From each pole, until the first pixel that is known.
    for way in (slice(None), slice(None, None, -1)):
        near = np.cumprod(polar[way]).astype(bool)[:, None]
        gap = np.logical_and.accumulate(~known[way] & near, axis=0)
        depth = gap.sum(axis=0)
        # What is far deeper than the rest is no gap of the pole, but one that happens to reach it.
        edge = away[way][depth]
        cap = (edge >= np.median(edge) - _RAGGED) & known[way][depth, np.arange(len(depth))]
        gap, depth = gap & cap, depth * cap
        band = slice(depth.max(), depth.max() + _BAND)
        if not gap.any() or not known[way][band].any():
            continue
        rows, columns = np.nonzero(gap)
        beyond = (depth[columns] - 1 - rows) % (2 * _BAND)
        mirrored = depth[columns] + np.minimum(beyond, 2 * _BAND - 1 - beyond)
        # Where there is a hole, too, the mean of those that are known.
        mean = values[way][band][known[way][band]].mean()
        values[way][rows, columns] = np.where(known[way][mirrored, columns], values[way][mirrored, columns], mean)
        source[way][rows, columns] = source[way][mirrored, columns]
        filled[way] |= gap
    return filled, source


def _scale(meta: Mapping[str, Any]) -> tuple[str, float | None]:
    """The instrument, and what brings its field to HMI's scale; None if that is not known."""
    archive = _archive(meta)
    if archive != "ADAPT":
        name = archive or str(meta.get("instrume") or meta.get("telescop") or "this instrument")
        return name, MAGNETOGRAPHS[archive].hmi_factor if archive else None
    # ADAPT multiplies magnetograms by a factor of its own before it takes them in.
    source, scaled = str(meta.get("mapdata") or "").upper(), meta.get("fluxscal")
    name = next((name for name in MAGNETOGRAPHS if name in source), None)
    if name is None or not (isinstance(scaled, numbers.Real) and scaled > 0):  # type: ignore[operator]
        return f"ADAPT {source}".strip(), None
    return f"ADAPT {name}", MAGNETOGRAPHS[name].hmi_factor / scaled  # type: ignore[return-value]


def _observed(meta: Mapping[str, Any], time: Time, longitudes: npt.NDArray) -> tuple[Time, int | None]:
    """When each column was observed, and the rotation that a chart is of, if it is of one."""
    rotation = _rotation(meta) if _is_of_rotation(meta) else None
    # Days on which all of this can have happened, and how far the Sun had turned then.
    knots = time + np.arange(-45, 46) * u.day
    turned = 360 * sun.carrington_rotation_number(knots)
    if rotation is not None:
        # A rotation begins with 360 degrees at the central meridian and ends with 0.
        passage = 360 * rotation + (-longitudes % 360)
    else:
        now = 360 * sun.carrington_rotation_number(time)
        swath = _SWATH if _archive(meta) in ("HMI", "ADAPT") else 0
        since = (longitudes - (-now % 360) + _SWATH) % 360 - _SWATH
        passage = now - np.where(since <= swath, 0, since)
    days = np.interp(passage, turned, np.arange(-45, 46))
    return time + days * u.day, rotation
