"""Parts of a training: losses, schedules, optimisers, random numbers."""
