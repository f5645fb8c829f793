"""Print a checksum of the batches of two epochs for each number of reader processes.

    python tests/read_batches.py 0,1,2 ARGUMENTS-OF-TRAIN...

A program of its own, since Paddle's loader with reader processes leaves a signal handler behind that crashes the
process when it ends another child later.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.system.cpu import prepare

prepare()

import hashlib

from utils.training.data import close, training_batches
from utils.training.options import parse_jobs

if __name__ == "__main__":
    for workers in sys.argv[1].split(","):
        loader, batches = training_batches(parse_jobs([*sys.argv[2:], "--num-workers", workers])[0])
        digest = hashlib.sha256()
        for epoch in range(2):
            batches.begin(epoch)
            for *pictures, _ in loader:
                for picture in pictures:
                    digest.update(repr(picture.shape).encode() + picture.numpy().tobytes())
        close(loader)
        print("checksum", digest.hexdigest())
