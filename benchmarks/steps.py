"""What this package does, part by part and end to end, with what each of it needs of the machine at least."""

import copy
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.ceilings import in_new_process, synchronized
from benchmarks.peers import computed_in, paper_model, plain, rms, scaled
from benchmarks.rounds import Step
from sunpy_mag2euv.execution import at_once, number_format
from sunpy_mag2euv.inference import answers, resolve_model
from sunpy_mag2euv.models import FieldModel
from sunpy_mag2euv.preparation import prepare
from sunpy_mag2euv.sample import sample_magnetogram
from sunpy_mag2euv.synthesis import generate

__all__ = ["Setup"]

_CPU = torch.device("cpu")


@dataclass
class Setup:
    """
    What is measured.

    Attributes
    ----------
    device : `torch.device`
    directory : `~pathlib.Path`
        Where files are put.
    models : tuple
        What images are made with, as `~sunpy_mag2euv.generate` takes it, from the coarsest to the finest.
    size : int
        Pixels a side of the magnetogram in memory; that of files has a quarter.
    paper : dict
        Parameters of the paper's network, apart from which it is as in the paper.
    """

    device: torch.device
    directory: object
    models: tuple = ("shared-browse", None)
    size: int = 4096
    paper: dict = field(default_factory=dict)

    def __post_init__(self):
        self.models = [resolve_model(model, FieldModel) for model in self.models]
        self.magnetogram = sample_magnetogram(size=self.size)
        self.fields = [prepare(self.magnetogram, model.grid) for model in self.models]
        self.path = self.directory / "magnetogram.fits"
        sample_magnetogram(size=self.size // 4).save(self.path)
        architecture = {"kind": "generator", **self.paper}
        self.paper_model = paper_model(self.models[-1], architecture, self.fields[-1].values)

    def network_needs(self, model, values, dtype=None):
        """How many operations a model's network takes for a field, by the step that tells how fast these can be."""
        with FlopCounterMode(display=False) as counter, computed_in(torch.float32):
            model.run(values, _CPU)
        dtype = dtype or number_format(model.grid, self.device)
        return {f"convolution, {str(dtype).removeprefix('torch.')}": counter.get_total_flops()}

    def file_needs(self):
        """What a file needs at least of which nine passbands of the last model are written."""
        model = self.models[-1]
        written = 4 * len(model.passbands) * model.grid.shape[0] * model.grid.shape[1]
        network = self.network_needs(model, self.fields[-1].values)
        return {"FITS file read": self.path.stat().st_size, "FITS file written": written, **network}

    def steps(self):
        """
        Make the steps.

        Returns
        -------
        list of Step
        """
        steps = [*self._processes()]
        for model, prepared in zip(self.models, self.fields, strict=True):
            steps += self._calls(model, prepared)
        return steps + self._networks()

    def off(self):
        """How far off images in DN/s are that are computed in another way; root of the mean square, relative."""
        values, off = self.fields[-1].values, {}
        disk = self.models[-1].grid.radius < 1
        with torch.no_grad():
            expected = self._image(self.paper_model.network(_CPU)(scaled(values, _CPU))[0])[disk]
        for dtype in self._formats():
            with computed_in(dtype):
                image = self._image(self.paper_model.run(values, self.device))[disk]
            off[f"the paper's network, {str(dtype).removeprefix('torch.')}"] = rms(image, expected)
        if self.device.type != "cpu":
            here, there = (answers(self.models[-1], self.fields[-1:], device)[0][0] for device in (_CPU, self.device))
            off[self.device.type] = rms(there.value[:, disk], here.value[:, disk])
        return off

    def _image(self, scaled_image):
        return self.paper_model.outputs(scaled_image)[0].value[0]

    def _formats(self):
        """In which numbers networks may be computed here."""
        return list(dict.fromkeys((torch.float32, number_format(self.models[-1].grid, self.device))))

    def _processes(self):
        """New processes."""
        first = (
            "import sys, warnings, sunpy.map, sunpy_mag2euv; warnings.simplefilter('ignore'); "
            "sunpy_mag2euv.generate(sunpy.map.Map(sys.argv[1]), 193, device=sys.argv[2])"
        )
        for name, command, floor in (
            ("import sunpy_mag2euv", ["-c", "import sunpy_mag2euv"], "python -c pass"),
            ("mag2euv --help", ["-m", "sunpy_mag2euv.cli", "--help"], "import sunpy"),
            (
                "first image of a new process",
                ["-c", first, str(self.path), str(self.device)],
                "import sunpy.map, torch",
            ),
        ):
            yield Step(name, lambda command=command: in_new_process(*command), needs={floor: 1})

    def _calls(self, model, prepared):
        """A Map in memory to Maps, and the parts of it, with one of the models."""
        shape, device = f"{model.grid.shape[0]}²", self.device
        passbands, few = model.passbands, at_once(model.grid, device)
        several = max(4, 2 * few)
        fields = np.broadcast_to(prepared.values, (few, *model.grid.shape)) if few > 1 else prepared.values
        run = model.run(prepared.values, device)
        seen = {"copy in memory, read and written": self.magnetogram.data.nbytes}
        network = self.network_needs(model, prepared.values)

        def batch():
            model.run(fields, device)
            synchronized(device)

        return [
            Step(f"preparation, {shape}", lambda: prepare(self.magnetogram, model.grid), needs=seen),
            Step(f"planes and network, {shape}", batch, few, network),
            Step(f"images in DN/s of what it says, {shape}", lambda: model.outputs(run)),
            Step(
                f"Map to one Map, {shape}",
                lambda: generate(self.magnetogram, 193, model=model, device=device),
                needs=seen | network,
            ),
            Step(
                f"Map to nine Maps, {shape}",
                lambda: generate(self.magnetogram, passbands, model=model, device=device),
                needs=seen | network,
            ),
            Step(
                f"Map to nine Maps, {shape}, one of a sequence",
                lambda: list(generate([self.magnetogram] * several, passbands, model=model, device=device)),
                several,
                seen | network,
            ),
        ]

    def _networks(self):
        """The networks alone: from the prepared field to what they say, and nine passbands to images."""
        model, prepared, device = self.models[-1], self.fields[-1], self.device
        shape, float32 = f"{model.grid.shape[0]}²", torch.float32
        trained = model.network(device)
        # Each has weights of its own, as nine passbands have in the paper.
        papers = [copy.deepcopy(self.paper_model.network(device)) for _ in model.passbands]
        needs = self.network_needs(self.paper_model, prepared.values, float32)

        def eager():
            plain(trained, model.inputs(prepared.values)[None].to(device))
            synchronized(device)

        def peer():
            plain(papers[0], scaled(prepared.values, device))
            synchronized(device)

        def peers():
            for network in papers:
                self.paper_model.outputs(plain(network, scaled(prepared.values, device))[0])

        def quick(dtype):
            with computed_in(dtype):
                self.paper_model.run(prepared.values, device)
                synchronized(device)

        steps = [
            Step(
                f"planes and network, {shape}, plain float32",
                eager,
                needs=self.network_needs(model, prepared.values, float32),
            ),
            Step(f"field to nine images in DN/s, {shape}", lambda: answers(model, [prepared], device)),
            Step(
                f"field to nine images in DN/s, {shape}, nine of the paper's networks, plain float32",
                peers,
                needs={ceiling: 9 * amount for ceiling, amount in needs.items()},
            ),
            Step(f"the paper's network, {shape}, plain float32", peer, needs=needs),
        ]
        for dtype in self._formats():
            name = f"the paper's network, {shape}, {str(dtype).removeprefix('torch.')} of this package"
            needs = self.network_needs(self.paper_model, prepared.values, dtype)
            steps.append(Step(name, lambda dtype=dtype: quick(dtype), needs=needs))
        return steps
