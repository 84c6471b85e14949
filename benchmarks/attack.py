"""
Maps that something is wrong with, by the thousand: ``python benchmarks/attack.py --maps 10000``.

What the tests do with some hundred of them, see ``tests/attacks.py``: every Map has to be used or refused as it is
documented, and what comes of it has to be what it says that it is. The first that is not is printed with the seed that
makes it again.
"""

import argparse
import collections
import sys
import traceback
from pathlib import Path

import numpy as np

import sunpy

import sunpy_mag2euv as mag2euv

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import attacks


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--maps", type=int, default=1000, help="how many for each verb (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the first (default: %(default)s)")
    parser.add_argument("--verb", choices=attacks.VERBS, nargs="+", default=list(attacks.VERBS))
    parser.add_argument("--fail", type=int, default=1, help="failures after which to stop (default: %(default)s)")
    arguments = parser.parse_args()

    models = {"generate": mag2euv.load_model("shared-browse"), "translate": mag2euv.load_model("any-browse")}
    # Of Maps that are not as they should be, sunpy has much to tell.
    sunpy.log.setLevel("ERROR")
    failures = 0
    for verb in arguments.verb:
        counts = collections.Counter()
        for seed in range(arguments.seed, arguments.seed + arguments.maps):
            try:
                counts[attacks.VERBS[verb](np.random.default_rng(seed), models.get(verb))] += 1
            except Exception:
                failures += 1
                counts["WRONG"] += 1
                print(f"{verb}, seed {seed}:", traceback.format_exc(limit=-4), sep="\n")
                if failures >= arguments.fail:
                    return 1
        print(f"{verb}: {arguments.maps} Maps,", ", ".join(f"{counts[kind]} {kind}" for kind in sorted(counts)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
