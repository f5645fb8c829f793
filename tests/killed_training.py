"""Start train.py again and again, kill it at random moments, and check that its checkpoint always loads.

    python tests/killed_training.py KILLS CHECKPOINT ARGUMENTS-OF-TRAIN...

The children are forked after the imports, which take longer than a tiny training.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import train
from utils.weights.file import read_tensors


def main(kills, checkpoint, arguments):
    checkpoint, killed, sizes, rng = Path(checkpoint), 0, set(), random.Random(0)
    while killed < kills:
        child = os.fork()
        if child == 0:
            sys.stdout = open(os.devnull, "w")
            os._exit(train.main(arguments))
        # the first must reach its first checkpoint, the others die anywhere
        while not checkpoint.exists() and not killed:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.3, 1.5))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            raise SystemExit(f"the training ended by itself with status {status}")
        killed += 1
        content = read_tensors(checkpoint)  # raises if it is cut off
        sizes.add((len(content["model"]), len(content["optimizer"])))
    if len(sizes) != 1:
        raise SystemExit(f"checkpoints differ in their content: {sizes}")
    step = training_step(checkpoint)
    child = os.fork()
    if child == 0:
        os._exit(train.main([*arguments, "--max-steps", str(step + 1)]))
    if os.waitpid(child, 0)[1] or training_step(checkpoint) != step + 1:
        raise SystemExit(f"the training did not go on from step {step}")
    print(f"{kills} kills, {step} steps")


def training_step(checkpoint):
    import json

    return json.loads(read_tensors(checkpoint)["progress"])["step"]


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
