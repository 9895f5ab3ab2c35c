"""`/metrics`: how the platform's runs stand, for Prometheus."""
