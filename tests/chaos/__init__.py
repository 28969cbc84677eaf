"""The fault run: the shipped processes, thousands of returns, and everything breaking around them. `make chaos`."""
