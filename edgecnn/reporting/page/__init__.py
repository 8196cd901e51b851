"""The report: one HTML file that opens from disk, and the same as Markdown and CSV."""
