"""A run's model computed by others: ONNX Runtime, OpenVINO, or the classes of transformers."""
