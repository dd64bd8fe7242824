# One image for every process of the platform; the command says which.
FROM python:3.13.7-slim-trixie

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/fieldlab fieldlab
WORKDIR /usr/src/fieldlab

# What runs changes less often than the platform, so it is a layer of its own. pip checks every file against its hash.
COPY constraints.txt .
RUN sed -n '/^# section: runtime$/,/^# section: dev$/p' constraints.txt > runtime.txt \
    && pip install --require-hashes --requirement runtime.txt

COPY pyproject.toml README.md LICENSE ./
COPY fieldlab fieldlab
COPY connectors connectors
COPY gateway gateway
COPY api api
COPY simulators simulators
COPY migrations migrations
COPY cli cli
RUN pip install --no-deps --no-build-isolation . && rm -rf /usr/src/fieldlab/*

USER fieldlab
WORKDIR /var/lib/fieldlab
ENTRYPOINT ["fieldlab"]
CMD ["--help"]
