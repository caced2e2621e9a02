# docker build --tag imagegate .
# The steps are in deploy/image; tests/stress/test_image.py carries this file out in a chroot of the same distribution.
ARG BASE=debian:13.8-slim

FROM ${BASE} AS build
COPY . /source
RUN /source/deploy/image/build.sh /source /opt/imagegate

FROM ${BASE}
RUN --mount=type=bind,source=deploy/image,target=/mnt /mnt/prepare.sh
COPY --from=build /opt/imagegate /opt/imagegate
ENV PATH=/opt/imagegate/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    IMAGEGATE_DATA=/data \
    IMAGEGATE_HOST=0.0.0.0 \
    IMAGEGATE_PORT=8000
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["imagegate", "health"]
ENTRYPOINT ["tini", "--", "imagegate"]
CMD ["serve"]
