# Choices that contradict the integration are refused before anything is created. Each run names only
# what is wrong.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id  = "123456789012"
  region      = "eu-central-1"
  integration = "step-functions"
  store       = "dynamodb"
  image       = "registry.example/booking:1.4.0"
  vpc_id      = "vpc-0a1b2c3d"
  subnet_ids  = ["subnet-0a1b2c3d"]
  flights     = "sample"
  gateway     = "simulated"
  mailer      = "folder"
  secrets     = { seal_key = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/seal-key" }
}

run "everything_that_it_needs" {
  command = plan
}

run "an_integration_that_is_none" {
  command = plan
  # Without the seal key, which would be refused as well.
  variables {
    integration = "orchestration"
    secrets     = {}
  }
  expect_failures = [var.integration]
}

run "a_machine_without_a_seal_key" {
  command = plan
  variables { secrets = {} }
  expect_failures = [var.secrets]
}

run "a_seal_key_without_a_machine" {
  command = plan
  variables { integration = "choreography" }
  expect_failures = [var.secrets]
}

run "a_seal_key_that_is_no_arn" {
  command = plan
  variables { secrets = { seal_key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" } }
  expect_failures = [var.secrets]
}

run "canaries_without_topics" {
  command = plan
  variables { canary_key_arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/canary-key" }
  expect_failures = [var.canary_key_arn]
}

run "environment_against_the_integration" {
  command = plan
  variables { environment = { seats = { BOOKING_INTEGRATION = "choreography" } } }
  expect_failures = [var.environment]
}

run "environment_with_the_seal_key" {
  command = plan
  variables { environment = { seats = { BOOKING_SEAL_KEY = "0123456789abcdef0123456789abcdef" } } }
  expect_failures = [var.environment]
}

run "environment_with_the_file_of_the_seal_key" {
  command = plan
  variables { environment = { seats = { BOOKING_SEAL_KEY_FILE = "/data/seal-key" } } }
  expect_failures = [var.environment]
}

# Without services nobody reads it, so it may come later, or never.
run "a_machine_for_services_elsewhere_needs_no_seal_key" {
  command = plan

  variables {
    image      = null
    vpc_id     = null
    subnet_ids = []
    flights    = null
    gateway    = null
    mailer     = null
    secrets    = {}
  }

  assert {
    condition     = length(aws_sfn_state_machine.booking) == 1 && length(aws_ecs_service.role) == 0
    error_message = "There is no machine without services."
  }
}
