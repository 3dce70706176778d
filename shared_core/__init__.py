"""NSS: real models where the machine can host them, labelled classical algorithms elsewhere."""

import os

# onnxruntime sends reports of its use to its maker unless it is told not to before it is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
