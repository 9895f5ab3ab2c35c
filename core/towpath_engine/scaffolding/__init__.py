"""Scaffolding: golden-path templates, asked for by values and done step by step as runs."""
