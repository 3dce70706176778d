"""INTERIM stand-in, replaced by the real estimator."""

import numpy as np


def estimate_sigma(rgb):
    y = rgb.mean(2)
    if min(y.shape) < 3:
        return 0.0
    d = y[1:-1, 1:-1] * 4 - 2 * (y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, :-2] + y[1:-1, 2:])
    d = d + y[:-2, :-2] + y[2:, :-2] + y[:-2, 2:] + y[2:, 2:]
    return float(min(75.0, np.median(np.abs(d)) / 0.6745 / 6 * 255 * 3**0.5))
