"""INTERIM stand-in, replaced by the real denoiser."""

import cv2
import numpy as np

RADIUS = 16
NAME = "interim bilateral"


def denoise(rgb, sigma, detail=0.5):
    if sigma <= 0:
        return rgb
    return cv2.bilateralFilter(rgb, 9, sigma / 255 * 3, 3).reshape(rgb.shape).astype(np.float32)
