"""`python -m tests.bench [NAME…]`: run all benchmarks, or those named, one after another."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NOT_A_BENCH = {"__init__", "__main__", "harness"}


def main(names: list[str]) -> int:
    there = sorted({path.stem for path in HERE.glob("*.py")} - NOT_A_BENCH)
    unknown = [name for name in names if name not in there]
    if unknown:
        print(
            f"There is no benchmark {unknown[0]}; there are: {', '.join(there) or 'none'}.", file=sys.stderr
        )
        return 2
    # Each in a process of its own: what one has loaded must not warm the next.
    codes = [subprocess.call([sys.executable, "-m", f"tests.bench.{name}"]) for name in names or there]
    return max(codes, default=0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
