"""Settings: the YAML files that ship, what a study of several runs means, and errors in settings."""
