"""From Keras to float files, in a child process of its own: TensorFlow is imported here only."""
