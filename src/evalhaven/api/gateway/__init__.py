"""The gateway: calls to models, passed on to the catalogue's endpoints byte by byte, and handed over to be kept.

- `routes`: the addresses, as bare ASGI
- `calls`: one call from its request to the end of its answer
- `requests`: what has to be read of a request, and what may be changed in it
- `conversations`: `previous_response_id` replaced by the conversation that it names
- `endpoints`: the way to the endpoints
- `headers`: which headers pass, in either direction
- `delivery`: the way back to the client, and the copy that is kept
- `hang_ups`: the end of a call whose client is gone
"""
