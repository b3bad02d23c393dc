"""What training is made of: losses, schedules, optimisers, random numbers."""
