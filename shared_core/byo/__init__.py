"""Bring your own model: what a stranger's ONNX file takes and gives, found out and shown."""
