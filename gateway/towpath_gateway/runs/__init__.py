"""`/api/v1/runs`: work that takes time, listed, followed and stopped."""
