"""Running one ONNX model over a picture: sessions, tiles, memory."""
