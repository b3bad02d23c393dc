"""The commands of the program: each reads its options, and calls what does the work."""
