"""Labelled images to train on and to evaluate with: Fashion-MNIST, or folders of classes."""
