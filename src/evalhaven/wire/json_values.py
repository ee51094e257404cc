"""JSON as Python has it: what a decoder returns, and what documents of the contract hold."""

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]
JsonObject = dict[str, JsonValue]
