"""A few items spread evenly over a data set."""

from paddle.io import Dataset


class SampleDataset(Dataset):
    """At most `samples` items of a data set, evenly spaced from its first."""

    def __init__(self, dataset, samples):
        super().__init__()
        self.dataset = dataset
        self.samples = min(samples, len(dataset))

    def __len__(self):
        return self.samples

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f"item {index} of {len(self)} samples")
        return self.dataset[index * (len(self.dataset) // self.samples)]
