"""Settings: the YAML files that ship, studies of several runs, and errors in settings."""
