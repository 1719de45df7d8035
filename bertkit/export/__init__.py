"""Runs in other hands: folders for transformers and for ONNX, checked before they are called done."""
