"""A run's model computed by others than torch: ONNX Runtime, OpenVINO."""
