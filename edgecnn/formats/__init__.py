"""The file formats, as editable objects: what a .tflite or .onnx is made of, and nothing more."""
