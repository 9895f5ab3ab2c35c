"""Backstage's catalog and templates for Towpath: descriptors, kinds, the language, actions."""
