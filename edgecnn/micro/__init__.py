"""Whether a .tflite file is for TensorFlow Lite Micro, and the C++ that a microcontroller needs."""
