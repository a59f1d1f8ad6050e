"""A stand-in for curl, for machines that have only Python, git and make: the flags that the pages use."""

from __future__ import annotations

import argparse
import sys

import httpx


def main() -> int:
    parser = argparse.ArgumentParser(prog="curl", allow_abbrev=False)
    parser.add_argument("-s", action="store_true", required=True)
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="data", action="append", default=[])
    parser.add_argument("url")
    asked = parser.parse_args()
    headers = {"content-type": "application/x-www-form-urlencoded"} if asked.data else {}
    for header in asked.headers:
        name, _, value = header.partition(":")
        headers[name.strip().lower()] = value.strip()
    method = asked.method or ("POST" if asked.data else "GET")
    body = "&".join(sys.stdin.read() if data == "@-" else data for data in asked.data)
    answer = httpx.request(method, asked.url, headers=headers, content=body.encode(), timeout=30)
    sys.stdout.buffer.write(answer.content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
