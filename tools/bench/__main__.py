"""Run the benchmarks: `python -m tools.bench` for all, `python -m tools.bench loop_step` for one."""

import argparse
import importlib
import os
import pkgutil
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

NOT_BENCHMARKS = {"__main__", "paired"}


def benchmarks() -> list[str]:
    """The modules of this folder that measure something."""
    import tools.bench

    return sorted(
        module.name for module in pkgutil.iter_modules(tools.bench.__path__) if module.name not in NOT_BENCHMARKS
    )


def main() -> int:
    """Run what is asked for; each benchmark prints its own table."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"which ones (default: all): {', '.join(benchmarks())}")
    names = parser.parse_args().name or benchmarks()
    unknown = [name for name in names if name not in benchmarks()]
    if unknown:
        print(f"unknown benchmark {unknown[0]!r}; there are: {', '.join(benchmarks())}", file=sys.stderr)
        return 2
    for name in names:
        print(f"== {name}", flush=True)
        importlib.import_module(f"tools.bench.{name}").main()
        print(flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
