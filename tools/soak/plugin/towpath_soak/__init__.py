"""A guest for trying the platform's runs: kinds of run whose effects can be counted afterwards."""
