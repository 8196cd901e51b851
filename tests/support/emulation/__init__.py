"""Emulated devices for the tests: a Debian of another architecture in namespaces of its own."""
