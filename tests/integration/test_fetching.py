"""What is fetched, Java and the jars, is whole or not there, whatever happens on the way."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from harness import await_condition, free_port, quiet_display

from pipeline import jars, java, kafka_server, processes, runtime, truststore
from pipeline.console import UserError
from pipeline.java import Java
from pipeline.services import Running
from pipeline.settings import inherited_environment

ENSURE = """\
import sys
from pathlib import Path
from pipeline import jars, java
from pipeline.display import Display
with Display().step("jars") as step:
    print(jars.ensure("broker", java.find(), step, base=Path(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def found_java() -> Java:
    with quiet_display().step("java") as step:
        return java.ensure(step)


@pytest.fixture(scope="module")
def whole(found_java) -> Path:
    """The project's own jars of the broker."""
    with quiet_display().step("jars") as step:
        return jars.ensure("broker", found_java, step)


@pytest.fixture
def base(tmp_path, whole) -> Path:
    """A folder for downloads where the jars are yet to be retrieved, from files that Ivy has already."""
    shutil.copytree(whole.parents[1] / "ivy-cache", tmp_path / "runtime" / "ivy-cache", copy_function=os.link)
    return tmp_path / "runtime"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def begin(base: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ENSURE, str(base)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=runtime.ROOT,
        env=inherited_environment(**environment),
    )


def test_the_jars_are_retrieved_once_and_hold_what_a_broker_logs_with(base, whole, found_java):
    with quiet_display().step("jars") as step:
        folder = jars.ensure("broker", found_java, step, base=base)
        retrieved = (folder / "kafka_2.13-4.3.1.jar").stat().st_ctime_ns
        again = jars.ensure("broker", found_java, step, base=base)

    assert again == folder
    assert (folder / "kafka_2.13-4.3.1.jar").stat().st_ctime_ns == retrieved
    assert names(folder) == names(whole)
    assert {"kafka_2.13-4.3.1.jar", "log4j-core-2.25.4.jar", "log4j-slf4j-impl-2.25.4.jar"} <= names(folder)
    assert step.result == f"{len(names(whole))} jars for the broker"


def test_a_changed_ivy_xml_has_a_set_of_its_own(base, found_java, tmp_path):
    changed = tmp_path / "ivy.xml"
    changed.write_text(jars.IVY_FILE.read_text() + "<!-- changed -->\n")

    with quiet_display().step("jars") as step:
        first = jars.ensure("broker", found_java, step, base=base)
        second = jars.ensure("broker", found_java, step, base=base, ivy_file=changed)

    assert first != second
    assert names(first) == names(second)


def test_two_processes_at_once_do_not_disturb_each_other(base, whole):
    both = [begin(base), begin(base)]

    answers = [process.communicate(timeout=300) for process in both]

    assert [process.returncode for process in both] == [0, 0], answers
    assert len({out for out, _ in answers}) == 1
    assert sum("another process is fetching the jars" in err for _, err in answers) == 1
    assert names(Path(answers[0][0].strip())) == names(whole)


def test_a_retrieval_that_was_killed_is_not_taken_for_a_whole_one(base, whole, found_java):
    # given: both it and its Ivy are killed while Ivy is at work
    process = begin(base)
    await_condition(lambda: bool(psutil.Process(process.pid).children()), "Ivy is at work")
    children = psutil.Process(process.pid).children()
    process.kill()
    processes.kill([child for child in children if "java" in child.name()])
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not jars.folder_of("broker", base=base).exists()

    # when
    with quiet_display().step("jars") as step:
        folder = jars.ensure("broker", found_java, step, base=base)

    # then
    assert names(folder) == names(whole)
    assert names(folder.parent) == {folder.name}


def test_without_a_network_there_is_one_line_and_nothing_is_left(tmp_path):
    closed = free_port()
    proxy = f"-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort={closed}"

    process = begin(tmp_path / "runtime", JAVA_TOOL_OPTIONS=proxy)
    _, err = process.communicate(timeout=300)

    assert process.returncode == 1
    last = err.splitlines()[-1]
    assert "UserError: the jars of ivy.xml cannot be fetched: java.net.ConnectException: Connection refused" in last
    assert "check the network" in last
    assert not (tmp_path / "runtime" / "jars").exists()


def test_without_pyspark_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)

    with pytest.raises(UserError, match="run 'make setup'"):
        jars.bundled_ivy()


def test_where_there_is_no_java_one_is_fetched_and_runs_a_broker(tmp_path, whole, monkeypatch):
    # given: a machine without Java
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert java.find(tmp_path / "runtime") is None

    # when
    with quiet_display().step("java") as step:
        fetched = java.ensure(step, tmp_path / "runtime")

    # then
    assert fetched.executable.is_relative_to(tmp_path / "runtime")
    assert step.result == "21, from .runtime"
    service = kafka_server.service(fetched, whole, tmp_path / "kafka", tmp_path / "logs", free_port())
    running = Running(service, "no-java")
    try:
        with quiet_display().step("kafka") as step:
            running.await_health(step, lambda: False)
        assert psutil.Process(running.identity.pid).exe() == str(fetched.executable.resolve())
    finally:
        running.stop()
    # And it can read what Python trusts, with which it fetches the jars.
    options = truststore.java_options(tmp_path)
    keytool = [str(fetched.executable.with_name("keytool")), "-list", "-storepass", truststore.PASSWORD]
    listed = subprocess.run(
        [*keytool, "-keystore", str(tmp_path / "authorities.jks")], capture_output=True, text=True, check=True
    ).stdout
    assert f"contains {len(truststore.authorities())} entries" in listed
    assert options[0] == f"-Djavax.net.ssl.trustStore={tmp_path / 'authorities.jks'}"
    # And it is found again without a download.
    assert java.find(tmp_path / "runtime") == fetched


def test_a_broker_keeps_its_data_when_the_port_of_its_controller_is_taken_at_the_next_start(
    tmp_path, found_java, whole
):
    folder = tmp_path / "any näme"
    port, clusters, controllers = free_port(), [], []
    with socket.socket() as squatter:
        for _ in range(2):
            service = kafka_server.service(found_java, whole, folder, folder / "logs", port)
            running = Running(service, "again")
            try:
                with quiet_display().step("kafka") as step:
                    running.await_health(step, lambda: False)
            finally:
                running.stop()
            properties = (folder / "server.properties").read_text()
            controllers.append(int(properties.partition("controller.quorum.voters=1@127.0.0.1:")[2].split()[0]))
            clusters.append(kafka_server.cluster_id(folder))
            if len(controllers) == 1:
                squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                squatter.bind(("127.0.0.1", controllers[0]))
                squatter.listen()

    assert clusters[0] == clusters[1] != ""
    assert "Kafka Server started" in (folder / "logs" / "kafka.log").read_text()
    assert controllers[0] != controllers[1]
