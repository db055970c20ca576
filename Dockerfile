# One image for our own parts: producer, consumer, Spark job, page and the one-shot helpers.
# What changes least comes first: a change of the code builds the last two layers anew, in seconds.
FROM python:3.11-slim-bookworm

# Java runs Spark.
RUN apt-get update \
 && apt-get install -y --no-install-recommends openjdk-17-jre-headless \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /app

COPY requirements.txt ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
    --require-hashes -r requirements.txt

# The jars with which Spark reads and writes Kafka, where pipeline/jars.py looks for them: nothing is fetched at start.
COPY ivy.xml ./
RUN spark=$(python -c "import importlib.util as u; print(u.find_spec('pyspark').submodule_search_locations[0])") \
 && java -jar "$spark"/jars/ivy-*.jar -cache /tmp/ivy -ivy ivy.xml -confs spark \
    -retrieve "/app/.runtime/jars/spark-$(sha256sum ivy.xml | cut -c1-12)/[artifact]-[revision].[ext]" \
 && rm -rf /tmp/ivy \
 && ln -s "$spark" /opt/spark

# Volumes take the owner of the folder that they are mounted on.
RUN useradd --uid 10001 --create-home app \
 && mkdir -p /data /secrets && cd /secrets \
 && mkdir admin authority dashboard kafka mongo people producer spark \
 && chown -R app /secrets /data

COPY *.py ivy.xml rules.toml mongo-schema.json spark-log4j2.properties ./
COPY pipeline pipeline
# Compiled now: the containers cannot write here. Spark's launcher goes through a wrapper around Java.
RUN python -m compileall -q . \
 && python -c "from pipeline import java, spark_session; spark_session.java_home(java.find())"

USER app
ENV PYTHONUNBUFFERED=1
CMD ["python", "stack.py", "--help"]
