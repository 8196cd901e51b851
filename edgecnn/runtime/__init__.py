"""Running model files: LiteRT for .tflite, onnxruntime for .onnx; never TensorFlow."""
