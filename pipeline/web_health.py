"""What programs ask the page's server: whether it is well, and its figures.

/healthz says that the server works, whatever MongoDB does: starting it again would mend nothing. /healthz/ready says
whether the page has anything to show, by 200 or 503. Neither asks for a log-in, and neither tells more than that.
/metrics on the page's own port asks for what the page asks for.
"""

from __future__ import annotations

from flask import Flask, Response, jsonify
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from pipeline.metrics_page import PageFigures

READY_PATH = "/healthz/ready"
# The last is what it was called before; container health checks ask for it.
HEALTH_PATHS = ("/healthz", READY_PATH, "/health")
METRICS_PATH = "/metrics"


def add_to(server: Flask, figures: PageFigures) -> None:
    """Answer under these paths."""

    def health(must_be_ready: bool = False) -> tuple[Response, int]:
        mongo = figures.mongo_answers()
        is_ill = must_be_ready and not mongo
        return jsonify(status="away" if is_ill else "ok", mongo="ok" if mongo else "away"), 503 if is_ill else 200

    for path in HEALTH_PATHS:
        server.add_url_rule(path, path, health, defaults={"must_be_ready": path == READY_PATH})

    @server.get(METRICS_PATH)
    def _metrics() -> Response:
        return Response(figures.text(), content_type=CONTENT_TYPE_PLAIN_0_0_4)
