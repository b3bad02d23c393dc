"""Export of emulators to programs of PyTorch that need no other library."""
