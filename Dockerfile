# One image for all four services: the command is the role.
#   docker build --tag booking .
#   docker run --rm --read-only --tmpfs /data:uid=65532 booking seats --help
#
# Base images are named by digest (that of the multi-platform index), which cannot be moved as a tag
# can. To take the images that the tags name today: just pin-images

FROM rust:1.95-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS build
WORKDIR /src
# Builds the dependencies in a layer of their own, which is built again only when they change.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
RUN mkdir -p src tests/it \
 && echo 'fn main() {}' | tee src/main.rs tests/it/main.rs > src/lib.rs \
 && cargo build --release --locked --bin booking \
 && rm -r src
COPY askama.toml ./
COPY topics topics
COPY build.rs ./
COPY src src
ARG REVISION=
# Cargo builds the real sources only if they are newer than the stand-ins of the layer above.
RUN touch src/main.rs src/lib.rs && BOOKING_COMMIT=$REVISION cargo build --release --locked --bin booking && mkdir /data

# The base has the C library and CA certificates, and no shell or package manager.
FROM gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f
ARG REVISION=unknown
LABEL org.opencontainers.image.title="booking" \
      org.opencontainers.image.description="Airline seat booking by four choreographed services over SNS and SQS" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /src/target/release/booking /booking
# A volume takes its owner from this folder; Fargate would otherwise mount it for root only. Its contents
# are lost with the container, so on ECS the rows are kept in DynamoDB.
COPY --from=build --chown=65532:65532 /data /data
VOLUME ["/data"]
ENV BOOKING_DATA=/data \
    BOOKING_LOG_FORMAT=json
USER 65532:65532
ENTRYPOINT ["/booking"]
CMD ["--help"]
