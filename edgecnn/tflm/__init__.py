"""TensorFlow Lite Micro and what it runs on: operators, arena, boards; nothing is run here."""
