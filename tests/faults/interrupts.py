"""Send Ctrl-C (SIGINT, to all processes of a door, as a terminal does), SIGTERM and kill -9 (to the door alone).

python -m tests.faults.interrupts                    prints rows of the table in tests/README.md
python -m tests.faults.interrupts --only train.py    cases whose name begins so

Checked each time: the exit code, the last line printed and how many lines there are, processes and temporary files that
are left, files that cannot be read whole, and that the same command, told to resume, completes the work.
"""

import argparse
import fcntl
import os
import pty
import re
import signal
import socket
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

from tests.drawn_data import make_data
from tests.faults.playground import FAST, QUIET, clip, count_frames, left_over, pictures, row, start, training, wait_for
from utils.picture.write import write_picture

SIGNALS = {"Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM, "kill -9": signal.SIGKILL}
CODES = {"Ctrl-C": 130, "SIGTERM": 143, "kill -9": 137}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="beginning of a case's name")
    args = parser.parse_args(argv)
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # jobs in the background ignore it, and so do their children
    bad = 0
    for name, prepare in CASES.items():
        for kind in SIGNALS:
            if name.startswith(args.only):
                with tempfile.TemporaryDirectory() as folder:
                    bad += interrupt(name, kind, Path(folder), prepare)
    return 1 if bad else 0


def interrupt(name, kind, folder, prepare):
    """Try one case and print its row; returns whether something was not as it should be."""
    command, condition, resumed = prepare(folder)
    for place in ("tmp", "cache", "out"):
        (folder / place).mkdir(exist_ok=True)
    environ = {
        "TMPDIR": folder / "tmp",
        "PYTHON": sys.executable,  # for run.sh
        "MATTING_CACHE": folder / "cache" if "engine" in name else os.environ.get("MATTING_CACHE", ""),
    }
    environ = {key: str(value) for key, value in environ.items()}
    with open(folder / "said", "w+") as said:
        terminal, worker = pty.openpty()
        os.set_blocking(terminal, False)
        fcntl.ioctl(worker, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))  # bars need some columns
        process = start(*command, env=environ, start_new_session=True, stdout=said, stderr=worker)
        os.close(worker)
        shown = Terminal(terminal)
        try:
            wait_for(lambda: condition(process, shown), process)
        except RuntimeError as error:
            print(shown.text()[-2000:], (folder / "said").read_text()[-1000:], file=sys.stderr)
            raise SystemExit(f"{name}: {error}") from None
        sent = time.monotonic()
        everybody = kind == "Ctrl-C" or (kind == "kill -9" and command[0] == "sh")  # a shell can do nothing about it
        os.kill(-process.pid if everybody else process.pid, SIGNALS[kind])
        while process.poll() is None:
            shown.text()
            time.sleep(0.02)
            if time.monotonic() - sent > 120:
                os.kill(-process.pid, signal.SIGKILL)
        seconds = time.monotonic() - sent
        lines = [line for line in shown.text().replace("\r", "\n").splitlines() if line.strip()]
    code = process.returncode if process.returncode >= 0 else 128 - process.returncode
    time.sleep(10 if kind == "kill -9" else 0.5)  # they have to see for themselves that their parent is gone
    children = session(process.pid)
    for child in children:
        os.kill(child, signal.SIGKILL)
    left = left_over(folder / "out", folder / "tmp", folder / "checkpoint", folder / "cache")
    if kind == "kill -9":  # nobody is there who could remove them
        left = [what for what in left if not what.startswith("temporary")]
    traceback = sum("Traceback" in line for line in lines)
    last = [line for line in lines if "it/s" not in line and "%|" not in line][-1:] or ["nothing"]
    problems = [f"exit code {code}"] * (code != (CODES[kind] if name != "page" or kind == "kill -9" else 0)) + [
        "a traceback"
    ] * bool(traceback)
    problems += [f"{len(children)} processes left"] * bool(children) + left
    after = resumed(environ) if resumed else "nothing to resume"
    row(
        f"{name}: {kind}",
        "python -m tests.faults.interrupts",
        f'code {code} after {seconds:.1f} s, "{last[0]}"; '
        f"{', '.join(problems) if problems else 'nothing half-written or left running'}; {after}",
    )
    return bool(problems)


class Terminal:
    """What a program has written to its terminal so far."""

    def __init__(self, descriptor):
        self.descriptor, self.seen = descriptor, b""

    def text(self):
        try:
            while piece := os.read(self.descriptor, 1 << 16):
                self.seen += piece
        except (BlockingIOError, OSError):  # nothing new, or the program has ended
            pass
        return self.seen.decode(errors="replace")


def session(leader):
    """Numbers of the processes of a session that are still there."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def loaded(library):
    """A condition: the process has begun to load a library."""
    return lambda process, shown: library in maps(process.pid)


def maps(pid):
    try:
        return Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return ""


def exists(folder, pattern):
    """A condition: there is a file of this name."""
    return lambda process, shown: any(Path(folder).rglob(pattern))


def finish(command, check):
    """What to do afterwards: run the same command again, told to resume; returns what to say of it."""

    def resumed(environ):
        process = start(*command, env=environ)
        said, _ = process.communicate(timeout=600)
        return (
            f"a second run completed it ({check(said)})" if process.returncode == 0 else f"AGAIN FAILED: {said[-300:]}"
        )

    return resumed


def importing(door, library, *flags):
    def prepare(folder):
        return [door, *flags], loaded(library), None

    return prepare


def one_picture(folder):
    command = ["predict.py", *pictures(folder, 1), "--output-dir", folder / "out"]
    command[2] = folder / "src" / "00000a.png"
    return command, exists(folder / "cache", ".*"), finish(command, lambda said: "3 results")


def picture_folder(folder):
    command = ["predict.py", *pictures(folder, 300), "--output-dir", folder / "out", "--skip-existing"]

    def check(said):
        skipped = next(line for line in said.splitlines() if line.startswith("skipped"))
        count = sum(1 for _ in (folder / "out").rglob("*.png"))
        assert count == 900, said
        return f"{skipped}; {count} files"

    return command, exists(folder / "out", "00003a.png"), finish(command, check)


def video(folder):
    command = ["predict.py", *clip(folder, 600), "--output-dir", folder / "out", "--output-types", "pha"]

    def condition(process, shown):
        return any(path.stat().st_size for path in (folder / "out").glob(".*.mp4"))

    def check(said):
        return f"{count_frames(folder / 'out' / 'clip_pha.mp4')} frames"

    def resumed(environ):
        kept = [f"a playable file of {count_frames(path)} frames" for path in (folder / "out").glob("[!.]*.mp4")]
        (folder / "out" / "clip_pha.mp4").unlink(missing_ok=True)
        return (kept or ["no file"])[0] + "; " + finish(command, check)(environ)

    return command, condition, resumed


def frame_sequence(folder):
    command = ["predict.py", *clip(folder, 300), "--output-dir", folder / "out", "--output-types", "pha"]
    command += ["--output-format", "png", "--skip-existing"]

    def check(said):
        count = len(list((folder / "out" / "clip_pha").glob("*.png")))
        assert count == 300, said
        return f"{count} files"

    return command, exists(folder / "out", "000005.png"), finish(command, check)


def webcam(folder):
    flags = clip(folder, 600)
    command = [sys.executable, "-W", QUIET, "-m", "tools.webcam", *flags[:2], "--no-window"]
    command[5] = "--source"
    command += ["--output", folder / "out" / "talk.mp4"]

    def condition(process, shown):
        return any(path.stat().st_size for path in (folder / "out").glob(".*.mp4"))

    def resumed(environ):
        kept = [f"a playable file of {count_frames(path)} frames" for path in (folder / "out").glob("[!.]*.mp4")]
        (folder / "out" / "talk.mp4").unlink(missing_ok=True)
        check = lambda said: f"{count_frames(folder / 'out' / 'talk.mp4')} frames"  # noqa: E731
        return (kept or ["no file"])[0] + "; " + finish(command, check)(environ)

    return command, condition, resumed


def page(folder):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [sys.executable, "-W", QUIET, "-m", "tools.app", "--port", port]

    def condition(process, shown):
        return "open http" in (folder / "said").read_text()

    def resumed(environ):
        left = [path.name for path in (folder / "tmp").glob("matting-page-*")]
        for name in left:
            os.utime(folder / "tmp" / name, (0, 0))  # in its first minute it might still be without its lock
        process = start(*command, env={**environ, "PYTHONUNBUFFERED": "1"})
        while "open http" not in process.stdout.readline():
            assert process.poll() is None
        there = [name for name in left if (folder / "tmp" / name).exists()]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        return f"{len(left)} folders left, {len(there)} after the next start"

    return command, condition, resumed


def train(folder):
    command = ["train.py", *training(folder), "--num-workers", "2", "--resume"]

    def check(said):
        return (
            next(line for line in said.splitlines() if "resumed" in line).rpartition(", ")[2].replace(str(folder), "")
        )

    return command, exists(folder, "last.pdparams"), finish([*command, "--epoch-end", "1"], check)


def scoring(folder):
    pictures(folder / "set", 400)
    for number in range(400):
        name = f"{number:05d}a.png"
        write_picture(folder / "set" / "bgr" / name, read(folder / "set" / "bgr.png"))
        write_picture(folder / "set" / "pha" / name, read(folder / "set" / "bgr.png")[..., 0])
    command = ["eval.py", "--data-path", folder / "set", *FAST[:4], "--output", folder / "out" / "report.json"]

    def condition(process, shown):
        return re.search(r"\b[1-9]\d*/400", shown.text())

    return command, condition, finish(command, lambda said: "400 of 400 scored" * ("400 of 400" in said))


def read(path):
    from dataset.picture import read_rgb

    return read_rgb(path)


def stages(folder):
    make_data(folder / "data", ("videomatte240k", "distinctions646", "private"))
    places = ["--data-root", folder / "data", "--checkpoint-dir", folder / "checkpoint", "--log-dir", folder / "log"]
    flags = "--valid-dataset-name private --model-backbone mobilenetv2 --batch-size 2 --crop-size 32 64 --valid-size 64"
    flags += " --valid-samples 2 --log-train-loss-interval 1 --checkpoint-interval 1 --num-workers 1 --device cpu"
    command = ["sh", "run.sh", *places, *flags.split(), "--epoch-end", "50"]
    return (
        command,
        exists(folder / "checkpoint", "last.pdparams"),
        finish([*command, "--epoch-end", "1"], lambda said: "3 stages"),
    )


CASES = {
    "predict.py, while it is imported": importing("predict.py", "libpaddle"),
    "train.py, while it is imported": importing("train.py", "libpaddle"),
    "eval.py, while it is imported": importing("eval.py", "libpaddle"),
    "predict.py, one picture, while its engine is opened": one_picture,
    "predict.py, folder": picture_folder,
    "predict.py, video": video,
    "predict.py, video to pictures": frame_sequence,
    "webcam, from a file": webcam,
    "page": page,
    "train.py, two readers": train,
    "eval.py": scoring,
    "run.sh": stages,
}

if __name__ == "__main__":
    sys.exit(main())
