"""Classical image algorithms on numpy and OpenCV alone, each with the paper it comes from."""
