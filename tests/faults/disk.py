"""Full and read-only disks, and two runs at once. Needs root: it mounts small file systems in memory (Linux).

python -m tests.faults.disk                         prints rows of the table in tests/README.md
python -m tests.faults.disk --only full             one of: full read-only together
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tests.faults.playground import QUIET, clip, count_frames, left_over, pictures, row, start, training

COMMAND = "python -m tests.faults.disk --only"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    args = parser.parse_args(argv)
    for part in args.only:
        PARTS[part](part)


@contextmanager
def small_disk(kilobytes):
    """A file system in memory of this size; removed after the block."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=700", "tmpfs", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def run(*command, env=None, **options):
    """Run a door; returns its code and the last lines that it printed."""
    process = start(*command, env={"TMPDIR": tempfile.gettempdir(), **cache(), **(env or {})}, **options)
    said, _ = process.communicate(timeout=600)
    return process.returncode, said


def cache():
    return {"MATTING_CACHE": os.environ["MATTING_CACHE"]} if "MATTING_CACHE" in os.environ else {}


def summary(code, said, *folders):
    """Code, error lines and what is left over, as text."""
    errors = [line for line in said.splitlines() if line.startswith(("error:", "failed:", "warning:"))]
    shown = f'"{errors[-1][:160]}"' if errors else f'"{said.strip().splitlines()[-1][:160]}"'
    left = left_over(*folders)
    more = ", with a TRACEBACK" * ("Traceback" in said) + (f", LEFT OVER {left}" if left else ", nothing half-written")
    return f"code {code}, {shown}{more}"


def full(part):
    """The disk fills up in the middle; afterwards there is room and the same command goes on."""
    with tempfile.TemporaryDirectory() as folder, small_disk(400) as disk:
        folder = Path(folder)
        (disk / "ballast").write_bytes(bytes(340 << 10))
        command = ["predict.py", *pictures(folder, 8), "--output-dir", disk / "out", "--skip-existing"]
        first = summary(*run(*command), disk / "out")
        (disk / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        code, _ = run(*command)
        count = sum(1 for _ in (disk / "out").rglob("*.png"))
        row(
            "disk full: predict.py, folder",
            f"{COMMAND} {part}",
            f"{first}; with room again: code {code}, {count} of 24",
        )
    with tempfile.TemporaryDirectory() as folder, small_disk(20) as disk:
        command = ["predict.py", *clip(Path(folder), 300), "--output-dir", disk, "--output-types", "pha"]
        first = summary(*run(*command), disk)
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        code, _ = run(*command)
        row(
            "disk full: predict.py, video",
            f"{COMMAND} {part}",
            f"{first}; with room again: code {code}, {count_frames(disk / 'clip_pha.mp4')} of 300 frames",
        )
    with tempfile.TemporaryDirectory() as folder, small_disk(100_000) as disk:
        command = [*training(Path(folder)), "--num-workers", "0", "--checkpoint-dir", disk / "checkpoint"]
        run("train.py", *command, "--max-steps", "1")
        size = sum(path.stat().st_blocks * 512 for path in disk.rglob("*") if path.is_file()) // 1024
        subprocess.run(["mount", "-o", f"remount,size={size + 2000}k", disk], check=True)
        first = summary(*run("train.py", *command, "--resume", "--max-steps", "3"), disk)
        subprocess.run(["mount", "-o", "remount,size=200m", disk], check=True)
        code, _ = run("train.py", *command, "--resume", "--max-steps", "3")
        row("disk full: train.py, checkpoint", f"{COMMAND} {part}", f"{first}; with room again: code {code}")
    with tempfile.TemporaryDirectory() as folder, small_disk(4) as disk:
        command = [*training(Path(folder)), "--num-workers", "0", "--log-dir", disk / "log", "--max-steps", "2"]
        row(
            "disk full: train.py, log",
            f"{COMMAND} {part}",
            summary(*run("train.py", *command), Path(folder) / "checkpoint"),
        )
    with small_disk(4) as disk:
        for option, name in (("--output", "r.json"), ("--per-image", "r.csv")):
            (disk / "ballast").write_bytes(bytes(4096)) if not (disk / "ballast").exists() else None
            row(
                f"disk full: eval.py {option}", f"{COMMAND} {part}", summary(*run("eval.py", option, disk / name), disk)
            )
    with tempfile.TemporaryDirectory() as folder, small_disk(1000) as disk:
        command = ["predict.py", *pictures(Path(folder), 1), "--output-dir", Path(folder) / "out"]
        result = summary(*run(*command, env={"MATTING_CACHE": str(disk)}), disk, Path(folder) / "out")
        row("disk full: cache of exported programs", f"{COMMAND} {part}", result)


def read_only(part):
    """Nothing may be written: results, the repository, the cache, HOME, temporary files."""
    with tempfile.TemporaryDirectory() as folder, small_disk(4) as disk:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        folder = Path(folder)
        command = ["predict.py", *pictures(folder, 2)]
        row(
            "read-only: output folder of predict.py",
            f"{COMMAND} {part}",
            summary(*run(*command, "--output-dir", disk / "out"), disk),
        )
        training_there = [*training(folder), "--num-workers", "0", "--checkpoint-dir", disk / "c", "--max-steps", "1"]
        row("read-only: checkpoint folder of train.py", f"{COMMAND} {part}", summary(*run("train.py", *training_there)))
        row(
            "read-only: report of eval.py",
            f"{COMMAND} {part}",
            summary(*run("eval.py", "--output", disk / "r.json"), disk),
        )
        command += ["--output-dir", folder / "out"]
        for tried, env in (
            ("cache, HOME and TMPDIR", {"MATTING_CACHE": "", "HOME": str(disk), "TMPDIR": str(disk)}),
            ("cache", {"MATTING_CACHE": str(disk / "cache")}),
        ):
            row(f"read-only: {tried}", f"{COMMAND} {part}", summary(*run(*command, env=env), folder / "out"))
        # May read everything, as the interpreter may lie in somebody's home, and write nothing.
        nobody = (
            "setpriv --reuid=54321 --clear-groups --inh-caps=+dac_read_search --ambient-caps=+dac_read_search".split()
        )
        nobody += ["env", "-u", "HOME", "-u", "MATTING_CACHE"]
        os.chmod(folder, 0o755)
        (folder / "theirs").mkdir()
        os.chmod(folder / "theirs", 0o777)
        command[-1] = folder / "theirs"
        command = [*nobody, sys.executable, "-W", QUIET, *command]
        row(
            "a user without name and HOME, a repository that is not theirs",
            f"{COMMAND} {part}",
            summary(*run(*command), folder / "theirs"),
        )


def together(part):
    """Two runs at once into the same place."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for tried, command, env in (
            (
                "predict.py, the same folder, an empty cache of programs",
                ["predict.py", *pictures(folder, 20), "--output-dir", folder / "out"],
                {"MATTING_CACHE": str(folder / "cache")},
            ),
            ("eval.py, the same report", ["eval.py", "--output", folder / "out" / "r.json"], {}),
            ("train.py, the same name", ["train.py", *training(folder), "--num-workers", "0", "--max-steps", "20"], {}),
        ):
            both = [start(*command, env={**cache(), **env}) for _ in range(2)]
            said = [process.communicate(timeout=600)[0] for process in both]
            happened = [summary(process.returncode, text) for process, text in zip(both, said)]
            left = left_over(folder / "out", folder / "cache", folder / "checkpoint")
            row(
                f"two at once: {tried}",
                f"{COMMAND} {part}",
                f"{'; '.join(happened)}; together {left or 'all files whole'}",
            )
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-W", QUIET, "-m", "tools.app"]  # of no --port: both look for a free one
        env = {"MATTING_CACHE": f"{folder}/cache", "TMPDIR": folder, "PYTHONUNBUFFERED": "1"}
        both = [start(*command, env=env) for _ in range(2)]
        lines = [next((line for line in page.stdout if line.startswith(("open", "error"))), "ended") for page in both]
        for page in both:
            page.send_signal(signal.SIGTERM)
        codes = [page.communicate(timeout=60) and page.returncode for page in both]
        left = left_over(f"{folder}/cache") + [path.name for path in Path(folder).glob("matting-page-*")]
        happened = (
            f"{'; '.join(line.split(' (')[0].strip() for line in lines)}; codes {codes}; {left or 'nothing left'}"
        )
        row("two at once: page, an empty cache of programs, no port given", f"{COMMAND} {part}", happened)


PARTS = {"full": full, "read-only": read_only, "together": together}

if __name__ == "__main__":
    sys.exit(main())
