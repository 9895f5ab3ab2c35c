"""Who asks: an ordered chain of authenticators, and what each route demands."""
