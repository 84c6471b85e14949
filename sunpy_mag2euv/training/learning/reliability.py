"""How often the truth is within intervals that should hold it a given share of the time, over all pixels scored."""

from typing import Any

import numpy as np

from astropy.table import Table

from sunpy_mag2euv.metrics import coverage

__all__ = ["Reliability"]

#: Shares that intervals should hold.
_SHARES = np.arange(1, 20) / 20

#: Where there is field to see, and where it is seen from the side.
_REGIONS = ("disk", "limb")


class Reliability:
    """
    Counts, over many images, of the pixels within the intervals that standard deviations say.

    Handed to `~sunpy_mag2euv.training.learning.card.score_images`, it counts while that scores, so that networks run
    once.
    """

    def __init__(self) -> None:
        self._counts: dict[Any, Any] = {}

    def add(self, model: str, passband: int, errors: dict[Any, Any], binning: int = 1) -> None:
        """
        Count the pixels of one image.

        Parameters
        ----------
        model : str
            Name.
        passband : int
            In angstrom.
        errors : dict
            By region, errors in units of the standard deviation (`~sunpy_mag2euv.metrics.standard_errors`). NaN does
            not count, nor do regions other than "disk" and "limb".
        binning : int, optional
            Pixels a side of the blocks that the errors are of; those of other blocks are counted by themselves.
        """
        for region in _REGIONS:
            number = np.count_nonzero(~np.isnan(errors[region]))
            if number:
                within = np.rint(coverage(errors[region], _SHARES) * number).astype(int)
                counted = self._counts.get((model, passband, int(binning), region), 0)
                self._counts[model, passband, int(binning), region] = counted + np.append(within, number)

    def table(self) -> Table:
        """
        Put what has been counted together.

        Returns
        -------
        `~astropy.table.Table`
            A row for each model, passband, binning, region and share: ``model``, ``passband``, ``binning``,
            ``region``; ``share``, what the interval should hold; ``coverage``, what it does hold; and ``pixels``, of
            how many, which are blocks if ``binning`` is more than 1.
        """
        rows = [
            (*key, share, within / counts[-1], counts[-1])
            for key, counts in self._counts.items()
            for share, within in zip(_SHARES, counts[:-1], strict=True)
        ]
        names = ("model", "passband", "binning", "region", "share", "coverage", "pixels")
        return Table(rows=rows, names=names, dtype=(str, int, int, str, float, float, int))
