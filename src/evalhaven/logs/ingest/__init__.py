"""Calls that come from elsewhere: as lines of requests and replies, or as spans of OpenTelemetry.

- `lines`: a line of JSON becomes a call
- `otlp_json`, `otlp_protobuf`: both encodings of OpenTelemetry become `spans`
- `conventions`: the span of a model becomes a call, by way of `genai`, `genai_events` or `openinference`
- `messages`: the messages of OpenTelemetry as those of chat completions
- `intake`: calls are checked and stored
"""
