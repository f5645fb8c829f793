"""Which samples eval.py scores: a stored set, composites made on the way, or the demonstration set."""

from pathlib import Path
from typing import Optional

from dataset.data_path import DataError, data_folder
from dataset.labels import check_labels, looked_at
from utils.evaluation.composites import Composites
from utils.evaluation.demonstration import DemonstrationSet
from utils.evaluation.samples import Samples, StoredSet, clips_in
from utils.system.errors import UsageError


def choose_samples(
    data_path: Optional[Path],
    backgrounds: Optional[Path],
    data_root: Path,
    predicted: bool,
    protocol: str,
    seed: int,
    height: Optional[int],
) -> tuple[Samples, str]:
    """The samples to score, and a line or more that tell what they are; raises UsageError, PictureError, DataError.

    data_path is a set with `src`, `bgr` and `pha`, a folder of such clips, or foregrounds; None is PhotoMatte85 below
    `data_root`, or else the demonstration set. A set needs no more than `pha` if its predictions are on disk.
    `"reference"` composes by the earlier reproduction's protocol, anything else as in the paper.
    """
    needs = ("pha",) if predicted else ("src", "bgr", "pha")
    if data_path and not data_path.is_dir():
        raise UsageError(f"--data-path {data_path} does not exist: check the name of the folder")
    if data_path and (predicted or (data_path / "src").is_dir() or clips_in(data_path)):
        stored = StoredSet(data_path, needs)
        clips = f", {len(set(stored.clips.values()))} clips" if stored.clips else ""
        return stored, f"{data_path}{clips}"
    if predicted:
        raise UsageError("--pred needs --data-path with the set that it belongs to")
    protocol = "reference" if protocol == "reference" else "paper-like"
    try:
        foregrounds = data_path or data_folder(data_root, "photomatte85", "valid")
        backgrounds = backgrounds or data_folder(data_root, "backgrounds", "valid")
    except DataError as error:
        if data_path:
            raise UsageError(f"--backgrounds is needed for foregrounds: {error}") from None
        return DemonstrationSet(seed), (
            f"{error}.\nA small set is scored instead; its numbers show that everything runs, and nothing else.\n"
            "DEMONSTRATION SET: the sample pair, its subject in 4 drawn scenes, 4 drawn figures"
        )
    samples = Composites(foregrounds, backgrounds, protocol, seed, height)
    return samples, f"{foregrounds} over {backgrounds}, {protocol}, seed {seed}"


def label_doubts(samples: Samples) -> list[str]:
    """Warnings about the alphas of samples on disk, see dataset.labels.check_labels; raises DataError as it does."""
    if isinstance(samples, Composites):
        return check_labels(looked_at(samples.foregrounds))
    return check_labels(samples.labels()) if isinstance(samples, StoredSet) else []
