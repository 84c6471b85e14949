"""
How long things take, beside what the machine could do, measured in one run: ``python -m benchmarks``.

What counts is ratios, and those of times from different minutes say little on machines that have other things to do.
pytest-benchmark finishes one function before it begins the next, and asv compares commits by their absolute times. So
there is a runner of our own, which goes round and round through all steps (`benchmarks.rounds`): the package's
(`benchmarks.steps`, `benchmarks.directory`), those of the paper's networks (`benchmarks.peers`) and what the machine
can do at best (`benchmarks.ceilings`). `benchmarks.results` keeps and shows what comes of it, and `benchmarks.guards`
are the ratios that a test looks at. The two other scripts here are not about time.
"""
