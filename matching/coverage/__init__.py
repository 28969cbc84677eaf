"""The coverage check: would returns of the shop's recent orders be matched, and if not, what is in the way?"""
