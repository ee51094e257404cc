"""What a call said: bytes become a logged call.

- `events`: server-sent events
- `merging`, `chat_streams`, `response_streams`: a stream's events folded into one reply
- `redaction`: what must not be stored
- `calls`: the logged call
"""
