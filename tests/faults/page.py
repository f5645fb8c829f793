"""Load the web page with visitors at once, good and hostile ones: memory must stay flat, and nothing may be left.

python -m tests.faults.page --minutes 5
"""

import argparse
import collections
import random
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

import httpx
import psutil

from tests.app_server import serving
from tests.prediction.test_predictor import scene
from tests.web import hostile
from tests.web.visitor import Visitor, pictures, png

VISITORS = 30


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    args = parser.parse_args(argv)
    pair = [png(picture) for picture in scene(176, 168)]
    cases = list(hostile.pictures(pair[0]).values())
    counts, memory = collections.Counter(), []
    with tempfile.TemporaryDirectory() as folder, serving(folder, "--keep-minutes", "1", "--queue", "100") as served:
        address, process = served
        end = time.monotonic() + 60 * args.minutes
        threads = [threading.Thread(target=visit, args=(address, n, pair, cases, end, counts)) for n in range(VISITORS)]
        for thread in threads:
            thread.start()
        while time.monotonic() < end:
            time.sleep(10)
            assert process.poll() is None, (Path(folder) / "page.log").read_text()[-2000:]
            tree = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
            memory.append(sum(psutil.Process(pid).memory_info().rss for pid in tree) >> 20)
        for thread in threads:
            thread.join()
        time.sleep(100)  # a minute's age, and the sweep every half minute
        left = [
            path for path in Path(folder).glob("matting-page-*/**/*") if path.is_file() and "examples" not in path.parts
        ]
        assert Visitor(address).upload("a.png", pair[0]), "it does not serve any more"
    third = len(memory) // 3
    print(f"{dict(counts)}; MiB after a third {memory[third]}, after two {memory[2 * third]}, at the end {memory[-1]}")
    print(f"{len(left)} files left: {left[:5]}")
    return 1 if left else 0


def visit(address, number, pair, cases, end, counts):
    """Send good and hostile pairs in turn until the time is up."""
    rng = random.Random(number)
    visitor = Visitor(address, f"visitor{number}")
    with closing(visitor.http):
        while time.monotonic() < end:
            good = rng.random() < 0.5
            try:
                name, data = ("a.png", pair[0] + bytes(rng.randrange(99))) if good else rng.choice(cases)
                src, bgr = visitor.upload(name, data), visitor.upload("b.png", pair[1])
                said = visitor.matte(src, bgr)
                if isinstance(said, list):
                    visitor.get(rng.choice(pictures(said)))
                counts["good " * good + ("answered" if isinstance(said, list) else "refused")] += 1
            except (httpx.HTTPError, OSError) as error:
                counts[type(error).__name__] += 1


if __name__ == "__main__":
    raise SystemExit(main())
