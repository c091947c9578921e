# list what can be done
default:
    @just --list --unsorted

# bookings through all four services, without AWS
demo *args:
    cargo run -q -- demo {{args}}

# everything, real LocalStack and Terraform included
test *args:
    cargo test {{args}}

# bookings through real processes that are killed, stopped and frozen; CI has 320 of them on SQLite,
# 96 on DynamoDB with two of every role: just chaos 3000 "" dynamodb
chaos bookings="3000" seed="" store="sqlite":
    #!/usr/bin/env bash
    set -euo pipefail
    export BOOKING_CHAOS_BOOKINGS={{bookings}} BOOKING_CHAOS_STORE={{store}}
    seed={{seed}}
    [ -z "$seed" ] || export BOOKING_CHAOS_SEED=$seed
    cargo test --test it chaos::

# every order, duplicate and crash of a few bookings, on the real worker
exhaustive:
    cargo test --release --test it exhaustive -- --nocapture

# the real runtime under every fault, so many seeds of 100 bookings: just sim 10000
sim seeds="2000":
    BOOKING_SIM_SEEDS={{seeds}} cargo test --release --test it simulation:: -- --nocapture --test-threads 1

# messages nobody thought of, so many a property, for the wire decoder
fuzz cases="1000000":
    PROPTEST_CASES={{cases}} cargo test --release --test it hardening:: -- --skip no_log_line

# measure, and write docs/BENCHMARKS.md (needs npm and Node 20): just bench --quick, just bench --help
bench *args:
    cargo bench --bench bench -- {{args}}

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
    # 1: it has begun already
    target/debug/booking init || [ $? -eq 1 ]
    trap 'kill 0' EXIT
    for role in seats payment receipt status; do target/debug/booking "$role" & done
    wait

# licences, sources, bans and advisories of the dependencies, as CI has it
deny:
    .ci/deny

# name the Dockerfile's base images by the digests that their tags have today: just pin-images --check
pin-images *args:
    .ci/pin-images {{args}}

# what the binary is made of, in CycloneDX: target/sbom/booking.cdx.json
sbom:
    .ci/sbom
