"""Making of data sets: solvers run over ensembles of initial states."""
