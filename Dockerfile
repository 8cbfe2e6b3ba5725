# isimed in a container: docs/server.md. `--build-arg TORCH=cuda` for NVIDIA GPUs.
ARG BASE=python:3.12-slim-bookworm
FROM ${BASE} AS build
ARG TORCH=cpu
WORKDIR /source
COPY . .
# The index of torch's builds for CPUs is named by whoever builds; without one the registry's own build is taken.
ARG TORCH_INDEX=https://download.pytorch.org/whl
RUN python3 -m venv /opt/isimed \
 && if [ "$TORCH" = cpu ] && [ -n "$TORCH_INDEX" ]; then \
      /opt/isimed/bin/pip install --no-cache-dir --index-url "$TORCH_INDEX/cpu" torch==2.13.0; fi \
 && /opt/isimed/bin/pip install --no-cache-dir -c requirements.txt .

FROM ${BASE}
LABEL org.opencontainers.image.title="isimed" \
      org.opencontainers.image.description="Where in the body a piece of a scan comes from. Research use only."
RUN useradd --create-home --uid 1000 isimed \
 && mkdir -p /home/isimed/home /data \
 && chown isimed:isimed /home/isimed/home
COPY --from=build /opt/isimed /opt/isimed
ENV PATH=/opt/isimed/bin:$PATH \
    ISIMED_HOME=/home/isimed/home \
    PYTHONUNBUFFERED=1 \
    HOME=/home/isimed
USER 1000:1000
WORKDIR /home/isimed
VOLUME ["/home/isimed/home", "/data"]
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
# All of the container's addresses; which of the host's they become is what `docker run -p` says.
CMD ["isimed", "app", "--server.address", "0.0.0.0", "--server.port", "8501", "--server.headless", "true"]
