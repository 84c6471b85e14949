"""Scores of synthetic images, and the baselines that a score has to be read beside."""

from sunpy_mag2euv.metrics.baselines import Climatology, LeastSquares, PowerLaw
from sunpy_mag2euv.metrics.scores import correlation, pixel_error_share, relative_error

__all__ = ["Climatology", "LeastSquares", "PowerLaw", "correlation", "pixel_error_share", "relative_error"]
