"""Several data sets read side by side."""

from paddle.io import Dataset


class ZipDataset(Dataset):
    """Item i is a tuple with item i of each data set; the shorter ones start again when they end.

    Args:
        datasets: sequence of data sets.
        transform: called with the items as its arguments, its result is the item.
        equal_length: raise ValueError if the lengths differ.
    """

    def __init__(self, datasets, transform=None, equal_length=False):
        super().__init__()
        self.datasets, self.transform = list(datasets), transform
        lengths = [len(dataset) for dataset in self.datasets]
        if not lengths or min(lengths) == 0:
            raise ValueError(f"cannot zip data sets of lengths {lengths}: each needs at least one item")
        if equal_length and len(set(lengths)) > 1:
            raise ValueError(f"data sets that belong together have different lengths: {lengths}")

    def __len__(self):
        return max(len(dataset) for dataset in self.datasets)

    def __getitem__(self, index):
        items = tuple(dataset[index % len(dataset)] for dataset in self.datasets)
        return self.transform(*items) if self.transform else items
