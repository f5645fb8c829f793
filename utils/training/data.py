"""Batches for training and the fixed samples of a validation."""

import ctypes
import multiprocessing
import os
import shutil
import signal
import sys
from dataclasses import replace

import cv2
import numpy as np
from paddle.io import DataLoader, DistributedBatchSampler

from dataset.augmentation import draw_affine, warp, warp_foreground
from dataset.composite import RECIPES, CompositeDataset, Recipe, collate
from dataset.folders import open_data, sampled
from dataset.people.dataset import PeopleDataset
from utils.evaluation.samples import Sample, Samples
from utils.picture.blend import blend
from utils.system.cpu import keep_freed_memory
from utils.system.errors import UsageError

PR_SET_PDEATHSIG = 1  # of prctl(2)


class Batches(DistributedBatchSampler):
    """Batches of (epoch, step, index), shuffled anew in every epoch, split over the processes of a training.

    `begin(epoch, step)` says where the next iteration starts. An incomplete last batch is left out.
    """

    def __init__(self, dataset, batch_size, seed, rank=0, world=1):
        super().__init__(dataset, batch_size, num_replicas=world, rank=rank, shuffle=True, drop_last=True)
        self.seed, self.first = seed, 0

    def begin(self, epoch, step=0):
        self.training_epoch, self.first = epoch, step

    def __iter__(self):
        self.set_epoch((self.seed * 1_000_003 + self.training_epoch) % 2**32)
        for step, indices in enumerate(super().__iter__()):
            if step >= self.first:
                yield [(self.training_epoch, step, int(index)) for index in indices]


def training_batches(args, rank=0, world=1):
    """A DataLoader of (src, bgr, pha, fgr, skipped), see `dataset.composite.collate`, and its Batches.

    args: of `options.parse_jobs`. Raises PictureError if data is missing, UsageError if it is too little for a batch.
    """
    foregrounds = open_data(args.data_root, args.dataset_name, "train")
    backgrounds = open_data(args.data_root, "backgrounds", "train")
    size, workers, (lowest, highest) = args.batch_size, args.num_workers, args.crop_size
    if size % world or size // world < 2:
        raise UsageError(f"--batch-size {size} must give each of the {world} processes the same number, >= 2")
    if len(foregrounds) < size:
        raise UsageError(f"{args.dataset_name} has {len(foregrounds)} foregrounds, too few for a batch of {size}")
    name, kind = ("people", PeopleDataset) if args.recipe == "people" else (args.model_type, CompositeDataset)
    dataset = kind(foregrounds, backgrounds, replace(RECIPES[name], lowest=lowest, canvas=highest), args.seed)
    batches = Batches(dataset, size // world, args.seed, rank, world)
    # What the readers prepare: bytes of two batches of each and one in use. To overfill a container's 64 MB is fatal.
    prepared = 10 * highest**2 * size * max(workers, 1) * 3 * world
    shared = os.path.isdir("/dev/shm") and prepared < shutil.disk_usage("/dev/shm").free
    readers = {"num_workers": workers, "persistent_workers": workers > 0, "worker_init_fn": prepare_worker}
    loader = DataLoader(dataset, batch_sampler=batches, collate_fn=collate, use_shared_memory=shared, **readers)
    return loader, batches


def prepare_worker(_=0):
    """Set up a process that reads samples: one thread, memory that stays, an end even with a killed parent."""
    cv2.setNumThreads(0)
    keep_freed_memory()
    if multiprocessing.parent_process() is not None and sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def close(loader):
    """End the reader processes of a DataLoader now: left to the garbage collector, they can make Paddle crash."""
    if getattr(loader, "_iterator", None) is not None:
        loader._iterator._try_shutdown_all()
        loader._iterator = None


class Validation(Samples):
    """The same square composites at every validation, drawn from the index alone: samples for `evaluate`.

    count, size: how many, and their side in pixels; recipe: "original" or "people". PictureError if data is missing.
    """

    def __init__(self, data_root, dataset_name, count, size, recipe="original"):
        self.foregrounds = sampled(open_data(data_root, dataset_name, "valid"), count)
        self.backgrounds = open_data(data_root, "backgrounds", "valid")
        self.size, self.recipe = size, recipe
        self.names = [f"{index:04d}" for index in range(len(self.foregrounds))]

    def __getitem__(self, index):
        if self.recipe == "people":
            people = PeopleDataset(self.foregrounds, self.backgrounds, Recipe(self.size + 1, self.size, 4))
            src, bgr, pha, fgr, _ = people[0, index, index]
            return Sample(self.names[index], pha[..., 0], src, bgr, fgr)
        rng, square = np.random.default_rng(index), (self.size, self.size)
        fgr, pha = self.foregrounds[index]
        fgr, pha = warp_foreground(fgr, pha, draw_affine(rng, pha.shape, square, self.size, (0.3, 1.0)), square)
        bgr = self.backgrounds[index % len(self.backgrounds)]
        bgr = warp(bgr, draw_affine(rng, bgr.shape[:2], square, self.size, (1.0, 1.2)), square, cv2.BORDER_REFLECT_101)
        return Sample(self.names[index], pha, blend(fgr, pha, bgr), bgr, fgr)
