"""Pictures of strangers, decoded by a process of its own that can neither fill the memory, compute for ever nor write.

decoder = Decoder(megapixels=64, side=16_000)
decoder.read(path)  # uint8 (H, W, 3), sRGB, as dataset.picture.read_rgb gives it

What a damaged file makes of the process, its end included, is an error here and nothing more. The process lives as long
as this one, since its start takes longer than a picture.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from tools.web.words import Refused, shown_name

MEMORY, MEMORY_A_PIXEL = 512 << 20, 40  # bytes of address space beside what the process has; the peak of 16-bit PNGs
SECONDS, SECONDS_A_MEGAPIXEL = 2, 0.3  # of processor time
WALL = 4  # times these seconds, of a busy machine's wall clock
ROOT = Path(__file__).resolve().parents[2]


class Decoder:
    """Reads pictures of at most so many million pixels and pixels on a side; one at a time, whoever asks."""

    def __init__(self, megapixels, side):
        self.megapixels, self.side = megapixels, side
        self._lock, self._process = threading.Lock(), None

    def read(self, path):
        """uint8 (H, W, 3), sRGB. Raises Refused."""
        question = {"path": str(path), "megapixels": self.megapixels, "side": self.side}
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                command = [sys.executable, "-m", "tools.web.decoder"]
                environment = {**os.environ, **{f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL")}}
                pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
                self._process = subprocess.Popen(command, cwd=ROOT, env=environment, **pipes)
            watch = threading.Timer(WALL * (2 * SECONDS + SECONDS_A_MEGAPIXEL * self.megapixels), self._process.kill)
            watch.start()
            try:
                self._process.stdin.write(json.dumps(question).encode() + b"\n")
                self._process.stdin.flush()
                answer = json.loads(self._process.stdout.readline(10_000))
                if "refused" not in answer:
                    height, width = answer["size"]
                    if not (0 < height * width <= self.megapixels * 10**6 and max(height, width) <= self.side):
                        raise ValueError
                    picture = np.empty((height, width, 3), np.uint8)
                    if self._process.stdout.readinto(picture) == picture.size:
                        return picture
                    raise EOFError
            except Exception:  # it has ended, or says what it never would
                self.close()
                answer = {"refused": "too_costly"}
            finally:
                watch.cancel()
        raise Refused(answer.pop("refused"), name=shown_name(path), **answer)

    def close(self):
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            with contextlib.suppress(OSError):
                self._process.communicate()
            self._process = None


def main():
    """Answer questions from the standard input until it ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is not an answer
    for line in sys.stdin:
        answer, picture = answered(**json.loads(line))
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.write(b"" if picture is None else picture)
        answers.flush()


def answered(path, megapixels, side):
    """The answer to a question: a dict, and a picture or None."""
    from dataset.picture import EXR, PictureError, limit_megapixels, read_rgb

    too_large = {}

    def look(width, height):
        if height * width > megapixels * 10**6 or max(height, width) > side:
            too_large.update(refused="too_large", height=height, width=width, limit=megapixels, side=side)
            raise PictureError
        limit_megapixels(megapixels)
        with open(path, "rb") as file:  # of floats, which take twice as much
            limit_process(height * width * (2 if file.read(4) == EXR else 1))

    try:
        limit_process(0)
        limit_megapixels(10**6)  # the header is to be told whatever it claims
        picture = np.ascontiguousarray(read_rgb(path, look))
        return {"size": picture.shape[:2]}, picture
    except PictureError as error:
        return too_large or {"refused": "no_picture" if "not a picture" in str(error) else "picture_damaged"}, None
    except MemoryError:
        return {"refused": "too_costly"}, None


def limit_process(pixels):
    """Limit what this process may take from here on, for a picture of so many pixels."""
    with contextlib.suppress(ImportError):  # Windows
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        seconds = used.ru_utime + used.ru_stime + SECONDS + SECONDS_A_MEGAPIXEL * pixels / 10**6
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, resource.RLIM_INFINITY))
        for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
            resource.setrlimit(kind, (0, 0))
        with contextlib.suppress(OSError, ValueError):  # neither macOS
            occupied = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            memory = occupied + MEMORY + MEMORY_A_PIXEL * pixels
            resource.setrlimit(resource.RLIMIT_AS, (memory, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
