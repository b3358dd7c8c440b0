"""The requester's half: costs, publishing and collecting, through MTurk's API at any endpoint.

Nothing here may ask which endpoint it talks to.
"""
