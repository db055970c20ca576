"""Answers as gzip for browsers that take it: docs/decisions/0009-compression.md has what it saves and costs."""

from __future__ import annotations

import gzip
from collections.abc import Collection
from functools import lru_cache

from flask import Flask, Response, request

KINDS = frozenset(
    {"application/json", "text/css", "text/html", "text/javascript", "application/javascript", "text/plain"}
)
# Less than that fits into one packet anyway.
SMALLEST = 1400
# What is made for each request, and files, which are compressed once.
LEVEL, FILE_LEVEL = 3, 9
# More than there are files of the page and of its libraries.
FILES = 512


def add_to(server: Flask, folders: Collection[str]) -> None:
    """Compress a server's answers; those to paths that hold one of the `folders` are files that do not change."""

    @server.after_request
    def _compress(response: Response) -> Response:
        if response.mimetype not in KINDS:
            return response
        response.vary.add("Accept-Encoding")
        is_whole = response.status_code == 200 and request.method in {"GET", "POST"}
        if not is_whole or "Content-Encoding" in response.headers or not request.accept_encodings["gzip"]:
            return response
        response.direct_passthrough = False
        content = response.get_data()
        if len(content) < SMALLEST:
            return response
        tag, _ = response.get_etag()
        if tag:
            # Other bytes than those that the tag was made of, but the same content. Dash itself knows only its own tag.
            response.set_etag(tag, weak=True)
            response.make_conditional(request.environ)
            if response.status_code == 304:
                return response
        is_file = request.method == "GET" and any(folder in request.path for folder in folders)
        response.set_data(_file(content) if is_file else gzip.compress(content, LEVEL, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
        return response


@lru_cache(maxsize=FILES)
def _file(content: bytes) -> bytes:
    return gzip.compress(content, FILE_LEVEL, mtime=0)
