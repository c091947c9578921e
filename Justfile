# list what can be done
default:
    @just --list --unsorted

# bookings through all four services, without AWS
demo *args:
    cargo run -q -- demo {{args}}

# everything, real LocalStack and Terraform included
test *args:
    cargo test {{args}}

# the real runtime under every fault, so many seeds of 100 bookings: just sim 10000
sim seeds="2000":
    BOOKING_SIM_SEEDS={{seeds}} cargo test --release --test it simulation -- --nocapture --test-threads 1

# what CI runs
ci:
    bash .ci/run

# format and lint
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    terraform fmt -check -recursive terraform

# LocalStack on port 4566 with the real topology; then: source localstack/env
up:
    localstack/up

# end it
down:
    localstack/down

# the four services as processes, on whatever the environment points to
services:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build
    trap 'kill 0' EXIT
    for role in seats payment receipt status; do target/debug/booking "$role" & done
    wait

# licences, sources and bans of the dependencies (needs cargo-deny)
deny:
    cargo deny check bans licenses sources
