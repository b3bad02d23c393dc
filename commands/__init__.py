"""Commands of the program: each reads its options and calls the code that does the work."""
