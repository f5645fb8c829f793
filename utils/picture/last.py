"""What was made of the last picture, kept for the case that the same one comes again."""

import numpy as np


class Last:
    """A function(array, *others) that remembers its last result, for the very same array.

    Pictures are told apart by identity, which costs nothing; a buffer that was overwritten since is noticed by every
    eighth of its rows, and `others` are compared. Of more than 150 MiB nothing is kept. Not for several threads.
    """

    def __init__(self, function):
        self.function = function
        self._array = self._rows = self._others = self._result = None

    def __call__(self, array, *others):
        if array.nbytes > 150 << 20:
            return self.function(array, *others)
        if array is not self._array or others != self._others or not np.array_equal(array[::8], self._rows):
            self._array = None  # nothing is remembered of a function that fails
            self._result = self.function(array, *others)
            self._array, self._rows, self._others = array, array[::8].copy(), others
        return self._result
