# One image for all four services: the command is the role.
#   docker build --tag booking .
#   docker run --rm --read-only --tmpfs /data:uid=65532 booking seats --help
#
# Base images are named by what is in them: the digest of the multi-platform index, which nobody can
# move. To take what the tags name today: just pin-images

FROM rust:1.95-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS build
WORKDIR /src
# The dependencies in a layer of their own: they are built again only when they change.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src tests/it \
 && echo 'fn main() {}' | tee src/main.rs tests/it/main.rs > src/lib.rs \
 && cargo build --release --locked --bin booking \
 && rm -r src
COPY askama.toml ./
COPY topics topics
COPY src src
# Newer than what was built from the stand-ins.
RUN touch src/main.rs src/lib.rs && cargo build --release --locked --bin booking && mkdir /data

# The C library, CA certificates and nothing else: no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f
ARG REVISION=unknown
LABEL org.opencontainers.image.title="booking" \
      org.opencontainers.image.description="Airline seat booking by four choreographed services over SNS and SQS" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /src/target/release/booking /booking
# A volume takes its owner from here: Fargate mounts it writable for nobody else. What is kept in it
# ends with the container: on ECS, rows are kept in DynamoDB.
COPY --from=build --chown=65532:65532 /data /data
VOLUME ["/data"]
ENV BOOKING_DATA=/data \
    BOOKING_LOG_FORMAT=json
USER 65532:65532
ENTRYPOINT ["/booking"]
CMD ["--help"]
