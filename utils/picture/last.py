"""What was made of the last picture, kept for the case that the same one comes again."""

import numpy as np

EVERY = 8  # rows between two that are compared
MOST = 150 << 20  # bytes; larger pictures and what is made of them are not kept


class Last:
    """A function(array, *others) that remembers its last result, for the very same array.

    Pictures are told apart by identity, which costs nothing; a buffer that was overwritten since is noticed by every
    eighth of its rows, and `others` are compared. Not for several threads at once.
    """

    def __init__(self, function):
        self.function = function
        self._array = self._rows = self._others = self._result = None

    def __call__(self, array, *others):
        if array.nbytes > MOST:
            return self.function(array, *others)
        if array is not self._array or others != self._others or not np.array_equal(array[::EVERY], self._rows):
            self._array = None  # nothing is remembered of a function that fails
            self._result = self.function(array, *others)
            self._array, self._rows, self._others = array, array[::EVERY].copy(), others
        return self._result
