"""MTurk's formats, shared by both sides of the API: question XML, answer XML, errors and limits.

This room is all that the requester's half and the server have in common. It holds formats, no
behaviour: what works against our server works against any endpoint that speaks them.
"""
