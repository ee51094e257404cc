"""Where everything is kept: tables, one module of queries per aggregate, blobs, migrations."""
