# syntax=docker/dockerfile:1
# The product as one image: `serve` for the web, `work` for the workers (or `run` for both), `migrate` once a release.
# Nothing is written into it when it runs, so that its file system can be read-only; /tmp is the only folder it needs to
# write to.

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
COPY requirements.txt /build/requirements.txt
RUN /venv/bin/pip install --require-hashes --only-binary :all: --requirement /build/requirements.txt

FROM python:3.11-slim-bookworm
# pg_dump and pg_restore, for `manage.py backup` and `restore`: as new as the server, 15 here.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-client \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 app \
    && useradd --uid 10001 --gid app --no-create-home --home-dir /tmp --shell /usr/sbin/nologin app
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=rebound_tts.settings
COPY --from=build /venv /venv
WORKDIR /app
COPY manage.py pyproject.toml ./
COPY rebound_tts rebound_tts
COPY merchants merchants
COPY matching matching
COPY returns returns
COPY templates templates
# Made-up values, for this one line: they are in no layer, and nothing that is collected depends on them.
RUN SECRET_KEY=build FIELD_ENCRYPTION_KEYS="build:$(head -c 32 /dev/zero | base64)" DATABASE_URL=sqlite:///:memory: \
    python manage.py collectstatic --noinput --verbosity 0 \
    && python -m compileall -q rebound_tts merchants matching returns
USER 10001:10001
EXPOSE 8000
# Docker sends SIGTERM, which both servers finish their work on.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz/web', timeout=4)"]
CMD ["python", "manage.py", "serve", "--host", "0.0.0.0", "--port", "8000"]
