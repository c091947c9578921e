"""Writes instances of schemas, made by hypothesis-jsonschema: what a client may send who knows nothing but
the schema.

Usage: instances.py COUNT SEED FILE... Each file is one of topics/, its schema is `data`. Prints a line of JSON
an instance: [topic, instance]. The same seed writes the same instances.
"""

import json
import sys
import warnings
from functools import partial
from multiprocessing import Pool

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisWarning
from hypothesis_jsonschema import _from_schema, from_schema

# Letters of several scripts, of which any word is a name in the DNS.
LETTERS = "abcxyzABC0189äöüßéñçøłαβγдеж字例語あいう한국"
LABELS = st.text(st.sampled_from(LETTERS), min_size=1, max_size=10)
DOMAINS = st.lists(LABELS, min_size=1, max_size=3).map(".".join)
USERS = st.from_regex(r"\A[!#-'*+/-9=?A-Z^-~-]{1,12}(\.[a-z]{1,8})?\Z")

# Our own addresses: those that hypothesis has for this format are all in ASCII.
FORMATS = {"idn-email": st.emails() | st.tuples(USERS, DOMAINS).map("@".join)}


def once(build):
    """As `build`, which is called for each field of each instance, and takes longer than all the rest."""
    built = {}

    def found(schemas, **rest):
        key = json.dumps(schemas)
        if key not in built:
            built[key] = build(schemas, **rest)
        return built[key]

    return found


_from_schema.merged_as_strategies = once(_from_schema.merged_as_strategies)


def small(schema):
    """Allows one field beyond the known ones; else most of each instance would be fields that nobody knows."""
    fields = schema.get("properties")
    if fields is None:
        return schema
    below = {name: small(field) for name, field in fields.items()}
    return schema | {"properties": below, "maxProperties": len(fields) + 1}


def instances(count, from_seed, file):
    warnings.simplefilter("ignore", HypothesisWarning)
    with open(file, encoding="utf-8") as text:
        topic = json.load(text)
    lines = []

    @seed(from_seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(from_schema(small(topic["data"]), custom_formats=FORMATS))
    def keep(instance):
        lines.append(json.dumps([topic["topic"], instance]))

    keep()
    return lines


def main(count, from_seed, files):
    with Pool() as pool:
        for lines in pool.imap(partial(instances, count, from_seed), files):
            print("\n".join(lines))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
