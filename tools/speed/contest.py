"""Contestants that take turns: what else the machine does in that minute hits all alike; ratios are within a round."""

import subprocess

import cv2
import numpy as np

from utils.picture.sample_pair import read_sample_pair
from utils.system.errors import UsageError

SIZES = {"540p": (540, 960), "720p": (720, 1280), "hd": (1080, 1920), "1440p": (1440, 2560), "4k": (2160, 3840)}


class Worker:
    """A process of tools.speed.serve: call it with a line for the numbers that it answers.

    Raises UsageError if it ends early; it has said why on stderr.
    """

    def __init__(self, command):
        self.process = subprocess.Popen([str(x) for x in command], stdin=-1, stdout=-1, text=True)
        while self._answer() != "ready":
            pass

    def __call__(self, line="run"):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return [float(number) for number in self._answer().split()]

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise UsageError(f"{' '.join(self.process.args[:3])} ended early, see above")
        return line.strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def take_turns(contestants, rounds, warm_up=1):
    """Call every contestant once a round, in an order drawn anew: who follows one whose threads still spin is slower.

    Args: contestants: {label: function without arguments -> numbers}; warm_up: rounds that are not counted.
    Returns {label: float array (rounds, numbers)}.
    """
    found = {label: [] for label in contestants}
    labels, random = [*contestants], np.random.default_rng(0)
    for turn in range(-warm_up, rounds):
        for label in (labels[i] for i in random.permutation(len(labels))):
            numbers = contestants[label]()
            if turn >= 0:
                found[label].append(numbers)
    return {label: np.array(rows) for label, rows in found.items()}


def sample_at(size):
    """The sample pair at a size of SIZES: two uint8 (H, W, 3)."""
    height, width = SIZES[size]
    return [cv2.resize(x, (width, height), interpolation=cv2.INTER_CUBIC) for x in read_sample_pair()]
