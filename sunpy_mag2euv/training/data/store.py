"""
The store: frames of magnetogram and images, or of images alone, on one grid, as a zarr group with the manifest inside.

Everything is in physical units, so one store serves any network and any scaling. Chunks are single images and carry
checksums: training reads frames in any order, channels that a frame lacks take no space, and a damaged chunk is found
when it is read.
"""

import dataclasses
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from astropy.table import Table
from astropy.time import Time
from sunpy.coordinates.sun import B0, carrington_rotation_number

from sunpy_mag2euv import files
from sunpy_mag2euv.field_kinds import LINE_OF_SIGHT
from sunpy_mag2euv.grid import Grid

__all__ = ["Store"]

#: Of the layout; raised when older stores can no longer be read.
_FORMAT = 1


class Store:
    """
    Frames with any subset of the passbands; made by `create` and `open`.

    Parameters
    ----------
    group : `zarr.Group`

    Attributes
    ----------
    frames : `~astropy.table.Table`
        The manifest, one row for each frame: ``name`` (unique), ``time`` (UTC), ``source``, ``rotation`` (Carrington
        rotation number), ``b0`` (latitude of the disk's centre as seen from Earth, degrees) and what else `create` was
        given.
    grid : Grid
    passbands : list of int
        In angstrom, in the order of the planes of `images`.
    provenance : str
        What the frames are.
    calibration : dict
        For each passband, what its DN/s refer to, in words.
    epochs : dict
        For each passband whose DN/s refer to one epoch of AIA's sensitivity, that epoch, see
        `sunpy_mag2euv.sensitivity`.
    caveats : dict
        For some passbands, a warning that models learnt from them must give.
    field_kind : str
        What the fields are, see `sunpy_mag2euv.field_kinds`.
    ceilings : `~numpy.ndarray`
        Shape (frames, passbands), in DN/s: values there are lower limits. Infinite where nothing saturates.
    done : `~numpy.ndarray`
        Shape (frames,): whether a frame is completely written.
    """

    def __init__(self, group: Any) -> None:
        self._group = group
        facts = group.attrs
        grid = facts["grid"]
        self.grid = Grid(tuple(grid["shape"]), grid["solar_radius"], tuple(grid["center"]))
        self.passbands = list(facts["passbands"])
        self.provenance = facts["provenance"]
        self.calibration = {int(band): text for band, text in facts["calibration"].items()}
        self.epochs = {int(band): epoch for band, epoch in facts.get("epochs", {}).items()}
        self.caveats = {int(band): text for band, text in facts["caveats"].items()}
        # Older stores do not say it.
        self.field_kind = facts.get("field_kind", LINE_OF_SIGHT)
        self.frames = Table.read(group["manifest"][:].tobytes().decode(), format="ascii.ecsv")
        self.ceilings = group["ceilings"][:]
        self.done = group["done"][:]
        self._times = group["image_times"][:]

    @classmethod
    def create(
        cls,
        path: str | os.PathLike,
        grid: Grid,
        frames: Table,
        passbands: Sequence[int],
        *,
        provenance: str,
        calibration: dict[Any, Any],
        epochs: dict[Any, Any] | None = None,
        caveats: dict[Any, Any] | None = None,
        weights: dict[Any, Any] | None = None,
        field_kind: str | None = LINE_OF_SIGHT,
    ) -> "Store":
        """
        Make a store whose frames are still to be written.

        Parameters
        ----------
        path : path-like
            A directory that does not exist.
        grid : Grid
        frames : `~astropy.table.Table`
            With ``name`` (unique), ``time`` (`~astropy.time.Time`) and ``source``; further columns are kept.
        passbands : sequence of int
            In angstrom.
        provenance : str
        calibration : dict
            A text for each passband.
        epochs : dict, optional
            An epoch for some passbands.
        caveats : dict, optional
            A sentence for some passbands.
        weights : dict, optional
            For some sources, the weight of each pixel of the grid in training; 1 unless given.
        field_kind : str, optional
            What the fields are, one of `sunpy_mag2euv.field_kinds.KINDS`.

        Returns
        -------
        Store

        Raises
        ------
        FileExistsError
            If there is something at ``path``.
        ValueError
            If two frames have one name.
        """
        import zarr
        from zarr.codecs import ZstdCodec

        path = Path(path)
        if path.exists():
            raise FileExistsError(f"{path} exists already; give another path, or remove it")
        names, counts = np.unique(frames["name"], return_counts=True)
        if (counts > 1).any():
            raise ValueError(f"every frame needs a name of its own; there is more than one {names[counts > 1][0]}")
        frames = frames.copy()
        frames["rotation"] = carrington_rotation_number(frames["time"])
        frames["b0"] = B0(frames["time"]).to_value("deg")
        text = io.StringIO()
        frames.write(text, format="ascii.ecsv")
        manifest = np.frombuffer(text.getvalue().encode(), dtype=np.uint8)

        count, bands = len(frames), len(passbands)
        # As a whole or not at all, even if the process is killed: a directory in the making is in nobody's way.
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.scratch(path.parent) as hidden:
            group = zarr.create_group(hidden / "store", zarr_format=3)
            group.attrs.put(
                {
                    "format": _FORMAT,
                    "grid": dataclasses.asdict(grid),
                    "passbands": [int(band) for band in passbands],
                    "provenance": provenance,
                    "calibration": {str(band): calibration[band] for band in passbands},
                    "epochs": {str(band): epoch for band, epoch in (epochs or {}).items()},
                    "caveats": {str(band): text for band, text in (caveats or {}).items()},
                    "field_kind": field_kind,
                    "units": {"field": "G", "images": "DN / s"},
                }
            )
            packed: dict[str, Any] = {"compressors": ZstdCodec(level=3, checksum=True)}
            nothing: dict[str, Any] = {"dtype": "float32", "fill_value": np.nan, **packed}
            group.create_array("field", shape=(count, *grid.shape), chunks=(1, *grid.shape), **nothing)
            group.create_array("images", shape=(count, bands, *grid.shape), chunks=(1, 1, *grid.shape), **nothing)
            group.create_array("image_times", shape=(count, bands), dtype="float64", fill_value=np.nan, **packed)
            group.create_array("ceilings", shape=(count, bands), dtype="float32", fill_value=np.inf, **packed)
            group.create_array("done", shape=(count,), dtype="bool", fill_value=False, **packed)
            group.create_array("manifest", data=manifest, **packed)
            sources = group.create_group("weights")
            for source, weight in (weights or {}).items():
                sources.create_array(source, data=np.asarray(weight, dtype=np.float32), **packed)
            os.replace(hidden / "store", path)
        return cls.open(path, "r+")

    @classmethod
    def open(cls, path: str | os.PathLike, mode: str = "r") -> "Store":
        """
        Open a store.

        Parameters
        ----------
        path : path-like
        mode : {"r", "r+"}
            Whether frames will be written.

        Returns
        -------
        Store

        Raises
        ------
        FileNotFoundError
            If there is no store at ``path``.
        ValueError
            If it is a zarr group of another kind or format.
        """
        import zarr

        try:
            group = zarr.open_group(path, mode=mode)  # type: ignore[arg-type]
        except (FileNotFoundError, zarr.errors.GroupNotFoundError):
            raise FileNotFoundError(
                f"there is no training store at {path}; make one with mag2euv data prepare"
            ) from None
        if group.attrs.get("format") != _FORMAT:
            raise ValueError(f"{path} is not a training store of this version; make it anew with mag2euv data prepare")
        return cls(group)

    def write(
        self,
        row: int,
        field: npt.NDArray | None,
        images: dict[Any, Any],
        *,
        times: dict[Any, Any] | None = None,
        ceilings: dict[Any, Any] | None = None,
    ) -> None:
        """
        Write a frame; it counts as done when everything of it is there.

        Parameters
        ----------
        row : int
            In `frames`.
        field : `~numpy.ndarray` or None
            Line-of-sight field in gauss, shape of the grid, 0 off the limb; None for frames of images alone.
        images : dict
            For each passband that the frame has, an image in DN/s, shape of the grid, NaN where there is no data.
        times : dict, optional
            For each of them, the `~astropy.time.Time` of the image; the frame's own unless given.
        ceilings : dict, optional
            For some of them, the DN/s at which values are lower limits.

        Raises
        ------
        ValueError
            If an array is not on the grid, or a passband is not the store's.
        """
        self._check(field, images)
        self._group["done"][row] = self.done[row] = False
        # Nothing is left of an earlier attempt that had more channels.
        self._times[row], self.ceilings[row] = np.nan, np.inf
        self._group["image_times"][row] = self._times[row]
        self._group["ceilings"][row] = self.ceilings[row]
        self._group["field"][row] = np.nan if field is None else field
        self.add(row, images=images, times=times, ceilings=ceilings)
        self.finish(row)

    def add(
        self,
        row: int,
        *,
        field: np.ndarray | None = None,
        images: dict[int, np.ndarray] | None = None,
        times: dict[int, Time] | None = None,
        ceilings: dict[int, float] | None = None,
    ) -> None:
        """
        Write a part of a frame and leave the rest of it as it is; `finish` says when there is no more to come.

        Parameters are those of `write`; what is not given is not touched.

        Raises
        ------
        ValueError
            As by `write`.
        """
        images = images or {}
        self._check(field, images)
        if field is not None:
            self._group["field"][row] = field
        if not images:
            return
        own = Time(self.frames["time"][row])
        for band, image in images.items():
            column = self.passbands.index(band)
            self._group["images"][row, column] = image
            self._times[row, column] = (times or {}).get(band, own).unix
            self.ceilings[row, column] = (ceilings or {}).get(band, np.inf)
        # Only what is completely there has a time.
        self._group["ceilings"][row] = self.ceilings[row]
        self._group["image_times"][row] = self._times[row]

    def finish(self, row: int) -> None:
        """Have a frame count as done."""
        self._group["done"][row] = self.done[row] = True

    def _check(self, field: np.ndarray | None, images: dict[int, np.ndarray]) -> None:
        """ValueError unless a field and images can be written."""
        if unknown := set(images) - set(self.passbands):
            raise ValueError(f"the store has no passband {unknown.pop()}; it has {', '.join(map(str, self.passbands))}")
        for array in (*images.values(), *([] if field is None else [field])):
            if np.shape(array) != tuple(self.grid.shape):
                raise ValueError(f"arrays must have the grid's shape {self.grid.shape}; got {np.shape(array)}")

    def field(self, row: int) -> npt.NDArray:
        """Line-of-sight field of a frame in gauss, NaN if it has none; float32, shape of the grid."""
        return self._group["field"][row]

    def images(self, row: int, passbands: npt.NDArray | Sequence[int] | None = None) -> npt.NDArray:
        """
        Images of a frame.

        Parameters
        ----------
        row : int
        passbands : sequence of int, optional
            All that the store has unless given.

        Returns
        -------
        `~numpy.ndarray`
            In DN/s, float32, shape (passbands, rows, columns), NaN where there is no data.
        """
        columns = self.columns(passbands)
        images = np.full((len(columns), *self.grid.shape), np.nan, dtype=np.float32)
        for image, column in zip(images, columns, strict=True):
            # What is not there need not be looked for.
            if self.has[row, column]:
                image[...] = self._group["images"][row, column]
        return images

    def unsaturated(self, row: int, passbands: npt.NDArray | Sequence[int]) -> dict[Any, npt.NDArray]:
        """
        Images of a frame that networks can be given.

        Parameters
        ----------
        row : int
        passbands : sequence of int

        Returns
        -------
        dict of `~numpy.ndarray`
            By passband, in DN/s, float32, NaN where there is no data or a lower limit only, as in saturated pixels of
            images that a user has.
        """
        ceilings = self.ceilings[row, self.columns(passbands)]
        images = self.images(row, passbands)
        return {
            int(band): np.where(image < ceiling, image, np.float32(np.nan))
            for band, image, ceiling in zip(passbands, images, ceilings, strict=True)
        }

    def columns(self, passbands: npt.NDArray | Sequence[int] | None = None) -> list[int]:
        """Where passbands are in `ceilings`, `has` and the like; all in their order unless given."""
        return [self.passbands.index(band) for band in (self.passbands if passbands is None else passbands)]

    @property
    def binning(self) -> npt.NDArray:
        """How many pixels, in each direction, have one value in a frame's images; integers, shape (frames,)."""
        if "binning" in self.frames.colnames:
            return np.array(self.frames["binning"])
        return np.ones(len(self.frames), dtype=int)

    @property
    def has(self) -> npt.NDArray:
        """Whether a frame has an image of a passband; boolean, shape (frames, passbands)."""
        return self.written & self.done[:, None]

    @property
    def written(self) -> np.ndarray:
        """The same, of frames that are not done as well."""
        return np.isfinite(self._times)

    @property
    def delay(self) -> npt.NDArray:
        """Seconds from a frame's magnetogram to its images, shape (frames, passbands), NaN where there is none."""
        return np.where(self.has, self._times - self.frames["time"].unix[:, None], np.nan)

    def weight(self, row: int) -> npt.NDArray:
        """Weight of each pixel of a frame in training; float32, shape of the grid."""
        source = str(self.frames["source"][row])
        weights = self._group["weights"]
        return weights[source][:] if source in weights else np.ones(self.grid.shape, dtype=np.float32)
