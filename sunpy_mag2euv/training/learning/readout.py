"""
Passbands with too few images to train a network on: read from one that was trained on others.

A network that makes the corona in some passbands has found, on the way, what of the field matters. For a passband with
a handful of images, only the last convolution is made: pixel by pixel, linear in what the network has found and in its
input, by ridge regression (Hoerl & Kennard 1970, Technometrics 12, 55, doi:10.2307/1267351). That takes seconds, so
every set of images can be left out in turn to see how well the rest predict it.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from sunpy_mag2euv.metrics import Climatology, LeastSquares, PowerLaw, standard_errors
from sunpy_mag2euv.metrics.scores import check_binning, paper_binning
from sunpy_mag2euv.training.data.store import Store
from sunpy_mag2euv.training.learning.calibration import deviation_factor
from sunpy_mag2euv.training.learning.card import BASELINES, block_factor, score_pair, table_of_images

if TYPE_CHECKING:
    from astropy.table import Table

    from sunpy_mag2euv.models import Model
    from sunpy_mag2euv.scaling import LinearScaling

__all__ = ["Sample", "extend", "fit", "leave_one_out", "read_sample", "score_left_out"]

#: Strength of the penalty on the coefficients of features with unit variance, for pixels whose weights add up to one.
#: On the passbands that are not scarce, read in the same way from the few frames that have all passbands, the mean
#: correlation hardly depends on it (0.01 to 0.3: within 0.01). This much is what 1600 and 1700 Å need to do better than
#: climatology and power law on each of their images; with a tenth of it they do not, on two of ten.
_PENALTY = 0.3

#: Mean of the natural logarithm of the absolute value of a standard normal variable, -(γ + ln 2)/2.
_MEAN_LOG_NORMAL = -(np.euler_gamma + np.log(2)) / 2


@dataclasses.dataclass(frozen=True)
class Sample:
    """
    Images of one passband with what the network finds in their fields.

    Attributes
    ----------
    rows : list of int
        Of the store's manifest, one for each image.
    rotations : `~numpy.ndarray`
        Carrington rotation number of each image, an integer.
    features : `torch.Tensor`
        Shape (images, features, H, W).
    images : `torch.Tensor`
        Scaled, shape (images, H, W), NaN where there is no data.
    weights : `torch.Tensor`
        Of the pixels, shape (images, H, W).
    penalty : `torch.Tensor`
        Of the coefficients, shape (features,).
    """

    rows: list
    rotations: np.ndarray
    features: torch.Tensor
    images: torch.Tensor
    weights: torch.Tensor
    penalty: torch.Tensor

    def part(self, chosen: Any) -> "Sample":
        """The images for which the boolean array ``chosen`` is true."""
        (numbers,) = np.nonzero(chosen)
        features, images, weights = (tensor[numbers] for tensor in (self.features, self.images, self.weights))
        rows = [self.rows[number] for number in numbers]
        return Sample(rows, self.rotations[numbers], features, images, weights, self.penalty)


def read_sample(model: "Model", store: Store, band: int, scaling: "LinearScaling") -> Sample:
    """
    Every image of a passband that a store has.

    Parameters
    ----------
    model : Model
        With a `~sunpy_mag2euv.network.SharedUNet`.
    store : Store
    band : int
        In angstrom.
    scaling : LinearScaling
        Of the images.

    Returns
    -------
    Sample
    """
    (column,) = store.columns([band])
    rows = [int(row) for row in np.nonzero(store.has[:, column])[0]]
    network: Any = model.network(torch.device("cpu"))
    with torch.inference_mode():
        features = torch.cat([network.features(model.inputs(store.field(row))[None]) for row in rows])
    images = np.stack([scaling.forward(store.images(row, [band])[0]) for row in rows])
    weights = np.stack([store.weight(row) for row in rows])
    rotations = np.floor(np.array(store.frames["rotation"])[rows]).astype(int)
    # Limb darkening is known from thousands of pixels of each image, so what says only where a pixel is goes free.
    found = features.shape[1] - len(model.planes)
    free = [plane in ("mu", "radius", "disk") for plane in model.planes]
    penalty = torch.tensor([_PENALTY] * found + [0 if there else _PENALTY for there in free])
    return Sample(rows, rotations, features, torch.from_numpy(images).float(), torch.from_numpy(weights), penalty)


def fit(sample: Sample) -> tuple[Any, Any]:
    """
    Read a passband from features.

    Parameters
    ----------
    sample : Sample

    Returns
    -------
    image, logarithm : tuple of `torch.Tensor` and float
        Coefficients, shape (features,), and constant, of the scaled image and of the natural logarithm of its standard
        deviation.
    """
    # (images, features, H, W) → (pixels, features): all pixels with data, on the disk and off it.
    known = torch.isfinite(sample.images)
    features = sample.features.movedim(1, -1)[known].double()
    values, weights = sample.images[known].double(), sample.weights[known].double()
    image = _ridge(features, values, weights, sample.penalty)
    residual = (values - features @ image[0] - image[1]).abs()
    # 8-bit images are known to about 0.004 of the scaled range, so that smaller residuals say nothing.
    logarithm = _ridge(features, residual.clamp(min=4e-3).log() - _MEAN_LOG_NORMAL, weights, sample.penalty)
    return image, logarithm


def _ridge(features: Any, values: torch.Tensor, weights: Any, penalty: Any) -> tuple:
    """Coefficients and constant of the weighted ridge regression of ``values`` on ``features``."""
    weights = weights / weights.sum()
    center, level = weights @ features, weights @ values
    features = features - center
    scale = (weights @ features.square()).sqrt().clamp(min=1e-9)
    features = features / scale
    normal = (features * weights[:, None]).T @ features
    # The last term is there for features that are the same everywhere.
    normal.diagonal().add_(penalty + 1e-9)
    slope = torch.linalg.solve(normal, (features * weights[:, None]).T @ (values - level)) / scale
    return slope, float(level - center @ slope)


def leave_one_out(sample: Sample, scaling: "LinearScaling") -> Iterator[Any]:
    """
    Predict each image from those of other rotations.

    Parameters
    ----------
    sample : Sample
    scaling : LinearScaling
        Of the images.

    Yields
    ------
    number : int
        Of the image in ``sample``; an image for which there is none of another rotation is left out.
    others : Sample
        What it is predicted from.
    image, deviation : `~numpy.ndarray`
        In DN/s, shape (H, W).
    """
    for number, rotation in enumerate(sample.rotations):
        others = sample.part(sample.rotations != rotation)
        if others.rows:
            scaled = [
                torch.einsum("f,fhw->hw", slope.float(), sample.features[number]) + level
                for slope, level in fit(others)
            ]
            image, deviation = scaling.moments(scaled[0], scaled[1].clamp(-5.5, -0.5).exp())
            yield number, others, image.numpy(), deviation.numpy()


def extend(model: Any, store: Store, scalings: "dict[int, LinearScaling]") -> Any:
    """
    Give a model more passbands, read from its network's features.

    Parameters
    ----------
    model : Model
        With a `~sunpy_mag2euv.network.SharedUNet` that gives deviations.
    store : Store
    scalings : dict of LinearScaling
        Of the images of the passbands to add (int, angstrom), of which the store has some.

    Returns
    -------
    Model
        With all passbands, in ascending order. The factors of the new standard deviations are those with which they
        hold what they say about images left out, see `leave_one_out`.
    """
    network: Any = model.network(torch.device("cpu"))
    count = len(model.image_scalings)
    # For each passband, kernel and bias of its two planes.
    planes = {
        band: [(network.read.weight[row], network.read.bias[row]) for row in (number, count + number)]
        for number, band in enumerate(model.image_scalings)
    }
    images, factors = dict(model.training_images), dict(model.deviation_factors)
    for band, scaling in scalings.items():
        sample = read_sample(model, store, band, scaling)
        (image, level), (logarithm, usual) = fit(sample)
        planes[band] = [_kernel(image, level), _kernel(logarithm, usual - network.usual_deviation)]
        images[band] = len(sample.rows)
        errors = _errors_left_out(store, band, sample, scaling)
        # With images of one rotation only, there is nothing to tell by.
        if np.isfinite(errors).any():
            factors[band] = deviation_factor(errors)
    bands = sorted(planes)
    kernels, biases = zip(*(planes[band][plane] for plane in (0, 1) for band in bands), strict=True)
    known = {**model.image_scalings, **scalings}
    return dataclasses.replace(
        model,
        architecture={**model.architecture, "out_channels": len(bands)},
        image_scalings={band: known[band] for band in bands},
        calibration={band: store.calibration[band] for band in bands},
        epochs={band: store.epochs[band] for band in bands if band in store.epochs},
        caveats={band: store.caveats[band] for band in bands if band in store.caveats},
        training_images={band: images[band] for band in bands},
        deviation_factors={band: factors[band] for band in bands if band in factors},
        state={**model.state, "read.weight": torch.stack(kernels), "read.bias": torch.stack(biases)},
    )


def _kernel(slope: Any, level: Any) -> tuple:
    """Kernel of 3×3 pixels, of which only the middle one counts, and bias."""
    kernel = torch.zeros(len(slope), 3, 3)
    kernel[:, 1, 1] = slope
    return kernel, torch.tensor(level)


def _errors_left_out(store: Store, band: int, sample: Sample, scaling: "LinearScaling") -> npt.NDArray:
    """Errors on the disk of all images left out, in units of the standard deviation."""
    (column,) = store.columns([band])
    errors = [np.empty(0)]
    for number, _, image, deviation in leave_one_out(sample, scaling):
        row = sample.rows[number]
        observed, ceiling = store.images(row, [band])[0], store.ceilings[row, column]
        errors.append(standard_errors(image, deviation, observed, ceiling)[store.grid.radius < 1])
    return np.concatenate(errors)


def score_left_out(models: "Sequence[Model]", config: dict[Any, Any], *, binning: int | None = None) -> "Table":
    """
    Score models' scarce passbands on images that they were not read from.

    Parameters
    ----------
    models : sequence of Model
        With a `~sunpy_mag2euv.network.SharedUNet` that gives deviations, trained on other frames.
    config : dict
        Whose store and ``data.scarce`` are used; see `~sunpy_mag2euv.training.learning.config.load_config`.
    binning : int, optional
        As `~sunpy_mag2euv.training.learning.card.score_images` takes it.

    Returns
    -------
    `~astropy.table.Table`
        As that of `~sunpy_mag2euv.training.learning.card.score_images`, with the baselines that need no other
        image. Read-out and baselines are fitted, for each image anew, to the images of all other rotations.

    Raises
    ------
    ValueError
        If there are no scarce passbands, a model lacks one, gives no deviations or has another grid than the store, or
        ``binning`` is not a positive integer.
    """
    if binning is not None:
        check_binning(binning)
    store, bands = Store.open(config["data"]["store"]), config["data"]["scarce"]
    if not bands:
        raise ValueError("the configuration has no scarce passbands; give data.scarce")
    for model in models:
        if model.grid != store.grid:
            raise ValueError(f"the model {model.name} works on {model.grid}, the store's frames are on {store.grid}")
        if not model.gives_deviations:
            raise ValueError(f"the model {model.name} gives no deviations, so that nothing can be read from it")
        if missing := [band for band in bands if band not in model.image_scalings]:
            raise ValueError(f"the model {model.name} has no passband {missing[0]}; take it out of data.scarce")
    binning = paper_binning(store.grid.solar_radius) if binning is None else binning
    rows = []
    for band in bands:
        for model in models:
            scaling = model.image_scalings[band]
            sample = read_sample(model, store, band, scaling)
            for number, others, image, deviation in leave_one_out(sample, scaling):
                predicted = {model.name: (image, deviation * model.deviation_factors.get(band, 1))}
                if model is models[0]:
                    predicted |= _baselines(store, band, scaling, sample.rows[number], others.rows)
                factor = block_factor(model, band, binning)
                rows += _score_rows(store, band, sample.rows[number], predicted, binning=binning, factor=factor)
    return table_of_images(rows, store, models, binning)


def _baselines(store: Store, band: int, scaling: "LinearScaling", row: int, others: Any) -> Any:
    """Images of a frame by the baselines, fitted to other frames; they give no deviations."""
    images = {}
    for name, kind in zip(BASELINES, (Climatology, PowerLaw, LeastSquares), strict=False):
        observed = (scaling.forward(store.images(other, [band])[0]) for other in others)
        baseline = kind(store.grid).fit((store.field(other) for other in others), observed, store.weight(row))
        images[name] = scaling.inverse(baseline.predict(store.field(row))), None
    return images


def _score_rows(store: Store, band: int, row: int, predicted: Any, **settings: Any) -> list[tuple]:
    """Rows for one image; ``settings`` are those of `score_pair`."""
    observed = store.images(row, [band])[0]
    return [
        (band, row, method, region, *scores)
        for method, (image, deviation) in predicted.items()
        for region, scores in score_pair(image, observed, band, store, row, deviation, **settings).items()
    ]
