"""The core that decides: pure functions over values, standard library and attrs only.

No clock, no randomness, no input or output in here: `now`, ids and secrets are arguments.
Inside, a time is an int: microseconds since 1970-01-01 UTC (`times`); callers see aware datetimes.
"""
