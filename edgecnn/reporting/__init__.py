"""Records to tables, sentences and JSON objects: nothing here prints, exits or reads files."""
