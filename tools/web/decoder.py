"""Pictures of strangers, decoded by a process of its own that can neither fill the memory, compute for ever nor write.

decoder = Decoder(megapixels=64, side=16_000)
decoder.size(path), decoder.read(path)  # height and width; uint8 (H, W, 3), sRGB

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

MEMORY, MEMORY_A_PIXEL = 512 << 20, 40  # bytes of address space beside what the process has; the peak of 16-bit PNGs
SECONDS, SECONDS_A_MEGAPIXEL = 2, 0.3  # of processor time
WALL = 4  # times these seconds, of a busy machine's wall clock
ROOT = Path(__file__).resolve().parents[2]


class Undecodable(ValueError):
    """A picture that is refused; `key` is one of tools.web.words.WORDS, `values` what its sentence says."""

    def __init__(self, key, **values):
        super().__init__(key)
        self.key, self.values = key, values


class Decoder:
    """Reads pictures of at most so many million pixels and pixels on a side; one at a time, whoever asks."""

    def __init__(self, megapixels, side):
        self.megapixels, self.side = megapixels, side
        self._lock, self._process = threading.Lock(), None

    def size(self, path):
        """Height and width by the file's header. Raises Undecodable."""
        return self._ask(path, decode=False)

    def read(self, path):
        """uint8 (H, W, 3), sRGB. Raises Undecodable."""
        return self._ask(path, decode=True)

    def close(self):
        """End the process, if there is one."""
        with self._lock:
            self._end()

    def _ask(self, path, decode):
        question = {"path": str(path), "decode": decode, "megapixels": self.megapixels, "side": self.side}
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._process = self._started()
            limit = WALL * (2 * SECONDS + SECONDS_A_MEGAPIXEL * self.megapixels)
            watch = threading.Timer(limit, self._process.kill)
            watch.start()
            try:
                self._process.stdin.write(json.dumps(question).encode() + b"\n")
                self._process.stdin.flush()
                answer = json.loads(self._process.stdout.readline(10_000))
                if "refused" in answer:
                    raise Undecodable(answer.pop("refused"), **answer)
                height, width = (int(side) for side in answer["size"])
                if not (0 < height * width <= self.megapixels * 10**6 and max(height, width) <= self.side):
                    raise ValueError
                if not decode:
                    return height, width
                picture = np.empty((height, width, 3), np.uint8)
                rest = memoryview(picture).cast("B")
                while rest:
                    read = self._process.stdout.readinto(rest)
                    if not read:
                        raise EOFError
                    rest = rest[read:]
                return picture
            except Undecodable:
                raise
            except Exception:  # it has ended, or says what it never would
                self._end()
                raise Undecodable("too_costly") from None
            finally:
                watch.cancel()

    def _started(self):
        threads = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL")}
        return subprocess.Popen(
            [sys.executable, "-m", "tools.web.decoder"],
            cwd=ROOT,
            env={**os.environ, **threads},
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def _end(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()
            self._process = None


def main():
    """Answer questions from the standard input until it ends."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a library prints is not an answer
    for line in sys.stdin:
        _answer(answers, **json.loads(line))


def _answer(answers, path, decode, megapixels, side):
    from dataset.decode import RAW_SUFFIXES, picture_size
    from dataset.picture import PictureError, limit_megapixels, read_rgb

    picture, limits = None, {"limit": megapixels, "side": side}
    try:
        _limit(0)
        if path.lower().endswith(RAW_SUFFIXES):  # its header would be told by one library, its pixels by another
            raise PictureError("not a picture for the page")
        limit_megapixels(10**6)  # the header is to be told whatever it claims
        height, width = picture_size(Path(path))
        if height * width > megapixels * 10**6 or max(height, width) > side:
            answer = {"refused": "too_large", "height": height, "width": width, **limits}
        elif height * width == 0:
            answer = {"refused": "damaged"}
        elif decode:
            limit_megapixels(megapixels)
            _limit(height * width)
            picture = np.ascontiguousarray(read_rgb(path))
            answer = {"size": picture.shape[:2]}
        else:
            answer = {"size": (height, width)}
    except PictureError as error:
        answer = {"refused": "no_picture" if "not a picture" in str(error) else "damaged"}
    except MemoryError:
        answer = {"refused": "too_costly"}
    answers.write(json.dumps(answer).encode() + b"\n")
    rest = memoryview(picture).cast("B") if picture is not None else b""
    while rest:
        rest = rest[answers.write(rest) :]


def _limit(pixels):
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
