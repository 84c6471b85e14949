"""
How long the steps of a synthesis take, side by side in one run: ``python benchmarks/synthesis.py``.

The yardstick is what the code of Park et al. 2019 has to do for the same nine images: nine networks of 54 million
parameters on 1024² pixels, one after the other, in plain eager float32. Absolute times are this machine's; the ratios
are what to quote. The default model's images have 1024² pixels as well, those of the quick look 256².
"""

import argparse
import platform
import statistics
import subprocess
import sys
import time

import numpy as np
import torch

from sunpy_mag2euv.disk import Disk, visible_limb
from sunpy_mag2euv.headers import check_geometry
from sunpy_mag2euv.maps import check_map, check_pixels
from sunpy_mag2euv.models import load_model
from sunpy_mag2euv.network import Generator
from sunpy_mag2euv.preparation import prepare
from sunpy_mag2euv.sample import sample_magnetogram
from sunpy_mag2euv.validity import assess


def seconds(function, repeats):
    """Median time of a function, after one call that is not counted."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def import_seconds():
    """What ``import sunpy_mag2euv`` adds to ``import sunpy.map``, in a new process."""
    script = (
        "import time, sunpy.map; start = time.perf_counter(); import sunpy_mag2euv; print(time.perf_counter() - start)"
    )
    return float(subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--repeats", type=int, default=3, help="runs of each step, of which the median counts")
    arguments = parser.parse_args()

    device = torch.device("cpu")
    model, quick = load_model(), load_model("shared-browse")
    magnetogram = sample_magnetogram(size=4096)
    field = prepare(magnetogram, model.grid).values
    generators = [Generator().eval() for _ in model.passbands]
    image = torch.zeros(1, 1, 1024, 1024)

    def paper():
        with torch.inference_mode():
            for generator in generators:
                generator(image)

    values, disk = np.array(magnetogram.data, dtype=np.float32), Disk.of(magnetogram)
    prepared = prepare(magnetogram, model.grid)

    def look():
        check_map(magnetogram, "the magnetogram")
        check_pixels(magnetogram, "the magnetogram")
        check_geometry(magnetogram, "the magnetogram", "another")
        visible_limb(values, disk, np.isfinite)
        assess(prepared, model, model.passbands)

    importing = statistics.median(import_seconds() for _ in range(arguments.repeats))
    preparing = seconds(lambda: prepare(magnetogram, model.grid), arguments.repeats)
    looking = seconds(look, arguments.repeats)
    default = seconds(lambda: model.outputs(model.run(field, device)), arguments.repeats)
    coarse = prepare(magnetogram, quick.grid).values
    quickly = seconds(lambda: quick.outputs(quick.run(coarse, device)), arguments.repeats)
    nine = seconds(paper, arguments.repeats)

    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"median of {arguments.repeats} runs of each step")
    print(f"import, on top of sunpy.map               {importing:8.3f} s")
    print(f"prepare a 4096² magnetogram               {preparing:8.3f} s")
    print(f"look for what is wrong with it             {looking:8.4f} s  (counted in, but for the last of it)")
    print(f"nine passbands, {model.name:25} {default:8.3f} s  (1024² pixels)")
    print(f"nine passbands, {quick.name:25} {quickly:8.3f} s  (256² pixels)")
    print(f"nine passbands, nine networks of P19      {nine:8.3f} s  (1024² pixels)")
    print(f"ratio of P19 to the default model         {nine / default:8.1f}")
    print(f"ratio with the preparation counted in     {(nine + preparing) / (default + preparing):8.1f}")


if __name__ == "__main__":
    main()
