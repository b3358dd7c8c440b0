"""MTurk's requester API, version 2017-01-17, over HTTP."""
