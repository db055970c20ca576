"""Every setting of every script, once. What only one script has stands in that script's part below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline import checks
from pipeline.refusals import Refusal
from pipeline.settings import Setting, switch


def _seconds(name: str, meaning: str, default: float, *, minimum: float, example: str | None = None) -> Setting:
    """A span of a day at the most."""
    accepted = checks.number(minimum=minimum, maximum=86_400, example=example or f"{default:g}")
    return Setting(name, meaning, accepted, default, metavar="S")


# --- the connection to Kafka -----------------------------------------------------------------------------------------

SERVERS = Setting(
    "servers",
    "the Kafka brokers, host:port with commas between",
    checks.servers,
    "localhost:9092",
    aliases=("--bootstrap-servers",),
    metavar="HOST:PORT",
)
TOPIC = Setting("topic", "the topic of the readings", checks.topic_name, "sensor-data", metavar="NAME")
SECURITY_PROTOCOL = Setting(
    "security_protocol",
    "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
    checks.one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    "PLAINTEXT",
    metavar="NAME",
)
SASL_MECHANISM = Setting(
    "sasl_mechanism",
    "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
    checks.one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
    "SCRAM-SHA-512",
    metavar="NAME",
)
SASL_USERNAME = Setting("sasl_username", "the user name for SASL", metavar="NAME")
SASL_PASSWORD = Setting(
    "sasl_password",
    "the password for SASL; better by a file or the environment, where other users cannot see it",
    metavar="WORD",
    secret=True,
)
SSL_CA = Setting("ssl_ca", "the file of the certificate authority (PEM)", checks.existing_file, metavar="FILE")
SSL_CERTIFICATE = Setting("ssl_certificate", "the client's certificate (PEM)", checks.existing_file, metavar="FILE")
SSL_KEY = Setting("ssl_key", "the client's private key (PEM)", checks.existing_file, metavar="FILE")

CONNECTION = (
    SERVERS,
    SECURITY_PROTOCOL,
    SASL_MECHANISM,
    SASL_USERNAME,
    SASL_PASSWORD,
    SSL_CA,
    SSL_CERTIFICATE,
    SSL_KEY,
)

# --- figures for Prometheus ------------------------------------------------------------------------------------------

METRICS_PORT = Setting(
    "metrics_port",
    "answer Prometheus at /metrics on this port",
    checks.integer(minimum=1, maximum=65535),
    metavar="PORT",
    shown_default="none: nothing is served",
)
METRICS_HOST = Setting(
    "metrics_host",
    "the address that --metrics-port is served on; nobody is asked for a password there",
    checks.own_address,
    "127.0.0.1",
    metavar="ADDRESS",
)

METRICS = (METRICS_PORT, METRICS_HOST)

CATALOG = Setting("catalog", "a TOML file of your own sensor types", checks.existing_file, metavar="FILE")

# --- the connection to MongoDB, and how long it keeps what ------------------------------------------------------------

MONGO_URI = Setting(
    "mongo_uri",
    "the MongoDB server; one with a password better by a file or the environment, where other users cannot see it",
    checks.mongo_uri,
    "mongodb://localhost:27017",
    metavar="URI",
    secret=True,
)
DATABASE = Setting("database", "the database in MongoDB", checks.database_name, "iot_analytics", metavar="NAME")


def _retention(name: str, what: str, days: float) -> Setting:
    # MongoDB's limit is 2³¹ − 1 seconds. The defaults are those of mongo-schema.json.
    allowed = checks.number(minimum=0, maximum=24_855, example="7")
    return Setting(name, f"keep {what} so many days; 0 keeps them for good", allowed, days, metavar="DAYS")


READINGS_RETENTION = _retention("readings_retention", "readings", 7.0)
ALERTS_RETENTION = _retention("alerts_retention", "alerts and alarms", 30.0)
WINDOWS_RETENTION = _retention("windows_retention", "window statistics", 30.0)
SENSORS_RETENTION = _retention("sensors_retention", "sensors that send nothing more", 30.0)
DEAD_LETTERS_RETENTION = _retention("dead_letters_retention", "what was refused", 30.0)
PROGRESS_RETENTION = _retention("progress_retention", "the progress of the queries", 1.0)

RETENTION = (
    READINGS_RETENTION,
    ALERTS_RETENTION,
    WINDOWS_RETENTION,
    SENSORS_RETENTION,
    DEAD_LETTERS_RETENTION,
    PROGRESS_RETENTION,
)

# --- producer.py -----------------------------------------------------------------------------------------------------

SENSORS = Setting("sensors", "how many sensors", checks.integer(minimum=1, maximum=10_000_000), 100, metavar="N")
RATE = Setting(
    "rate",
    "messages a second over the whole fleet; later changes as RATE@SECOND: 100 5000@60 100@120",
    checks.rate_change,
    [(100.0, None)],
    count="many",
    metavar="RATE",
    shown_default="100",
)
ANOMALY_RATE = Setting(
    "anomaly_rate",
    "the share of the readings that leave the normal range",
    checks.number(minimum=0, maximum=1, example="0.05"),
    0.05,
    metavar="SHARE",
)
FLEET = Setting("fleet", "a TOML file that describes groups of sensors", checks.existing_file, metavar="FILE")

NUM_SENSORS = Setting("num_sensors", "how many sensors", checks.integer(minimum=1, maximum=10_000_000), 1, metavar="N")
DELAYS = Setting(
    "delays",
    "seconds between two messages of a sensor",
    checks.number(minimum=0.0001, maximum=86_400, example="0.1"),
    [1.0],
    count="many",
    metavar="S",
)
MEANS = Setting(
    "sensors_values_mean",
    "the mean of each sensor's values; chooses the classic form",
    checks.number(example="20"),
    count="many",
    metavar="MEAN",
    shown_default="none: the fleet form",
)
STDS = Setting(
    "sensors_values_std",
    "the standard deviation of each sensor's values",
    checks.number(minimum=0, example="2"),
    count="many",
    metavar="STD",
    shown_default="1 (0 for constant)",
)
SENSOR_TYPES = Setting(
    "sensor_types",
    "the types from which each message draws its own",
    checks.name,
    ["temperature", "humidity", "pressure"],
    count="many",
    metavar="TYPE",
)
DISTRIBUTION = Setting(
    "distribution",
    "normal, uniform, lognormal, exponential, gamma, constant, random-walk or sine; one for all or one each",
    checks.one_of("normal", "uniform", "lognormal", "exponential", "gamma", "constant", "random-walk", "sine"),
    ["normal"],
    count="many",
    metavar="NAME",
)

DURATION = Setting(
    "duration",
    "stop after so many seconds",
    checks.number(above=0, example="60"),
    metavar="S",
    shown_default="until Ctrl-C",
)
COUNT = Setting(
    "count", "stop after so many readings", checks.integer(minimum=1), metavar="N", shown_default="until Ctrl-C"
)
SEED = Setting(
    "seed",
    "makes values and labels repeatable; with --run and --start every byte",
    checks.integer(minimum=0),
    metavar="N",
    shown_default="random",
)
RUN = Setting(
    "run",
    "the name of this run, up to 12 hexadecimal digits",
    checks.run_name,
    metavar="HEX",
    shown_default="random",
)
START = Setting(
    "start",
    "the timestamp of the first reading, ISO 8601 with a zone; the pace is not changed by it",
    checks.instant,
    metavar="TIME",
    shown_default="now",
)
PROCESSES = Setting(
    "processes", "share the sensors among so many processes", checks.integer(minimum=1, maximum=64), 1, metavar="N"
)
LEDGER = Setting(
    "ledger", "append what was sent and acknowledged to this file (JSON lines)", checks.writable_file, metavar="FILE"
)
DRY_RUN = switch("dry_run", "write the messages to stdout as JSON lines; no broker is needed")
UNPACED = switch("unpaced", "ignore the schedule's pace and send as fast as the broker takes it")
BUFFER = Setting(
    "buffer",
    "how many readings may wait for their acknowledgement before the schedule waits",
    checks.integer(minimum=100, maximum=10_000_000),
    100_000,
    metavar="N",
)
LINGER = Setting(
    "linger",
    "how many milliseconds a reading may wait for others to share its batch: fewer are sooner there, and cost more",
    checks.number(minimum=0, maximum=10_000, example="5"),
    5.0,
    metavar="MS",
)
FLUSH_TIMEOUT = _seconds(
    "flush_timeout", "after Ctrl-C, wait so many seconds for the last acknowledgements", 30.0, minimum=0
)
STATISTICS_INTERVAL = _seconds("statistics_interval", "seconds between two lines of statistics", 10.0, minimum=0.1)


def _fault(name: str, what: str) -> Setting:
    return Setting(name, what, checks.number(minimum=0, maximum=1, example="0.01"), 0.0, metavar="SHARE")


LATE_RATE = _fault("late_rate", "the share of the readings whose timestamp lies in the past")
LATE_BY = Setting(
    "late_by",
    "how many seconds late those readings are",
    checks.number(above=0, maximum=10_000_000, example="300"),
    300.0,
    metavar="S",
)
DUPLICATE_RATE = _fault("duplicate_rate", "the share of the readings that are sent twice")
MALFORMED_RATE = _fault("malformed_rate", "the share of the readings whose message is broken")
DROP_RATE = _fault("drop_rate", "the share of the readings that are made and never sent")

# --- consumer.py -----------------------------------------------------------------------------------------------------

INTERVAL = _seconds("interval", "seconds between two tables", 20.0, minimum=0.1)
PER_INTERVAL = switch("per_interval", "start the figures afresh in every interval")
GROUP = Setting(
    "group",
    "a consumer group: its members share the partitions, and it goes on where it stopped",
    checks.name,
    metavar="NAME",
    shown_default="none: read all partitions alone",
)
FROM_BEGINNING = switch(
    "from_beginning", "read what the topic already holds; a group that has read before goes on where it was"
)
FORMAT = Setting("format", "table, json or csv", checks.one_of("table", "json", "csv"), "table", metavar="NAME")
MAX_ROWS = Setting(
    "max_rows",
    "so many rows of a longer table, the first and the last; 0 prints every row",
    checks.integer(minimum=0),
    metavar="N",
    shown_default="as pandas does: 10 if there are more than 60",
)
MAX_AHEAD = _seconds(
    "max_ahead", "refuse readings whose timestamp is so many seconds ahead of the broker's clock", 10.0, minimum=0
)
ALERTS = switch("alerts", "print alerts as they come, instead of means")
ALERTS_TOPIC = Setting("alerts_topic", "the topic of the alerts", checks.topic_name, "alerts", metavar="NAME")
DEAD_LETTERS = switch("dead_letters", "list the messages that were refused, from the beginning, instead of means")
DEAD_LETTER_TOPIC = Setting(
    "dead_letter_topic", "the topic of the refused messages", checks.topic_name, "dead-letter-queue", metavar="NAME"
)
REASON = Setting(
    "reason",
    "with --dead-letters: only those refused for one of these reasons",
    checks.one_of(*Refusal),
    count="many",
    metavar="CODE",
    shown_default="all",
)
CONTAINS = Setting(
    "contains",
    "with --dead-letters: only those whose message holds this text",
    checks.text,
    metavar="TEXT",
    shown_default="all",
)
WHOLE = switch("whole", "with --dead-letters: show each message whole, instead of its first 200 characters")
REPAIR_COMMAND = Setting(
    "repair_command",
    "with --replay: a command that gets each message on stdin and prints what is to be sent; what it fails for stays",
    checks.words,
    metavar="WORDS",
    shown_default="none",
)
EDITED = Setting(
    "edited",
    "with --replay: send back the messages of this file, which --dead-letters --whole --format json has written and "
    "you have edited",
    checks.existing_file,
    metavar="FILE",
)
REPLAY = switch(
    "replay",
    "with --dead-letters: repair what can be repaired, send it back, and end; a --group looks at each letter once",
)
MAX_RETRIES = Setting(
    "max_retries", "replay no message more often than this", checks.integer(minimum=1, maximum=1000), 3, metavar="N"
)
CONSUMER_DURATION = Setting(
    "duration",
    "stop after so many seconds",
    checks.number(above=0, example="60"),
    metavar="S",
    shown_default="until Ctrl-C",
)

# --- spark_job.py ----------------------------------------------------------------------------------------------------


def _span(
    name: str, what: str, default: float | None, minimum: float = 1.0, maximum: float = 7 * 86_400.0, shown: str = ""
) -> Setting:
    shown = shown or f"{default:g} seconds"
    return Setting(name, what, checks.duration(minimum, maximum), default, metavar="SPAN", shown_default=shown)


WINDOW = _span("window", "the length of a window of the statistics", 10.0)
SLIDE = _span("slide", "a new window begins after this span", None, shown="the window's length")
WATERMARK = _span(
    "watermark", "how long a window waits for late readings; more than twice --max-ahead", 120.0, shown="2 minutes"
)
TRIGGER = _span(
    "trigger", "the shortest time between two micro-batches", 1.0, minimum=0.1, maximum=3600.0, shown="1 second"
)
CHECKPOINT = Setting(
    "checkpoint",
    "the folder, or the address of one that Hadoop knows, where the queries keep how far they are",
    checks.text,
    ".stack/checkpoint",
    metavar="DIR",
)
MASTER = Setting(
    "master",
    "where Spark runs: local[N], or a cluster such as spark://host:7077",
    checks.spark_master,
    metavar="URL",
    shown_default="local, with a slot more than are always busy",
)
RULES = Setting(
    "rules",
    "a TOML file of alert rules",
    checks.existing_file,
    metavar="FILE",
    shown_default="the project's rules.toml",
)
ALERT_MODE = Setting(
    "alert_mode",
    "real-time: alerts in milliseconds; micro-batch: with each batch, and a task slot per partition is left free",
    checks.one_of("real-time", "micro-batch"),
    "real-time",
    metavar="NAME",
)
ALERT_BATCH = _span(
    "alert_batch",
    "how long a batch of real-time alerts lasts: a job that starts again sends those of its last batch again",
    300.0,
    minimum=5.0,
    maximum=86_400.0,
    shown="5 minutes",
)
MAX_OFFSETS = Setting(
    "max_offsets_per_trigger",
    "the most messages in a micro-batch, so that a backlog is worked off in pieces",
    checks.integer(minimum=1, maximum=100_000_000),
    metavar="N",
    shown_default="250000, or 500000 with --available-now",
)
STARTING_OFFSETS = Setting(
    "starting_offsets",
    "where a new checkpoint begins: earliest or latest",
    checks.one_of("earliest", "latest"),
    "earliest",
    metavar="WORD",
)
QUERIES = Setting(
    "queries",
    "what the job does: readings (stores them, their alerts and dead letters), windows (stores their statistics), "
    "router (alerts and dead letters to Kafka); jobs that share the work need a checkpoint each",
    checks.one_of("readings", "windows", "router"),
    ["readings", "windows", "router"],
    count="many",
    metavar="NAME",
)
AVAILABLE_NOW = switch("available_now", "work off what the topic holds now, and end")
HEALTH = switch("health", "say whether a job that writes to this database is at work, and end: 0 if so, 1 if not")
DRIVER_MEMORY = Setting("driver_memory", "the memory of Spark's driver", checks.memory, "1g", metavar="AMOUNT")
DRIVER_JAVA_OPTIONS = Setting(
    "driver_java_options",
    "options for the driver's Java",
    metavar="WORDS",
    shown_default="none",
)
CLEAR_AFTER = _span(
    "clear_after", "an alarm is over when its sensor sent readings for this span without an alert", 60.0
)
SILENT_AFTER = _span(
    "silent_after",
    "a sensor raises an alarm when nothing was heard of it for this span; 0: never",
    300.0,
    minimum=0.0,
    shown="5 minutes",
)

# --- verify.py -------------------------------------------------------------------------------------------------------

VERIFIED_LEDGER = replace(
    LEDGER,
    help="the ledger to compare with: the file of producer.py --ledger FILE",
    parse=checks.existing_file,
    shown_default="none: it has to be given",
)
VERIFIED_RUN = replace(RUN, help="compare this run of the ledger alone", shown_default="every run in the ledger")
WAIT = _seconds("wait", "compare again until all agrees, for so many seconds at most", 0.0, minimum=0, example="60")
JSON = switch("json", "print one JSON object instead of tables")

# --- dashboard.py ----------------------------------------------------------------------------------------------------

HOST = Setting(
    "host",
    "the address that the page is served on; with one that other machines reach, --users is needed",
    checks.own_address,
    "127.0.0.1",
    metavar="ADDRESS",
)
USERS = Setting(
    "users",
    "the file of those who may log in; the page asks for no password without it",
    checks.writable_file,
    metavar="FILE",
)
ADD_USER = Setting(
    "add_user",
    "give this user of --users a password, asked for or read from stdin, and end",
    checks.user_name,
    metavar="NAME",
)
LOGIN_HINT = Setting("login_hint", "a line that the log-in form shows", checks.line, metavar="TEXT")
SESSION_KEY = Setting(
    "session_key",
    "signs the cookies of those who are logged in, so that they stay so after a restart",
    checks.session_key,
    metavar="WORD",
    shown_default="made anew at each start",
    secret=True,
)
PORT = Setting("port", "the page's port", checks.integer(minimum=1, maximum=65535), 8050, metavar="PORT")
REFRESH = Setting(
    "refresh",
    "seconds between two looks at MongoDB",
    checks.number(minimum=0.5, maximum=3600, example="2"),
    1.0,
    metavar="S",
)
ALIVE_WITHIN = _seconds(
    "alive_within", "a sensor is alive when its last reading is at most so many seconds old", 60.0, minimum=1
)

# --- provision.py ----------------------------------------------------------------------------------------------------

SECRETS_FOLDER = Setting(
    "folder",
    "the folder that holds the passwords, with a folder in it for each service",
    checks.existing_folder,
    Path("/secrets"),
    metavar="FOLDER",
)


def _address(name: str, what: str, default: str, check: Callable[[str], str] = checks.host_port) -> Setting:
    return Setting(name, f"where {what} is reached", check, default, metavar="HOST:PORT")


MONGO_ADDRESS = _address("mongo_address", "MongoDB", "localhost:27017", checks.servers)
KAFKA_ADDRESS = _address("kafka_address", "Kafka", "localhost:9092")
PAGE_ADDRESS = _address("page_address", "the page", "localhost:8050")
REPLICA_SET = Setting(
    "replica_set",
    "the name of MongoDB's replica set; its members have commas between them in --mongo-address",
    checks.name,
    metavar="NAME",
)
TLS = switch("tls", "the servers talk over TLS, and Kafka asks for users")
TLS_NAMES = Setting(
    "tls_names",
    "with --tls: names and IP addresses by which other machines reach the servers",
    checks.host,
    [],
    count="many",
    metavar="HOST",
    shown_default="none but localhost",
)


def _own_password(user: str, whose: str) -> Setting:
    return Setting(
        f"{user}_password", whose, checks.password, metavar="WORD", shown_default="made at random", secret=True
    )


OWN_PASSWORDS = (
    _own_password("page", "the password of the page's user, operator"),
    _own_password("root", "that of MongoDB's root"),
    _own_password("pipeline", "that of MongoDB's user of the Spark job"),
    _own_password("dashboard", "that of MongoDB's user of the page"),
    _own_password("reader", "that of MongoDB's user who only reads"),
    _own_password("producer", "with --tls: that of Kafka's user of the producer"),
    _own_password("consumer", "with --tls: that of Kafka's user of the consumer"),
    _own_password("job", "with --tls: that of Kafka's user of the Spark job"),
    _own_password("mender", "with --tls: that of Kafka's user who sends dead letters back"),
)

# --- stack.py ------------------------------------------------------------------------------------------------------


def services(names: Sequence[str]) -> Setting:
    """The choice among the services of that name."""
    known = f"which to run: {', '.join(names)}"
    return Setting(
        "services", known, checks.one_of(*names), list(names), count="many", metavar="NAME", shown_default="all"
    )


STACK_SENSORS = replace(SENSORS, help="how many sensors the producer emulates", default=1000)
STACK_RATE = replace(
    RATE,
    help="messages a second of the producer; later changes as RATE@SECOND: 1000 5000@60",
    default=[(1000.0, None)],
    shown_default="1000",
)
STACK_INTERVAL = replace(INTERVAL, help="seconds between two tables of the consumer", default=5.0)
STACK_MAX_ROWS = replace(MAX_ROWS, default=10)
DATA_DIR = Setting(
    "data_dir", "where data, logs and process ids are kept", checks.folder, Path(".stack"), metavar="DIR"
)
KAFKA_PORT = Setting(
    "kafka_port", "the port of the broker on 127.0.0.1", checks.integer(minimum=1, maximum=65535), 9092, metavar="PORT"
)
KAFKA_JAVA_OPTIONS = Setting(
    "kafka_java_options",
    "options for the broker's Java: --kafka-java-options=-Xmx2g",
    checks.words,
    [],
    metavar="WORDS",
    shown_default="none",
)
MONGO_PORT = Setting(
    "mongo_port", "the port of mongod on 127.0.0.1", checks.integer(minimum=1, maximum=65535), 27017, metavar="PORT"
)
DASHBOARD_PORT = Setting(
    "dashboard_port",
    "the port of the page on 127.0.0.1",
    checks.integer(minimum=1, maximum=65535),
    8050,
    metavar="PORT",
)
SECONDS = Setting(
    "seconds",
    "stop by itself after so many seconds of sending, with a summary",
    checks.number(above=0, example="60"),
    metavar="N",
    shown_default="until Ctrl-C",
)
DETACH = switch("detach", "leave everything running in the background")
YES = switch("yes", "do not ask")
FOLLOW = switch("follow", "go on printing what is added, until Ctrl-C")
