"""Contract suites: what every space, benchmark, predictor and generator has to keep."""
