# One image for the three services, which its command names: `services.catalog`, or `services.catalog migrate`.

FROM node:24-slim AS styles
WORKDIR /styles
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM python:3.13-slim AS packages
COPY requirements/service.lock /
# No pip in what is shipped, and no compiler in what builds it: every package comes as a wheel.
RUN python -m venv --without-pip /venv
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip --disable-pip-version-check --python /venv install \
    --require-hashes --only-binary=:all: -r /service.lock

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Fagseminar" \
      org.opencontainers.image.description="Public-sector seminars that people attend in the room or on the stream" \
      org.opencontainers.image.licenses="MIT"
WORKDIR /app
COPY --from=packages /venv /venv
COPY services services
COPY shared shared
COPY --from=styles /styles/node_modules/@digdir/designsystemet-css/dist/src/index.css \
     shared/web/static/vendor/designsystemet.css
COPY --from=styles /styles/node_modules/@digdir/designsystemet-css/dist/theme/designsystemet.css \
     shared/web/static/vendor/theme.css
# HOST: a container is reached from outside it. No .pyc files: the code is not its user's to write to.
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0
# A number and not a name, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m"]
CMD ["services.catalog"]
