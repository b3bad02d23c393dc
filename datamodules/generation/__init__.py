"""Generation of data sets: solvers run from ensembles of initial states."""
