"""`edgecnn deploy`: a self-contained folder on a device that proves itself."""
