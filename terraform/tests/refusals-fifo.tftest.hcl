# Choices that contradict FIFO topics and queues are refused before anything is created. Each run names
# only what is wrong.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id = "123456789012"
  region     = "eu-central-1"
  fifo       = true
}

# The messages name both.
run "fifo_on_an_event_bus" {
  command = plan
  variables { events = "eventbridge" }
  expect_failures = [var.fifo]
}

run "fifo_for_a_machine" {
  command = plan
  variables { integration = "step-functions" }
  expect_failures = [var.fifo]
}

# Nobody has to say that there is no FIFO.
run "no_fifo_on_an_event_bus" {
  command = plan

  variables {
    fifo   = false
    events = "eventbridge"
  }

  assert {
    condition     = length(aws_cloudwatch_event_bus.booking) == 1 && alltrue([for it in aws_sqs_queue.role : it.fifo_queue == false])
    error_message = "The default of fifo makes an event bus impossible, or its queues are FIFO."
  }
}

run "no_fifo_for_a_machine" {
  command = plan

  variables {
    fifo        = false
    integration = "step-functions"
  }

  assert {
    condition     = length(aws_sfn_state_machine.booking) == 1 && alltrue([for it in aws_sqs_queue.role : it.fifo_queue == false])
    error_message = "The default of fifo makes a state machine impossible, or its queues are FIFO."
  }
}

run "a_prefix_too_long_for_queues" {
  command = plan
  variables { prefix = "a-prefix-that-is-thirty-three-ch-" }
  expect_failures = [var.prefix]
}

run "environment_against_fifo" {
  command = plan

  variables {
    store       = "dynamodb"
    image       = "registry.example/booking:1.4.0"
    vpc_id      = "vpc-0a1b2c3d"
    subnet_ids  = ["subnet-0a1b2c3d"]
    flights     = "sample"
    gateway     = "simulated"
    mailer      = "folder"
    environment = { seats = { BOOKING_FIFO = "false" } }
  }

  expect_failures = [var.environment]
}

# Whether it is FIFO or not, the module says so.
run "environment_with_fifo_on_standard_queues" {
  command = plan

  variables {
    fifo        = false
    store       = "dynamodb"
    image       = "registry.example/booking:1.4.0"
    vpc_id      = "vpc-0a1b2c3d"
    subnet_ids  = ["subnet-0a1b2c3d"]
    flights     = "sample"
    gateway     = "simulated"
    mailer      = "folder"
    environment = { seats = { BOOKING_FIFO = "true" } }
  }

  expect_failures = [var.environment]
}
