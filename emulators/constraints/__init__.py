"""Linear constraints of states: one class per file, and the projection that imposes them."""
