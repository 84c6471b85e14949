"""Scores of synthetic images, and the baselines that a score has to be read beside."""

from sunpy_mag2euv.metrics.baselines import Climatology, LastRotation, LeastSquares, PowerLaw, SameAge, skill_score
from sunpy_mag2euv.metrics.bootstrap import MeanInterval, mean_interval
from sunpy_mag2euv.metrics.coverage import coverage, standard_errors
from sunpy_mag2euv.metrics.regions import REGIONS, find_regions, stonyhurst_longitude
from sunpy_mag2euv.metrics.scores import (
    bin_image,
    correlation,
    pixel_error_share,
    relative_error,
    root_mean_square_error,
    structural_similarity,
    structural_similarity_map,
)
from sunpy_mag2euv.metrics.spectrum import FINE_SCALES, FINEST_SCALES, spectrum_ratio, structure_ratio

__all__ = [
    "FINEST_SCALES",
    "FINE_SCALES",
    "REGIONS",
    "Climatology",
    "LastRotation",
    "LeastSquares",
    "MeanInterval",
    "PowerLaw",
    "SameAge",
    "bin_image",
    "correlation",
    "coverage",
    "find_regions",
    "mean_interval",
    "pixel_error_share",
    "relative_error",
    "root_mean_square_error",
    "skill_score",
    "spectrum_ratio",
    "standard_errors",
    "stonyhurst_longitude",
    "structural_similarity",
    "structural_similarity_map",
    "structure_ratio",
]
