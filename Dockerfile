# One image for every process of the mesh; docker-compose.yml says which one a container is.
# To pin the image, name its digest: --build-arg PYTHON_IMAGE=python:3.11-slim@sha256:…
ARG PYTHON_IMAGE=python:3.11-slim

FROM $PYTHON_IMAGE AS build
# Where pip finds packages; every package is checked by its hash.
ARG PIP_INDEX_URL=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/tutormesh
COPY requirements/services.txt /build/
RUN /opt/tutormesh/bin/pip install --no-deps --require-hashes -r /build/services.txt

FROM $PYTHON_IMAGE
ENV PATH=/opt/tutormesh/bin:$PATH PYTHONPATH=/srv/tutormesh:/srv/tutormesh/generated PYTHONUNBUFFERED=1
RUN useradd --system --uid 10001 --home-dir /srv/tutormesh --shell /usr/sbin/nologin tutormesh \
    && for folder in . stripe issuer identity identity/public identity/bff identity/payment identity/ops \
         identity/availability identity/booking identity/session identity/learning; do \
         install -d -o tutormesh -g tutormesh -m 700 "/var/lib/tutormesh/$folder"; done
COPY --from=build /opt/tutormesh /opt/tutormesh
COPY . /srv/tutormesh
WORKDIR /srv/tutormesh
# The root is read-only later, so that byte code must be there already.
RUN python -m compileall -q . \
    && printf '#!/bin/sh\nexec python -m ops "$@"\n' > /usr/local/bin/tutormesh && chmod 755 /usr/local/bin/tutormesh
USER tutormesh
# No secret is in here: settings come from the environment, tokens and keys from a volume.
CMD ["python", "-m", "ops", "--help"]
