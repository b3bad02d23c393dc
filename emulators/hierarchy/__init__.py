"""The latents of a hierarchical emulator: their layout in space and time, and their coarsening."""
