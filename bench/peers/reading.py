"""A reading as a hand-written loop makes it: every field of the contract, fresh."""

import random
import uuid
from datetime import UTC, datetime
from typing import Any

RUN = uuid.uuid4().hex[:12]


def reading(number: int) -> dict[str, Any]:
    """The reading of that number, of one of a thousand sensors."""
    return {
        "schema_version": 1,
        "event_id": str(uuid.uuid4()),
        "run": RUN,
        "sequence": number // 1000,
        "timestamp": datetime.now(UTC).isoformat(),
        "sensor_id": f"sensor_{number % 1000:03d}",
        "sensor_type": "temperature",
        "value": round(random.gauss(21, 2), 2),
        "unit": "°C",
        "location": "factory-floor-a1",
        "status": "normal",
        "metadata": {"sensor_model": "MODEL_01", "battery_level": 88},
    }
