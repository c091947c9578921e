# Settings that make no sense are refused before anything is created.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id = "123456789012"
  region     = "eu-central-1"
}

run "prefix_with_a_forbidden_character" {
  command = plan
  variables { prefix = "Staging_" }
  expect_failures = [var.prefix]
}

run "prefix_too_long" {
  command = plan
  variables { prefix = "a-prefix-that-is-thirty-three-ch-" }
  expect_failures = [var.prefix]
}

run "prefix_that_no_security_group_may_have" {
  command = plan
  variables { prefix = "sg-staging-" }
  expect_failures = [var.prefix]
}

run "prefix_just_short_enough" {
  command = plan
  variables { prefix = "a-prefix-that-is-thirty-two-cha-" }

  assert {
    condition     = length(var.prefix) == 32 && alltrue([for it in aws_sqs_queue.undelivered : length(it.name) <= 80])
    error_message = "The longest prefix leaves no room for the longest queue name (SQS allows 80)."
  }
}

run "account_id_not_12_digits" {
  command = plan
  variables { account_id = "12345" }
  expect_failures = [var.account_id]
}

run "region_not_a_code" {
  command = plan
  variables { region = "Frankfurt" }
  expect_failures = [var.region]
}

run "region_of_an_isolated_partition" {
  command = plan
  variables { region = "us-isob-east-1" }

  assert {
    condition     = strcontains(local.topic_arns["seat-booked"], ":us-isob-east-1:")
    error_message = "The region has no effect."
  }
}

run "key_alias_instead_of_key" {
  command = plan
  variables { kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:alias/booking" }
  expect_failures = [var.kms_key_arn]
}

run "no_delivery_at_all" {
  command = plan
  variables { max_receive_count = 0 }
  expect_failures = [var.max_receive_count]
}

run "visibility_beyond_12_hours" {
  command = plan
  variables { visibility_timeout_s = 43201 }
  expect_failures = [var.visibility_timeout_s]
}

run "long_poll_beyond_20_seconds" {
  command = plan
  variables { receive_wait_s = 21 }
  expect_failures = [var.receive_wait_s]
}

run "retention_beyond_14_days" {
  command = plan
  variables { message_retention_s = 1209601 }
  expect_failures = [var.message_retention_s]
}

run "dead_letters_kept_shorter_than_messages" {
  command = plan
  variables {
    message_retention_s     = 345600
    dead_letter_retention_s = 345599
  }
  expect_failures = [var.dead_letter_retention_s]
}

run "dead_letters_kept_as_long_as_messages" {
  command = plan
  variables {
    message_retention_s     = 345600
    dead_letter_retention_s = 345600
  }
}

run "endpoint_with_a_path" {
  command = plan
  variables { endpoint_url = "http://127.0.0.1:4566/path" }
  expect_failures = [var.endpoint_url]
}

run "side_by_side_on_aws" {
  command = plan
  variables { side_by_side = true }
  expect_failures = [var.side_by_side]
}

run "a_store_that_is_none" {
  command = plan
  variables { store = "postgres" }
  expect_failures = [var.store]
}

# What follows is about services: everything they need, and one thing wrong at a time.

run "services_on_sqlite" {
  command = plan
  variables {
    image      = "registry.example/booking:1.4.0"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
    flights    = "sample"
    gateway    = "simulated"
    mailer     = "folder"
  }
  expect_failures = [var.image]
}

run "services_on_an_emulator" {
  command = plan
  variables {
    store        = "dynamodb"
    image        = "registry.example/booking:1.4.0"
    vpc_id       = "vpc-0a1b2c3d"
    subnet_ids   = ["subnet-0a1b2c3d"]
    flights      = "sample"
    gateway      = "simulated"
    mailer       = "folder"
    endpoint_url = "http://127.0.0.1:4566"
  }
  expect_failures = [var.image]
}

run "image_without_a_tag" {
  command = plan
  variables {
    store      = "dynamodb"
    image      = "registry.example:5000/booking"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
    flights    = "sample"
    gateway    = "simulated"
    mailer     = "folder"
  }
  expect_failures = [var.image]
}

run "image_with_a_tag_that_moves" {
  command = plan
  variables {
    store      = "dynamodb"
    image      = "registry.example/booking:latest"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
    flights    = "sample"
    gateway    = "simulated"
    mailer     = "folder"
  }
  expect_failures = [var.image]
}

run "services_with_a_visibility_no_longer_than_an_effect" {
  command = plan
  variables {
    store                = "dynamodb"
    image                = "registry.example/booking:1.4.0"
    vpc_id               = "vpc-0a1b2c3d"
    subnet_ids           = ["subnet-0a1b2c3d"]
    flights              = "sample"
    gateway              = "simulated"
    mailer               = "folder"
    visibility_timeout_s = 12
  }
  expect_failures = [var.visibility_timeout_s]
}

run "services_with_a_visibility_as_long_as_the_heartbeat_lasts" {
  command = plan
  variables {
    store                = "dynamodb"
    image                = "registry.example/booking:1.4.0"
    vpc_id               = "vpc-0a1b2c3d"
    subnet_ids           = ["subnet-0a1b2c3d"]
    flights              = "sample"
    gateway              = "simulated"
    mailer               = "folder"
    visibility_timeout_s = 600
  }
  expect_failures = [var.visibility_timeout_s]
}

run "services_without_a_vpc" {
  command = plan
  variables {
    store      = "dynamodb"
    image      = "registry.example/booking:1.4.0"
    subnet_ids = ["subnet-0a1b2c3d"]
    flights    = "sample"
    gateway    = "simulated"
    mailer     = "folder"
  }
  expect_failures = [var.vpc_id]
}

run "services_without_a_subnet" {
  command = plan
  variables {
    store   = "dynamodb"
    image   = "registry.example/booking:1.4.0"
    vpc_id  = "vpc-0a1b2c3d"
    flights = "sample"
    gateway = "simulated"
    mailer  = "folder"
  }
  expect_failures = [var.subnet_ids]
}

run "a_subnet_that_is_none" {
  command = plan
  variables {
    store      = "dynamodb"
    image      = "registry.example/booking:1.4.0"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["private-a"]
    flights    = "sample"
    gateway    = "simulated"
    mailer     = "folder"
  }
  expect_failures = [var.subnet_ids]
}

run "a_cluster_by_name" {
  command = plan
  variables {
    store       = "dynamodb"
    image       = "registry.example/booking:1.4.0"
    vpc_id      = "vpc-0a1b2c3d"
    subnet_ids  = ["subnet-0a1b2c3d"]
    flights     = "sample"
    gateway     = "simulated"
    mailer      = "folder"
    cluster_arn = "shared"
  }
  expect_failures = [var.cluster_arn]
}

run "an_architecture_that_is_none" {
  command = plan
  variables {
    store            = "dynamodb"
    image            = "registry.example/booking:1.4.0"
    vpc_id           = "vpc-0a1b2c3d"
    subnet_ids       = ["subnet-0a1b2c3d"]
    flights          = "sample"
    gateway          = "simulated"
    mailer           = "folder"
    cpu_architecture = "arm64"
  }
  expect_failures = [var.cpu_architecture]
}

run "services_without_a_schedule" {
  command = plan
  variables {
    store      = "dynamodb"
    image      = "registry.example/booking:1.4.0"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
    gateway    = "simulated"
    mailer     = "folder"
  }
  expect_failures = [var.flights]
}

run "a_gateway_that_nobody_named" {
  command = plan
  variables {
    store      = "dynamodb"
    image      = "registry.example/booking:1.4.0"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
    flights    = "sample"
    mailer     = "folder"
  }
  expect_failures = [var.gateway]
}

run "a_mailer_that_nobody_named" {
  command = plan
  variables {
    store      = "dynamodb"
    image      = "registry.example/booking:1.4.0"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
    flights    = "sample"
    gateway    = "simulated"
  }
  expect_failures = [var.mailer]
}

run "environment_of_a_role_that_is_none" {
  command = plan
  variables {
    store       = "dynamodb"
    image       = "registry.example/booking:1.4.0"
    vpc_id      = "vpc-0a1b2c3d"
    subnet_ids  = ["subnet-0a1b2c3d"]
    flights     = "sample"
    gateway     = "simulated"
    mailer      = "folder"
    environment = { seat = { RUST_LOG = "debug" } }
  }
  expect_failures = [var.environment]
}

run "environment_against_the_module" {
  command = plan
  variables {
    store       = "dynamodb"
    image       = "registry.example/booking:1.4.0"
    vpc_id      = "vpc-0a1b2c3d"
    subnet_ids  = ["subnet-0a1b2c3d"]
    flights     = "sample"
    gateway     = "simulated"
    mailer      = "folder"
    environment = { seats = { BOOKING_DRAIN = "60s" } }
  }
  expect_failures = [var.environment]
}

run "environment_with_a_secret" {
  command = plan

  variables {
    store       = "dynamodb"
    image       = "registry.example/booking:1"
    vpc_id      = "vpc-0a1b2c3d"
    subnet_ids  = ["subnet-0a1b2c3d"]
    flights     = "sample"
    gateway     = "simulated"
    mailer      = "folder"
    environment = { seats = { BOOKING_CANARY_KEY = "0123456789abcdef0123456789abcdef" } }
  }

  expect_failures = [var.environment]
}

run "a_key_of_canaries_that_is_no_arn" {
  command = plan

  variables {
    canary_key_arn = "0123456789abcdef0123456789abcdef"
  }

  expect_failures = [var.canary_key_arn]
}

run "environment_against_the_prefix" {
  command = plan
  variables {
    store       = "dynamodb"
    image       = "registry.example/booking:1.4.0"
    vpc_id      = "vpc-0a1b2c3d"
    subnet_ids  = ["subnet-0a1b2c3d"]
    flights     = "sample"
    gateway     = "simulated"
    mailer      = "folder"
    environment = { seats = { BOOKING_PREFIX = "other-" } }
  }
  expect_failures = [var.environment]
}

run "environment_against_the_door" {
  command = plan
  variables {
    store       = "dynamodb"
    image       = "registry.example/booking:1.4.0"
    vpc_id      = "vpc-0a1b2c3d"
    subnet_ids  = ["subnet-0a1b2c3d"]
    flights     = "sample"
    gateway     = "simulated"
    mailer      = "folder"
    environment = { status = { BOOKING_HTTP_OPEN = "yes" } }
  }
  expect_failures = [var.environment]
}

run "the_whole_internet_asks_status" {
  command = plan
  variables {
    store          = "dynamodb"
    image          = "registry.example/booking:1.4.0"
    vpc_id         = "vpc-0a1b2c3d"
    subnet_ids     = ["subnet-0a1b2c3d"]
    flights        = "sample"
    gateway        = "simulated"
    mailer         = "folder"
    status_ingress = ["0.0.0.0/0"]
  }
  expect_failures = [var.status_ingress]
}

run "an_ingress_that_is_no_address" {
  command = plan
  variables {
    store          = "dynamodb"
    image          = "registry.example/booking:1.4.0"
    vpc_id         = "vpc-0a1b2c3d"
    subnet_ids     = ["subnet-0a1b2c3d"]
    flights        = "sample"
    gateway        = "simulated"
    mailer         = "folder"
    status_ingress = ["10.0.0.0"]
  }
  expect_failures = [var.status_ingress]
}

run "a_load_balancer_instead_of_a_target_group" {
  command = plan
  variables {
    store            = "dynamodb"
    image            = "registry.example/booking:1.4.0"
    vpc_id           = "vpc-0a1b2c3d"
    subnet_ids       = ["subnet-0a1b2c3d"]
    flights          = "sample"
    gateway          = "simulated"
    mailer           = "folder"
    target_group_arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/booking/0123456789abcdef"
  }
  expect_failures = [var.target_group_arn]
}

run "logs_kept_for_a_time_cloudwatch_does_not_know" {
  command = plan
  variables {
    store              = "dynamodb"
    image              = "registry.example/booking:1.4.0"
    vpc_id             = "vpc-0a1b2c3d"
    subnet_ids         = ["subnet-0a1b2c3d"]
    flights            = "sample"
    gateway            = "simulated"
    mailer             = "folder"
    log_retention_days = 31
  }
  expect_failures = [var.log_retention_days]
}

run "everything_services_need" {
  command = plan
  variables {
    store      = "dynamodb"
    image      = "registry.example/booking:1.4.0"
    vpc_id     = "vpc-0a1b2c3d"
    subnet_ids = ["subnet-0a1b2c3d"]
    flights    = "sample"
    gateway    = "simulated"
    mailer     = "folder"
  }
}
