# list the recipes
default:
    @just --list --unsorted

# show bookings going through all four services, without AWS
demo *args:
    cargo run -q -- demo {{args}}

# run all tests, also those on a real LocalStack and with Terraform
test *args:
    cargo test {{args}}

# send bookings through real processes that are killed, stopped and frozen. CI sends 320 with SQLite,
# 300 with SQLite, Stripe and a mail server, and 96 with DynamoDB and two processes of each role; of
# the latter only: just chaos 3000 "" dynamodb. It also sends 100 with a state machine, and 100 with functions:
# just chaos 100 "" step-functions, just chaos 100 "" lambda
chaos bookings="3000" seed="" store="sqlite":
    #!/usr/bin/env bash
    set -euo pipefail
    export BOOKING_CHAOS_BOOKINGS={{bookings}} BOOKING_CHAOS_STORE={{store}}
    seed={{seed}}
    [ -z "$seed" ] || export BOOKING_CHAOS_SEED=$seed
    cargo test --test it chaos::

# try every order, duplicate and crash of a few bookings, on the real worker
exhaustive:
    cargo test --release --features searches --test it exhaustive -- --nocapture

# run the real runtime under every fault, with this many seeds of 100 bookings: just sim 10000
sim seeds="2000":
    BOOKING_SIM_SEEDS={{seeds}} cargo test --release --features searches --test it simulation:: -- --nocapture \
        --test-threads 1

# test the wire decoder with random messages, this many for each property
fuzz cases="1000000":
    PROPTEST_CASES={{cases}} cargo test --release --test it contracts::generated::

# measure, and write docs/BENCHMARKS.md (needs npm and Node 20): just bench --quick, just bench --help
bench *args:
    cargo bench --bench bench -- {{args}}

# send the same bookings over each road, and write docs/COMPARISON.md. With fewer bookings nothing is
# written: just compare 20. One road alone, beside the others as they were measured last: just compare 500 fifo
compare bookings="500" roads="sns event-bridge fifo lambda step-functions":
    #!/usr/bin/env bash
    set -euo pipefail
    export BOOKING_COMPARE_BOOKINGS={{bookings}}
    # Each road has a process of its own, and with it emulators that nothing was asked of before.
    run() { cargo test --test it --features compare -- --nocapture --exact "comparison::$1"; }
    for road in {{roads}}; do BOOKING_COMPARE_ROAD=$road run measures_a_road; done
    BOOKING_COMPARE_WRITE=yes run writes_the_document

# run what CI runs
ci:
    bash .ci/run

# check formatting and lints
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    terraform fmt -check -recursive terraform

# start LocalStack on port 4566 with the real topology; then: source localstack/env
up:
    localstack/up

# end LocalStack
down:
    localstack/down

# run the four services as processes, on the AWS or LocalStack that the environment points to
services:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build
    # Exit code 1: the stores exist already.
    target/debug/booking init || [ $? -eq 1 ]
    trap 'kill 0' EXIT
    for role in seats payment receipt status; do target/debug/booking "$role" & done
    wait

# build the zip that a Lambda function runs, without Docker: just lambda --target aarch64-unknown-linux-gnu
lambda *args:
    terraform/lambda-zip {{args}}

# check licences, sources, bans and advisories of the dependencies, as CI does
deny:
    .ci/deny

# write the digests that the tags of the base images have today into the Dockerfile: just pin-images --check
pin-images *args:
    .ci/pin-images {{args}}

# list what the binary is made of, in CycloneDX: target/sbom/booking.cdx.json
sbom:
    .ci/sbom
