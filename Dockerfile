# claudeproxy and the Claude Code CLI in a container: doc/service.md, "Docker".
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:${PYTHON}-slim
# The user whose ~/.claude is mounted, so that its files can be read and stay theirs.
ARG UID=1000
RUN useradd --uid "$UID" --create-home --home-dir /claudeproxy --shell /usr/sbin/nologin claudeproxy
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir "$(echo /wheels/*.whl)[cli]"
# By its number, which is how some ask whether it is root.
USER $UID
ENV HOME=/claudeproxy
WORKDIR $HOME
# Other machines, as which the host counts, are only served with keys: without, it does not start.
ENV CLAUDEPROXY_INTERFACE=0.0.0.0 PYTHONUNBUFFERED=1
EXPOSE 3456
# Not urllib, which would send this to an HTTP proxy of the environment.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["python", "-c", "\
import http.client, os; \
port = int(os.environ.get('CLAUDEPROXY_PORT', '3456')); \
connection = http.client.HTTPConnection('127.0.0.1', port, timeout=5); \
connection.request('GET', '/health'); \
raise SystemExit(connection.getresponse().status != 200)"]
ENTRYPOINT ["claudeproxy", "serve"]
