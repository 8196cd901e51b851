"""The samples in README and guides: where they stand, and how they are compared."""
