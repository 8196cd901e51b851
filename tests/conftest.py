"""Its place puts this folder on the module path: helper modules beside it can be imported."""
