"""
SDOML → a store, in the way of the other archives: an estimate first, and then so that it can be interrupted.

What is chosen is `sunpy_mag2euv.training.data.sdoml_selection`'s affair; here it is fetched, prepared and written.
"""

import collections
import contextlib
import itertools
import math
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from astropy.table import Column, Table
from astropy.time import Time

from sunpy_mag2euv.field_kinds import SDOML_BZ
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.sensitivity import LAUNCH
from sunpy_mag2euv.training.data.archive import COLUMNS, TABLE, read_table, table_of, write_table
from sunpy_mag2euv.training.data.remote_arrays import Archive, Part, RemoteArray
from sunpy_mag2euv.training.data.sdoml_frames import prepare_field, prepare_image
from sunpy_mag2euv.training.data.sdoml_index import is_indexed
from sunpy_mag2euv.training.data.sdoml_selection import Piece, Selection, array_name
from sunpy_mag2euv.training.data.store import Store

__all__ = ["GRID", "Estimate", "estimate", "fill", "open_store"]

#: SDOML's own pixels, nearly, and half as many as the paper's.
GRID = Grid((512, 512), 196.0)

#: Chunks that are fetched at once, and that wait to be worked on. A decoded one has 16 MB.
_AT_ONCE = 8

#: Chunks that the estimate asks the size of.
_SAMPLED = 8

#: In seconds, between tables that are written while there is work to do.
_SAVED_EVERY = 10


@dataclass(frozen=True)
class Estimate:
    """
    What there is to fetch, at most: as if every time had all channels, and no two times a chunk.

    Attributes
    ----------
    attributes : int
        Bytes of attributes that are not in the cache.
    pieces : int
        How many frames of SDOML, magnetograms and images.
    piece_bytes : float
        Of each, as those of a sample.
    store_bytes : int
        What the store takes up, before it is compressed.
    rate : float
        Bytes a second at which one frame came for this estimate.
    """

    attributes: int
    pieces: int
    piece_bytes: float
    store_bytes: int
    rate: float

    @property
    def bytes(self) -> float:
        """To be fetched in all."""
        return self.attributes + self.pieces * self.piece_bytes

    @property
    def seconds(self) -> float:
        """How long it takes at that rate, one after the other."""
        return self.bytes / self.rate


def estimate(root: str, times: Time, passbands: Sequence[int], grid: Grid) -> Estimate:
    """
    Estimate what `~sunpy_mag2euv.training.data.sdoml_selection.select` and `fill` will fetch, without the attributes.

    Parameters
    ----------
    root, times, passbands
        As of `~sunpy_mag2euv.training.data.sdoml_selection.select`.
    grid : Grid
        Of the store.

    Returns
    -------
    Estimate

    Raises
    ------
    FileNotFoundError, ValueError, ConnectionError
        As by `~sunpy_mag2euv.training.data.sdoml_selection.select`.
    """
    archive = Archive(root)
    years = collections.Counter(moment.utc.datetime.year for moment in times)
    arrays, attributes, pieces = [], 0, 0
    for (year, count), band in itertools.product(years.items(), (0, *passbands)):
        with contextlib.suppress(FileNotFoundError):
            array = archive.array(array_name(year, band))
            if not is_indexed(array):
                attributes += int(array.attributes_facts["size"] or 0)
            arrays.append(array)
            pieces += min(count, array.shape[0])
    if not arrays:
        raise FileNotFoundError(f"{archive.root} has nothing of {', '.join(map(str, years))}; give another --root")
    sizes = {}
    for array in arrays[:: -(-len(arrays) // _SAMPLED)]:
        with contextlib.suppress(FileNotFoundError):
            sizes[array.name] = int(archive.facts(array.key(_middle(array)))["size"] or 0)
    began = time.perf_counter()
    fetched = len(arrays[0].fetch(_middle(arrays[0]), [0]).content or b"")
    rate = max(fetched, 1) / (time.perf_counter() - began)
    # What a frame takes of its chunk, or all of it.
    share = fetched / max(sizes.get(arrays[0].name, 0), fetched, 1)
    store = len(times) * (1 + len(passbands)) * math.prod(grid.shape) * 4
    return Estimate(attributes, pieces, share * float(np.mean(list(sizes.values()) or [0])), store, rate)


def _middle(array: RemoteArray) -> int:
    """A chunk from the middle of an array."""
    return array.shape[0] // array.frames // 2


def open_store(path: str | os.PathLike, selection: Selection, grid: Grid) -> Store:
    """
    Open the store of a selection for writing, or make it.

    Parameters
    ----------
    path : path-like
    selection : Selection
    grid : Grid

    Returns
    -------
    Store

    Raises
    ------
    ValueError
        If there is a store of another selection or on another grid, or nothing was selected.
    """
    frames, passbands = selection.frames, selection.passbands
    if not len(frames):
        reasons = collections.Counter(row["reason"] for row in selection.rejections)
        most = "".join(f": {reason} ({count} of {reasons.total()})" for reason, count in reasons.most_common(1))
        raise ValueError(f"no magnetogram has an image, so that {Path(path).name} would be empty{most}")
    texts = dict.fromkeys(passbands, "DN/s at AIA's sensitivity at launch, as SDOML corrected them (DEG_COR)")
    if not Path(path).exists():
        days = [frames["time"][row].strftime("%Y-%m-%d") for row in (0, -1)]
        return Store.create(
            path,
            grid,
            frames,
            passbands,
            provenance=f"{len(frames)} frames of {SDOML_BZ} and SDO/AIA images (version 2), {' to '.join(days)}",
            calibration=texts,
            epochs=dict.fromkeys(passbands, LAUNCH),
            field_kind=SDOML_BZ,
        )
    store = Store.open(path, "r+")
    columns = [name for name in frames.colnames if name not in ("time", "source")]
    agreement = {
        "grid": store.grid == grid,
        "passbands": store.passbands == passbands,
        "calibration": store.calibration == texts and store.field_kind == SDOML_BZ,
        "frames": len(store.frames) == len(frames)
        and all(name in store.frames.colnames and _same(store.frames[name], frames[name]) for name in columns),
    }
    if different := [what for what, same in agreement.items() if not same]:
        raise ValueError(f"{path} was made with other {' and '.join(different)}; give another path, or remove it")
    return store


def _same(column: Column, other: Column) -> bool:
    """Whether two columns have the same texts; manifests mask empty ones."""
    return np.array_equal(np.ma.filled(column, ""), np.ma.filled(other, ""))


def fill(store: Store, selection: Selection, path: str | os.PathLike) -> Table:
    """
    Fetch, prepare and write what a store lacks, with a progress bar.

    Every chunk is fetched once, for all frames that need it, and what is made of it is written at once. So whoever is
    interrupted loses the chunks in work, and another call goes on with the others.

    Parameters
    ----------
    store : Store
        From `open_store`.
    selection : Selection
    path : path-like
        Of the store; the table is written into it.

    Returns
    -------
    `~astropy.table.Table`
        What is in the file `~sunpy_mag2euv.training.data.archive.TABLE` of the store: as
        `~sunpy_mag2euv.training.data.archive.download` returns it, but for ``record``, such as ``2011/171A[1234]``, and
        ``file``, the frame's name in the store.

    Raises
    ------
    ConnectionError
        If the archive does not answer. Call again to go on.
    OSError
        If the store cannot be written to.
    """
    from tqdm import tqdm

    log = _Log(store, selection, Path(path))
    waiting = [set(log.missing(row)) for row in range(len(selection.pieces))]
    tasks = _tasks(selection, waiting)
    for row in np.flatnonzero(~store.done).tolist():
        # A process may be killed just before it says so.
        if not waiting[row]:
            _finish(store, row, log)
    try:
        for (name, chunk), part in tqdm(_fetched(selection, tasks), total=len(tasks), unit="chunk", disable=None):
            array = selection.arrays[name]
            frames, problem = None, ""
            try:
                frames = array.decode(part)
            except ValueError as error:
                problem = str(error)
            for row, piece in tasks[name, chunk]:
                if frames is None:
                    log.failed[row, piece.passband] = problem
                elif (row, 0) not in log.hopeless:
                    _write(store, row, piece, frames[piece.number % array.frames - part.first], log)
                waiting[row].discard(piece.passband)
                if not waiting[row]:
                    _finish(store, row, log)
    finally:
        log.save()
    return log.table


def _finish(store: Store, row: int, log: "_Log") -> None:
    """Have a frame count as done, of which all has been fetched."""
    if (row, 0) in log.hopeless:
        # A frame without a field is none, and has no images that anyone could take for one.
        store.write(row, None, {})
    elif (row, 0) not in log.failed:
        store.finish(row)


def _tasks(selection: Selection, waiting: list[set[int]]) -> dict[tuple[str, int], list[tuple[int, Piece]]]:
    """Which pieces each chunk has of those that are waited for, in the order in which they are needed first."""
    tasks: dict[tuple[str, int], list[tuple[int, Piece]]] = {}
    for row, missing in enumerate(waiting):
        for band in sorted(missing):
            piece = selection.pieces[row][band]
            chunk = piece.number // selection.arrays[piece.array].frames
            tasks.setdefault((piece.array, chunk), []).append((row, piece))
    return tasks


def _fetched(
    selection: Selection, tasks: dict[tuple[str, int], list[tuple[int, Piece]]]
) -> Iterator[tuple[tuple[str, int], Part]]:
    """What is needed of chunks, in their order, while the next are on their way."""

    def fetch(key: tuple[str, int], future: Future) -> None:
        array = selection.arrays[key[0]]
        try:
            future.set_result(array.fetch(key[1], {piece.number % array.frames for _, piece in tasks[key]}))
        except Exception as error:
            future.set_exception(error)

    queue: collections.deque = collections.deque()
    for key in tasks:
        queue.append((key, Future()))
        # Nobody who interrupts waits for these, as for the threads of a pool: an archive may take minutes to fail.
        threading.Thread(target=fetch, args=queue[-1], daemon=True).start()
        if len(queue) >= _AT_ONCE:
            done, future = queue.popleft()
            yield done, future.result()
    while queue:
        done, future = queue.popleft()
        yield done, future.result()


def _write(store: Store, row: int, piece: Piece, values: np.ndarray, log: "_Log") -> None:
    """Write what is made of a frame of SDOML's, or have the log say why that is nothing."""
    try:
        if not piece.passband:
            store.add(row, field=prepare_field(values, store.grid))
            return
        image = prepare_image(values, store.grid)
    except ValueError as error:
        log.reject(row, piece.passband, str(error))
        return
    moment = Time(piece.time, format="unix", scale="utc")
    band = piece.passband
    store.add(row, images={band: image}, times={band: moment}, ceilings={band: piece.ceiling})


class _Log:
    """
    The table of what was taken and rejected.

    What was taken is what the store has. What was rejected for its data is kept in the file, which is replaced as a
    whole.

    Attributes
    ----------
    hopeless : dict
        Row and passband of what has no usable data, with the reason.
    failed : dict
        The same of what came damaged, which is tried again by the next call.
    """

    def __init__(self, store: Store, selection: Selection, path: Path) -> None:
        self._store, self._selection, self._path = store, selection, path / TABLE
        self.failed: dict[tuple[int, int], str] = {}
        self.hopeless: dict[tuple[int, int], str] = {}
        if self._path.exists():
            kept = {
                (row["slot"], row["passband"], row["record"]): row["reason"]
                for row in read_table(self._path)
                if row["status"] == "rejected"
            }
            for row, frame in enumerate(selection.pieces):
                for band, piece in frame.items():
                    if (reason := kept.get((piece.slot, band, piece.record))) is not None:
                        self.hopeless[row, band] = reason
        self.save()

    def missing(self, row: int) -> list[int]:
        """The passbands (0: magnetogram) of a row that are still to be fetched."""
        if (row, 0) in self.hopeless:
            return []
        bands = [band for band in self._selection.pieces[row] if (row, band) not in self.hopeless]
        return [band for band in bands if not self._has(row, band)]

    def _has(self, row: int, band: int) -> bool:
        """Whether the store has it."""
        if band:
            return bool(self._store.written[row, self._store.columns([band])[0]])
        return bool(self._store.done[row] or np.isfinite(self._store.field(row)).any())

    def reject(self, row: int, band: int, reason: str) -> None:
        """Keep in mind that there is no use in fetching something again."""
        self.hopeless[row, band] = reason
        # Of a year, it takes a second.
        if time.monotonic() - self._saved > _SAVED_EVERY:
            self.save()

    def save(self) -> None:
        """Write the table, as a whole."""
        write_table(self.table, self._path)
        self._saved = time.monotonic()

    @property
    def table(self) -> Table:
        """All rows, in the order of slot and passband; images whose magnetogram was rejected have none."""
        rows = list(self._selection.rejections)
        for row, frame in enumerate(self._selection.pieces):
            bands = [0] if (row, 0) in self.hopeless else frame
            rows += [self._row(row, frame[band]) for band in bands]
        return table_of(sorted(rows, key=lambda row: (row["slot"], row["passband"])))

    def _row(self, row: int, piece: Piece) -> dict:
        """The row of a frame of SDOML's that was chosen."""
        key, file = (row, piece.passband), ""
        if key in self.hopeless:
            status, reason = "rejected", self.hopeless[key]
        elif key in self.failed:
            status, reason = "failed", f"{self.failed[key]}; run the same again"
        elif self._has(*key):
            status, reason, file = "taken", "", str(self._store.frames["name"][row])
        else:
            status, reason = "failed", "was not fetched yet; run the same again"
        moment = Time(piece.time, format="unix").isot
        # All that is chosen has this quality.
        values = (piece.slot, piece.passband, piece.record, moment, "0x00000000", file, 0, status, reason)
        return dict(zip(COLUMNS, values, strict=True))
