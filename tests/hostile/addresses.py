"""Hostile ids, query strings and header fields, as they go over the wire."""

from urllib.parse import quote, quote_from_bytes

from hypothesis import strategies as st

SEGMENTS_AT_THE_EDGE: list[bytes] = [
    b"%00",
    b"%2F",
    b"%2f..%2f..",
    b"..",
    b".",
    b"%2E%2E",
    b"%",
    b"%zz",
    b"%2",
    b"%FF",
    b"%C0%AF",
    b"%ED%A0%80",
    b"%F0%9F%98%80",
    b"%0D%0Ax-evil:%201",
    b"%20",
    b"%25",
    b"%2500",
    b"%3F",
    b"%23",
    b";a=b",
    b"a;b",
    b"{eval_id}",
    b"null",
    b"-1",
    b"*",
    b"'%20OR%201=1--",
    b"x" * 5000,
    b"%41" * 2000,
    b"%F0%9F%98%80" * 1000,
    b"\\",
    b"eval_",
    b"evalrun_" + b"0" * 32,
    b"eval_" + b"0" * 32,
    b"file-" + b"0" * 22,
    b"outputitem_" + b"0" * 32,
    b"outputitem_" + b"F" * 32,
    b"outputitem_%20" + b"0" * 30,
]
SEGMENTS = (
    st.sampled_from(SEGMENTS_AT_THE_EDGE)
    | st.binary(min_size=1, max_size=20).map(lambda raw: quote_from_bytes(raw, safe="").encode())
    | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).map(
        lambda said: quote(said, safe="").encode()
    )
)


def near_misses(public_id: str) -> list[bytes]:
    """Return ids that resemble an existing one, encoded for an address; none of them may find it."""
    raw = public_id.encode()
    tail = raw[-4:]
    return [
        raw + b"%00",
        raw + b"%20",
        b"%20" + raw,
        raw + b"%0A",
        raw + b"%2F",
        raw + b"%25",
        raw[:-1],
        raw + b"0",
        raw.upper() if raw.upper() != raw else raw + b"A",
        raw[:-1] + b"%25",
        raw[:-1] + b"_",
        b"%EF%BB%BF" + raw,
        raw[:-4] + b"".join(b"%EF%BC%" + b"%02X" % (0x60 + each) for each in tail),
        raw.replace(b"_", b"-", 1) if b"_" in raw else raw.replace(b"-", b"_", 1),
    ]


_QUERY_VALUES: list[bytes] = [
    b"",
    b"0",
    b"1",
    b"-1",
    b"3",
    b"1000",
    b"9" * 30,
    b"9" * 5000,
    b"%2B5",
    b"%205%20",
    b"5.0",
    b"1_000",
    b"%EF%BC%95",
    b"1e3",
    b"0x10",
    b"NaN",
    b"true",
    b"True",
    b"perhaps",
    b"asc",
    b"desc",
    b"ASC",
    b"created_at",
    b"updated_at",
    b"queued",
    b"completed",
    b"pass",
    b"failed",
    b"evals",
    b"null",
    b"[]",
    b"%5B%5D",
    *SEGMENTS_AT_THE_EDGE,
]
_STRANGE_NAMES = [b"", b"x", b"limit%5B%5D", b"after%00", b"%FF", b"_", b"order.by", b"api-version", b"%", b"=", b"&&"]


@st.composite
def queries(draw: st.DrawFn, declared: tuple[str, ...]) -> bytes:
    """Draw the query of an address: declared and undeclared parameters, repeated ones, malformed ones."""
    names = st.sampled_from([name.encode() for name in declared] * 3 + _STRANGE_NAMES)
    values = st.sampled_from(_QUERY_VALUES) | SEGMENTS
    signs = st.sampled_from([b"=", b"=", b"=", b"", b"=="])
    parts = [draw(names) + draw(signs) + draw(values) for _ in range(draw(st.integers(1, 4)))]
    return draw(st.sampled_from([b"&", b"&", b";", b"&&"])).join(parts)


_HEADER_NAMES = [
    b"content-type",
    b"content-encoding",
    b"accept",
    b"accept-encoding",
    b"accept-charset",
    b"authorization",
    b"api-key",
    b"cookie",
    b"expect",
    b"range",
    b"if-range",
    b"if-none-match",
    b"if-modified-since",
    b"idempotency-key",
    b"openai-organization",
    b"openai-beta",
    b"x-request-id",
    b"x-forwarded-host",
    b"x-forwarded-for",
    b"x-http-method-override",
    b"forwarded",
    b"upgrade",
    b"te",
    b"trailer",
    b"connection",
    b"sec-fetch-site",
    b"prefer",
]
_HEADER_VALUES = [
    b"",
    b"*/*",
    b"application/json",
    b"application/json; charset=utf-16",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data",
    b"multipart/form-data; boundary=",
    b'multipart/form-data; boundary="',
    b"multipart/form-data; boundary=" + b"x" * 5000,
    b"; ; ;=",
    b"gzip",
    b"br, identity;q=0",
    b"Basic \xff\xfe",
    b"Bearer",
    b"Bearer " + b"x" * 10_000,
    b"bytes=0-0",
    b"bytes=-1",
    b"bytes=5-1",
    b"bytes=99999999999999999999-",
    b"bytes=-" + b"9" * 5000,
    b"bytes=0-0,-1",
    b"bytes=" + b",".join([b"0-"] * 500),
    b"bytes=abc",
    b"lines=1-2",
    b"bytes",
    b"100-continue",
    b"200-nothing",
    b"websocket",
    b"h2c",
    b"upgrade",
    b"close, keep-alive",
    b"trailers",
    b'"etag", W/"x", *',
    b"Thu, 99 Nov 9999 99:99:99 GMT",
    b"a" * 256,
    b"a" * 20_000,
    b"\x80\xff",
    "ü😀".encode(),
    b"${jndi:ldap://x}",
    b"../..",
    b"a\tb",
    b"DELETE",
]
Headers = list[tuple[bytes, bytes]]
# What a client library lets through; control characters are sent by the tests of raw requests.
_FIELD_VALUES = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=300
).map(lambda text: text.encode("latin-1"))
HEADERS: st.SearchStrategy[Headers] = st.lists(
    st.tuples(st.sampled_from(_HEADER_NAMES), st.sampled_from(_HEADER_VALUES) | _FIELD_VALUES), min_size=1, max_size=4
)
