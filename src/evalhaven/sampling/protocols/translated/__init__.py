"""Responses asked of endpoints that have chat completions only: requests, replies and streams, where nothing is lost.

- `requests`: the chat completion that a request for a response is
- `replies`: the response that a chat completion is
- `streams`: the same for a stream, event by event
"""
