"""
Which frames of SDOML are taken for a sequence of times: those nearest in time, of good quality.

SDOML (Galvez et al. 2019, doi:10.3847/1538-4365/ab1005) has AIA images and HMI's vector field since 2010, of 512 by 512
pixels, in zarr. What is known of it here is from its paper, its repositories (https://github.com/SDOML/SDOML and
SDOMLv2) and the spellings that others read it by; the archive itself could not be reached when this was written.
"""

import collections
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

import astropy.units as u
from astropy.table import Table
from astropy.time import Time

from sunpy_mag2euv.training.data.archive import COLUMNS
from sunpy_mag2euv.training.data.observations import SATURATION
from sunpy_mag2euv.training.data.remote_arrays import Archive, RemoteArray
from sunpy_mag2euv.training.data.sdoml_index import Index, read_index

__all__ = ["ROOT", "Piece", "Selection", "array_name", "select"]

#: The public copy, which wants no account: NASA's HelioCloud. Also at s3://gov-nasa-hdrl-data1/contrib/fdl-sdoml/….
ROOT = "https://gov-nasa-hdrl-data1.s3.amazonaws.com/contrib/fdl-sdoml/fdl-sdoml-v2"

_AIA, _HMI = "sdomlv2.zarr", "sdomlv2_hmi.zarr"

#: Half the cadence of the magnetograms: there is one as near as this to any time.
_MAGNETOGRAM_WINDOW = 360 * u.s


@dataclass(frozen=True)
class Piece:
    """
    A frame of SDOML's that a frame of the store has.

    Attributes
    ----------
    slot : str
        The time wanted.
    array : str
        Such as ``sdomlv2.zarr/2011/171A``.
    passband : int
        In angstrom, 0 for the magnetogram.
    number : int
        In the array.
    time : float
        ``T_OBS`` in unix seconds.
    ceiling : float
        In DN/s; values there are lower limits.
    """

    slot: str
    array: str
    passband: int
    number: int
    time: float
    ceiling: float = np.inf

    @property
    def record(self) -> str:
        """What tables call it."""
        return _record(self.array, self.number)


@dataclass(frozen=True)
class Selection:
    """
    What is to be taken; made by `select`.

    Attributes
    ----------
    frames : `~astropy.table.Table`
        As `~sunpy_mag2euv.training.data.store.Store.create` takes it, with the records of the frames of SDOML that each
        has in ``magnetogram``, ``aia_0171`` and so on, empty where there is none.
    passbands : list of int
        In angstrom.
    rejections : list of dict
        Rows of the table for what is not taken.
    arrays : dict
        The arrays by name.
    pieces : list of dict
        For each frame, its `Piece` by passband (0: magnetogram).
    """

    frames: Table
    passbands: list[int]
    rejections: list[dict]
    arrays: dict[str, RemoteArray]
    pieces: list[dict[int, Piece]]


def select(root: str, times: Time, passbands: Sequence[int], *, tolerance: u.Quantity = 180 * u.s) -> Selection:
    """
    Choose the magnetogram nearest to each time and, for each passband, the image nearest to the magnetogram.

    There is a progress bar, since attributes that are not in the cache are hundreds of megabytes for each channel.

    Parameters
    ----------
    root : str
        Where ``sdomlv2.zarr`` and ``sdomlv2_hmi.zarr`` are: a directory or an address.
    times : `~astropy.time.Time`
        From `~sunpy_mag2euv.training.data.archive.slots`. A time is looked for in its own year.
    passbands : sequence of int
        In angstrom. A frame may have any of them, but one at least.
    tolerance : `~astropy.units.Quantity`, optional
        Longest time between ``T_OBS`` of a magnetogram and of its images.

    Returns
    -------
    Selection

    Raises
    ------
    FileNotFoundError
        If there are no magnetograms of any of the years.
    ValueError
        If an array is not as SDOML's.
    ConnectionError
        If the archive does not answer. Call again to go on.
    OSError
        If the cache cannot be written to.
    """
    from tqdm import tqdm

    archive = Archive(root)
    passbands = list(passbands)
    rejections: list[dict] = []
    arrays: dict[str, RemoteArray] = {}
    pieces: list[dict[int, Piece]] = []
    taken: dict[int, str] = {}
    years = collections.defaultdict(list)
    for moment in times:
        years[moment.utc.datetime.year].append(moment)
    channels = [0, *passbands]
    with tqdm(total=len(years) * len(channels), desc="index", unit="array", disable=None) as bar:
        for year, moments in years.items():
            indices = {}
            for band in channels:
                name = array_name(year, band)
                try:
                    arrays[name] = archive.array(name)
                    indices[band] = read_index(arrays[name])
                except FileNotFoundError:
                    # Missing channels are common, and reported for each time.
                    arrays.pop(name, None)
                bar.update()
            pieces += _choose_frames(year, moments, indices, passbands, tolerance, taken, rejections)
    if not arrays or not any(name.startswith(_HMI) for name in arrays):
        raise FileNotFoundError(
            f"{archive.root} must hold {_HMI} with Bz of {', '.join(map(str, years))}; it has none of these years. "
            "Give another --root, or other times"
        )
    return Selection(_frame_table(pieces, passbands), passbands, rejections, arrays, pieces)


def array_name(year: int, band: int) -> str:
    """Where SDOML has a channel of a year."""
    return f"{_AIA}/{year}/{band}A" if band else f"{_HMI}/{year}/Bz"


def _record(array: str, number: int) -> str:
    """What a table calls a frame of an array: ``2011/171A[1234]``."""
    return f"{array.partition('/')[2]}[{number}]"


def _choose_frames(
    year: int,
    moments: list[Time],
    indices: dict[int, Index],
    passbands: list[int],
    tolerance: u.Quantity,
    taken: dict[int, str],
    rejections: list[dict],
) -> Iterator[dict[int, Piece]]:
    """The frames of a year, with reasons for what is passed over."""
    window, tolerance = _MAGNETOGRAM_WINDOW.to_value(u.s), tolerance.to_value(u.s)
    for moment in moments:
        slot = moment.strftime("%Y-%m-%dT%H:%M:%S")
        number = _choose(slot, year, 0, indices, moment.unix, window, rejections)
        if number is None:
            continue
        time = float(indices[0].times[number])
        # Names of frames have seconds.
        if (before := taken.setdefault(int(time), slot)) != slot:
            rejections.append(_row(slot, year, 0, indices, number, f"is the magnetogram of {before} already"))
            continue
        frame = {0: Piece(slot, array_name(year, 0), 0, number, time)}
        for band in passbands:
            if (image := _choose(slot, year, band, indices, time, tolerance, rejections)) is not None:
                index = indices[band]
                # As of other images of AIA, half a count less: averages of saturated pixels are it only to rounding.
                ceiling = (SATURATION - 0.5) / float(index.exposures[image]) / float(index.degradations[image])
                frame[band] = Piece(slot, array_name(year, band), band, image, float(index.times[image]), ceiling)
        if len(frame) > 1:
            yield frame
        else:
            rejections.append(_row(slot, year, 0, indices, number, "there is no image to go with it"))


def _choose(
    slot: str,
    year: int,
    band: int,
    indices: dict[int, Index],
    wanted: float,
    window: float,
    rejections: list[dict],
) -> int | None:
    """The usable frame nearest to a time, if any; those nearer are rejected, with a reason."""
    if band not in indices:
        rejections.append(_row(slot, year, band, indices, None, f"there is no {array_name(year, band)}"))
        return None
    near = indices[band].near(wanted, window)
    for number in near:
        if not (reason := indices[band].objection(number, is_image=band > 0)):
            return number
        rejections.append(_row(slot, year, band, indices, number, reason))
    if not near:
        reason = f"no record within {window:g} s of {Time(wanted, format='unix').isot[:19]}"
        rejections.append(_row(slot, year, band, indices, None, reason))
    return None


def _row(slot: str, year: int, band: int, indices: dict[int, Index], number: int | None, reason: str) -> dict:
    """A row of the table for what is rejected."""
    record = moment = quality = ""
    if number is not None:
        index = indices[band]
        record, moment = _record(array_name(year, band), number), Time(index.times[number], format="unix").isot
        quality = "" if index.qualities[number] < 0 else f"0x{index.qualities[number]:08x}"
    return dict(zip(COLUMNS, (slot, band, record, moment, quality, "", 0, "rejected", reason), strict=True))


def _frame_table(pieces: list[dict[int, Piece]], passbands: list[int]) -> Table:
    times = Time([frame[0].time for frame in pieces], format="unix", scale="utc")
    times.format = "isot"
    table = Table()
    table["name"] = np.array([moment.strftime("%Y%m%d_%H%M%S") for moment in times], dtype=str)
    table["time"] = times
    table["source"] = np.full(len(pieces), "SDOML")
    for band in (0, *passbands):
        records = [frame[band].record if band in frame else "" for frame in pieces]
        table[f"aia_{band:04}" if band else "magnetogram"] = np.array(records, dtype=str)
    return table
