"""The code of python graders that decide as promptfoo's assertions do.

Each is a function `check(text, value)`: whether the text holds, or how good it is.
"""

from dataclasses import dataclass

from evalhaven.importers.conversion.js_regex import FLAGS


@dataclass(frozen=True, slots=True)
class Snippet:
    """A check.

    Attributes:
        code: Source with a function `check(text, value)`.
        threshold: The lowest score that passes; None where the function says whether it passes.
    """

    code: str
    threshold: float | None = None


CONTAINS = Snippet("""\
def check(text, value):
    return value in text
""")
LOWER_CONTAINS = Snippet("""\
def check(text, value):
    return value.lower() in text.lower()
""")
EQUALS = Snippet("""\
def check(text, value):
    return text == value
""")
STARTS_WITH = Snippet("""\
def check(text, value):
    return text.startswith(value)
""")
CONTAINS_ANY = Snippet("""\
def check(text, value):
    return any(each in text for each in value)
""")
CONTAINS_ALL = Snippet("""\
def check(text, value):
    return all(each in text for each in value)
""")
LOWER_CONTAINS_ANY = Snippet("""\
def check(text, value):
    return any(each.lower() in text.lower() for each in value)
""")
LOWER_CONTAINS_ALL = Snippet("""\
def check(text, value):
    return all(each.lower() in text.lower() for each in value)
""")
REGEX = Snippet(f"""\
import re

def check(text, value):
    return re.search(value, text, {FLAGS}) is not None
""")
WORD_COUNT = Snippet("""\
def check(text, value):
    least, most = value
    return (least is None or len(text.split()) >= least) and (most is None or len(text.split()) <= most)
""")

_PARSE = """\
import json

def refuse(name):
    raise ValueError(name)

def parse(text):
    return json.loads(text, parse_constant=refuse)
"""
_SAME = """\
def same(one, other):
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other
"""
EQUALS_JSON = Snippet(f"""\
{_PARSE}
{_SAME}
def check(text, value):
    try:
        return same(parse(text), value)
    except ValueError:
        return False
""")
IS_JSON = Snippet(f"""\
{_PARSE}
def check(text, value):
    try:
        parse(text)
    except ValueError:
        return False
    return True
""")
_VALID = f"""\
{_PARSE}
import re

{_SAME}
TYPES = {{
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "number": (int, float),
}}

def is_of(value, name):
    if name == "integer":
        return isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value)
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))

def valid(value, schema, root):
    if isinstance(schema, bool):
        return schema
    if "$ref" in schema:
        target = root
        for step in schema["$ref"].lstrip("#/").split("/"):
            target = target[step] if step else target
        if not valid(value, target, root):
            return False
    names = schema.get("type", [])
    names = [names] if isinstance(names, str) else names
    return (
        (not names or any(is_of(value, name) for name in names))
        and ("enum" not in schema or any(same(value, each) for each in schema["enum"]))
        and ("const" not in schema or same(value, schema["const"]))
        and all(valid(value, each, root) for each in schema.get("allOf", []))
        and ("anyOf" not in schema or any(valid(value, each, root) for each in schema["anyOf"]))
        and ("oneOf" not in schema or sum(valid(value, each, root) for each in schema["oneOf"]) == 1)
        and ("not" not in schema or not valid(value, schema["not"], root))
        and valid_object(value, schema, root)
        and valid_array(value, schema, root)
        and valid_scalar(value, schema)
    )

def valid_object(value, schema, root):
    if not isinstance(value, dict):
        return True
    known, rest = schema.get("properties", {{}}), schema.get("additionalProperties", True)
    return (
        all(key in value for key in schema.get("required", []))
        and all(valid(value[key], known[key] if key in known else rest, root) for key in value)
        and schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value))
    )

def valid_array(value, schema, root):
    if not isinstance(value, list):
        return True
    unique = all(not same(a, b) for place, a in enumerate(value) for b in value[:place])
    return (
        all(valid(each, schema.get("items", True), root) for each in value)
        and schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        and (unique or not schema.get("uniqueItems", False))
    )

def valid_scalar(value, schema):
    if isinstance(value, str):
        return (
            schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
            and ("pattern" not in schema or re.search(schema["pattern"], value, {FLAGS}) is not None)
        )
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return True
    return (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
        and ("multipleOf" not in schema or value % schema["multipleOf"] == 0)
    )
"""
IS_VALID_JSON = Snippet(f"""\
{_VALID}
def check(text, value):
    try:
        found = parse(text)
    except ValueError:
        return False
    return valid(found, value, value)
""")
_OBJECTS = """\
def objects_in(text):
    start = text.find("{")
    while start >= 0:
        depth = 0
        for end in range(start, len(text)):
            depth += (text[end] == "{") - (text[end] == "}")
            if depth == 0:
                break
        else:
            return
        try:
            yield parse(text[start : end + 1])
            start = text.find("{", end + 1)
        except ValueError:
            start = text.find("{", start + 1)
"""
CONTAINS_JSON = Snippet(f"""\
{_PARSE}
{_OBJECTS}
def check(text, value):
    return any(True for found in objects_in(text))
""")
CONTAINS_VALID_JSON = Snippet(f"""\
{_VALID}
{_OBJECTS}
def check(text, value):
    return any(valid(found, value, value) for found in objects_in(text))
""")
LEVENSHTEIN = """\
def units(text):
    raw = text.encode("utf-16-le", "surrogatepass")
    return [raw[place : place + 2] for place in range(0, len(raw), 2)]

def distance(one, other):
    row = list(range(len(other) + 1))
    for place, unit in enumerate(one, start=1):
        before, row[0] = row[0], place
        for at, each in enumerate(other, start=1):
            before, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, before + (unit != each))
    return row[-1]

def check(text, value):
    return distance(units(text), units(value)) <= THRESHOLD
"""
_NGRAMS = """\
from collections import Counter

def ngrams(words, n):
    return Counter(tuple(words[place : place + n]) for place in range(len(words) - n + 1))
"""
BLEU = Snippet(
    f"""\
import math
{_NGRAMS}
def check(text, value):
    if not text.strip():
        return 0.0
    words = text.lower().split()
    others = [each.lower().split() for each in ([value] if isinstance(value, str) else value)]
    closest = min((len(each) for each in others), key=lambda length: (abs(length - len(words)), length))
    logarithms = []
    for n in range(1, min(4, len(words)) + 1):
        own = ngrams(words, n)
        shared = max(sum((own & ngrams(each, n)).values()) for each in others)
        logarithms.append(math.log(shared / sum(own.values()) or 1e-7))
    mean = math.exp(sum(logarithms) / len(logarithms))
    return mean if len(words) > closest else mean * math.exp(1 - closest / len(words))
""",
    0.5,
)
GLEU = Snippet(
    f"""\
{_NGRAMS}
def words_of(text):
    return [word.rstrip(".") for word in text.lower().split()]

def compare(words, other):
    if words == other:
        return 1.0
    pairs = [(ngrams(words, n), ngrams(other, n)) for n in (1, 2, 3, 4)]
    shared = sum(sum((one & two).values()) for one, two in pairs)
    most = max(sum(sum(one.values()) for one, _ in pairs), sum(sum(two.values()) for _, two in pairs))
    return shared / most if words and other else 0.0

def check(text, value):
    words = words_of(text)
    return max(compare(words, words_of(each)) for each in ([value] if isinstance(value, str) else value))
""",
    0.5,
)
PYTHON = """\
import json

SOURCE

def passes(result, threshold):
    if isinstance(result, str) and result.lower() in ("true", "false"):
        result = result.lower() == "true"
    elif isinstance(result, str) and result.startswith("{"):
        result = json.loads(result)
    if isinstance(result, bool):
        return result, float(result)
    if isinstance(result, dict):
        passed, score = result.get("pass", result.get("pass_")), result["score"]
        return bool(passed) and (threshold is None or score >= threshold), score
    return (result > 0 if threshold is None else result >= threshold), float(result)

def grade(sample, item):
    context = {"vars": VARS, "test": {"vars": VARS}, "config": CONFIG}
    passed, _ = passes(FUNCTION(sample.get("output_text") or "", context), THRESHOLD)
    return float(passed is not INVERSE)
"""
