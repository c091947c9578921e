# Choices that contradict what carries the events are refused before anything is created. Each run names
# only what is wrong.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id = "123456789012"
  region     = "eu-central-1"
  events     = "eventbridge"
}

run "a_carrier_that_is_none" {
  command = plan
  variables { events = "kafka" }
  expect_failures = [var.events]
}

# The message names both.
run "a_bus_for_a_machine" {
  command = plan
  variables { integration = "step-functions" }
  expect_failures = [var.events]
}

run "topics_for_a_machine_are_none" {
  command = plan

  variables {
    events      = "sns"
    integration = "step-functions"
  }

  assert {
    condition     = length(aws_sns_topic.topic) + length(aws_cloudwatch_event_bus.booking) == 0 && length(aws_sfn_state_machine.booking) == 1
    error_message = "The default of events makes a state machine impossible, or makes topics beside it."
  }
}

run "an_archive_without_a_bus" {
  command = plan

  variables {
    events             = "sns"
    event_archive_days = 7
  }

  expect_failures = [var.event_archive_days]
}

run "an_archive_for_no_day" {
  command = plan
  variables { event_archive_days = 0 }
  expect_failures = [var.event_archive_days]
}

run "an_archive_for_a_day_and_a_half" {
  command = plan
  variables { event_archive_days = 1.5 }
  expect_failures = [var.event_archive_days]
}

run "an_archive_under_another_key_than_the_customers" {
  command = plan

  variables {
    event_archive_days = 7
    kms_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  expect_failures = [var.event_archive_days]
}

# Long enough for queues, and for topics.
run "a_prefix_too_long_for_rules" {
  command = plan
  variables { prefix = "a-prefix-that-is-thirty-two-cha-" }
  expect_failures = [var.prefix]
}

run "environment_against_the_carrier" {
  command = plan

  variables {
    store       = "dynamodb"
    image       = "registry.example/booking:1.4.0"
    vpc_id      = "vpc-0a1b2c3d"
    subnet_ids  = ["subnet-0a1b2c3d"]
    flights     = "sample"
    gateway     = "simulated"
    mailer      = "folder"
    environment = { seats = { BOOKING_EVENTS = "sns" } }
  }

  expect_failures = [var.environment]
}
